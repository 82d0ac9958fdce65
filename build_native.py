"""Builds the gate's hook in C, where there is a compiler: python build_native.py [FOLDER].

Without it the hook in Python does the same; a run's coverage says which one stood.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

SOURCE = Path(__file__).parent / "src" / "veristep" / "guard" / "load" / "gate_native.c"


def build(folder: Path) -> Path | None:
    """Build the extension into a folder; return it, or None where that cannot be done.

    No failure is an error: the extension is optional.
    """
    target = folder / f"gate_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    include = sysconfig.get_path("include")
    part = target.with_suffix(".part")
    words = [*compiler, "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", f"-I{include}", str(SOURCE)]
    try:
        subprocess.run([*words, "-o", str(part)], check=True, capture_output=True, timeout=120)
        part.replace(target)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", b"") or str(error).encode()
        sys.stderr.write(f"the gate's hook in C is not built: {said.decode(errors='replace')[:500]}\n")
        return None
    return target


if __name__ == "__main__":
    made = build(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE.parent)
    sys.exit(0 if made else 1)
