"""Starting the look at an environment in an interpreter that has nothing of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veristep.core.canonical import Json
from veristep.core.checks import Tally
from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.errors import UnavailableError
from veristep.guard.env.layout import Layout
from veristep.supervise.boot import package_folder

# The package is searched for last: nothing beside it can stand in for the standard library.
_PROGRAM = "import sys; sys.path.append({!r}); from veristep.guard.env.preflight import main; main()"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Attributes:
        layout: the environment.
        reference: its reference, as kept in the ledger; empty without one.
        memory: file with what was read earlier.
        secret: key of that file.
        variables: a run starts with; the disk alone is looked at without.
        cwd: the run's working directory.
        script_folder: of the script it starts.
        full: read every byte, whatever was read earlier.
        byte_code: look at cached byte code too.
        seconds: how long byte code may be compiled.
        lock: say of every file what it is.
    """

    layout: Layout
    reference: bytes
    memory: Path
    secret: bytes
    variables: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""
    script_folder: str = ""
    full: bool = False
    byte_code: bool = True
    seconds: float = 20.0
    lock: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it: see `guard.env.preflight`."""

    findings: tuple[Finding, ...]
    coverage: Mapping[str, Tally]
    files: int
    read: int
    seconds: float
    digests: Mapping[str, str]
    same: tuple[str, ...]
    more: int
    unreadable: tuple[str, ...]


class Looking:
    """A look that is going on, in a process of its own."""

    def __init__(self, request: Request) -> None:
        """Start it.

        Raises:
            UnavailableError: the interpreter cannot be started.
        """
        program = _PROGRAM.format(str(Path(package_folder()).parent))
        own = f"pycache_prefix={_byte_code_folder()}"
        command = [request.layout.interpreter, "-I", "-S", "-X", own, "-c", program]
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the answer
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        # By files, not pipes: nobody has to be there to read or write them.
        with tempfile.TemporaryFile() as asked:
            asked.write(_request(request))
            asked.seek(0)
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=asked,
                    stdout=self._output,
                    stderr=self._errors,
                    env={"LANG": "C.UTF-8"},
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                raise UnavailableError(f"the environment could not be looked at: {error}") from error

    def answer(self, seconds: float) -> Answer | None:
        """Return what came of it, waiting so long; None when it goes on.

        Raises:
            UnavailableError: it failed.
        """
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            # Whoever asked goes on, and starts a training perhaps: what is left must not compete with it.
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self._process.pid, 19)
            return None
        self._output.seek(0)
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        try:
            if status == 0:
                return _answer(json.loads(self._output.read()))
        except (ValueError, KeyError, TypeError) as error:
            said.append(repr(error))
        finally:
            self._output.close()
            self._errors.close()
        why = said[-1][:300] if said else f"the interpreter ended with {status}"
        raise UnavailableError(f"the environment could not be looked at: {why}")

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def ask(request: Request, timeout: float) -> Answer:
    """Have an environment looked at.

    Raises:
        UnavailableError: the interpreter cannot be started, fails, or takes too long.
    """
    looking = Looking(request)
    found = looking.answer(timeout)
    if found is None:
        looking.stop()
        raise UnavailableError(f"looking at the environment took longer than {timeout:.0f} s")
    return found


def _request(request: Request) -> bytes:
    value = {
        "executable": request.layout.executable,
        "memory": str(request.memory),
        "secret": request.secret.hex(),
        "variables": dict(request.variables),
        "cwd": request.cwd,
        "script_folder": request.script_folder,
        "full": request.full,
        "byte_code": request.byte_code,
        "seconds": request.seconds,
        "lock": request.lock,
    }
    return json.dumps(value).encode() + b"\n" + request.reference


def _byte_code_folder() -> str:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "veristep" / "preflight-bytecode"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return tempfile.gettempdir() + "/veristep-no-such-folder"
    return str(folder)


def _answer(value: Mapping[str, Any]) -> Answer:
    return Answer(
        findings=tuple(map(_finding, value["findings"])),
        coverage={
            name: Tally(each["total"], each["checked"], each["not_checked"])
            for name, each in value["coverage"].items()
        },
        files=value["files"],
        read=value["read"],
        seconds=value["seconds"],
        digests=value.get("digests", {}),
        same=tuple(value.get("same", ())),
        more=value["more"],
        unreadable=tuple(value["unreadable"]),
    )


def _finding(value: Mapping[str, Any]) -> Finding:
    evidence: Mapping[str, Json] = value["evidence"]
    return Finding(
        rule=value["rule"],
        severity=Severity(value["severity"]),
        summary=value["summary"],
        suspects=tuple(Suspect(**each) for each in value["suspects"]),
        evidence=evidence,
    )
