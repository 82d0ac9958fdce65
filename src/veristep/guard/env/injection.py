"""ENV023: a variable has a native library loaded into the training, past the linker's own variables.

Runtimes load tools and plugins that a variable names: OpenMP's tools interface (OMPT), the injection
interfaces of CUDA and NVTX, NCCL's plugins, glibc's character sets, OpenSSL's providers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env.preload import is_usual
from veristep.guard.env.scene import Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV023", "A variable has a library loaded into the training")

# What each names, and who loads it.
VARIABLES = {
    "OMP_TOOL_LIBRARIES": "OpenMP loads its tools from it",
    "CUDA_INJECTION64_PATH": "CUDA loads it into every process that uses it",
    "NVTX_INJECTION64_PATH": "NVTX loads it at the first mark",
    "NCCL_NET_PLUGIN": "NCCL loads it to talk to the network",
    "NCCL_TUNER_PLUGIN": "NCCL loads it to choose algorithms",
    "NCCL_PROFILER_PLUGIN": "NCCL loads it to be profiled",
    "GCONV_PATH": "glibc loads character sets from it",
    "OPENSSL_CONF": "OpenSSL loads the modules it names",
    "OPENSSL_MODULES": "OpenSSL loads its providers from it",
    "OPENSSL_ENGINES": "OpenSSL loads its engines from it",
}


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each place named; a note where it is the system's, or a mere name of NCCL's."""
    for name, does in VARIABLES.items():
        for each in filter(None, scene.variables.get(name, "").split(":")):
            if "/" not in each:
                # Found on the linker's path, as clusters set it: `aws-ofi`, `none`.
                yield _finding(name, does, each, Severity.INFO)
                continue
            path = os.path.join(scene.cwd or "/", each)  # noqa: PTH118
            yield _finding(name, does, path, Severity.INFO if is_usual(path) else Severity.ERROR)


def _finding(name: str, does: str, path: str, severity: Severity) -> Finding:
    place = Path(path)
    return RULE.finding(
        f"{name} is set to {path}: {does}",
        severity=severity,
        suspects=suspects.of_file(place, how=f"{name} names it") if place.is_absolute() else (),
        path=path if place.is_absolute() else "",
        expected=f"{name} not set, or naming a place of the system",
        got=f"{name}={path}",
        hint="what it loads runs in the training, before or beside it; find out who set it, and for what",
    )
