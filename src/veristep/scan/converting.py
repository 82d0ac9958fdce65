"""Writes a checkpoint anew as safetensors and JSON, from a process that is confined while it loads it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import veristep
from veristep.errors import MalformedError, StorageError, TamperedError, UnavailableError
from veristep.scan.scanner import Scanner
from veristep.scan.seen import Outcome

TENSORS, REST = "tensors.safetensors", "rest.json"
SECONDS = 3600
_BOOT = (
    "import sys; sys.path.append(sys.argv[1]); from veristep.scan.convert_torch import main; "
    "main(*map(int, sys.argv[2:]))"
)
_CHUNK = 1 << 22


@dataclass(frozen=True, slots=True)
class Converted:
    """What became of a checkpoint.

    Attributes:
        tensors: how many were written, each compared bit for bit with what was loaded.
        size: bytes of them.
        omitted: what could not be converted, by its place: the class of it.
        how: ``weights_only``, or ``lists`` where torch's own restricted loading refuses the file.
        confined: whether the kernel held the process that loaded it.
    """

    tensors: int
    size: int
    omitted: Mapping[str, str]
    how: str
    confined: bool


def convert(path: Path, folder: Path) -> Converted:
    """Write a checkpoint anew into a folder that is not there yet.

    Raises:
        TamperedError: loading it would run code; or what was written is not what was loaded.
        MalformedError: it cannot be loaded.
        UnavailableError: torch is not there.
        StorageError: the folder cannot be written.
    """
    with Scanner() as scanner:
        report = scanner.scan(path)
    if report.outcome is Outcome.DENY:
        raise TamperedError(
            f"{path} is not converted: {report.seen[0].text}", hint=f"veristep scan {path} says all of it"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
            made = _made(path, Path(scratch))
            done = _written(Path(scratch), made)
            Path(scratch, "data").unlink()
            folder.mkdir()
            for name in (TENSORS, REST):
                Path(scratch, name).rename(folder / name)
    except OSError as error:
        hint = "name a folder that is not there yet, on a disk with room"
        raise StorageError(f"{folder} cannot be written: {error.strerror}", hint=hint) from error
    return done


def _made(path: Path, scratch: Path) -> dict[str, Any]:
    root = str(Path(veristep.__file__).parent.parent)
    answer, data = scratch / "answer", scratch / "data"
    with path.open("rb") as file, data.open("wb") as tensors, answer.open("wb") as told:
        numbers = [each.fileno() for each in (file, tensors, told)]
        command = [sys.executable, "-I", "-c", _BOOT, root, *map(str, numbers)]
        try:
            done = subprocess.run(
                command, pass_fds=numbers, stdin=subprocess.DEVNULL, capture_output=True,
                timeout=SECONDS, check=False, cwd="/",
                env={"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise MalformedError(f"{path} takes longer to load than {SECONDS} seconds") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        if "No module named" in said:
            raise UnavailableError(
                f"converting needs torch and numpy: {said}", hint="install veristep[torch] numpy"
            )
        raise MalformedError(f"{path} cannot be loaded: {said or f'status {done.returncode}'}")
    made: dict[str, Any] = json.loads(answer.read_bytes())
    answer.unlink()
    return made


def _written(scratch: Path, made: dict[str, Any]) -> Converted:
    """Write both files and read the tensors back."""
    header = json.dumps({"__metadata__": {"format": "pt"}, **made["tensors"]}).encode()
    header += b" " * (-len(header) % 8)
    with (scratch / TENSORS).open("wb") as file, (scratch / "data").open("rb") as data:
        file.write(len(header).to_bytes(8, "little") + header)
        while part := data.read(_CHUNK):
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    with (scratch / TENSORS).open("rb") as file:
        for name, tensor in made["tensors"].items():
            begin, end = tensor["data_offsets"]
            file.seek(8 + len(header) + begin)
            if _digest(file, end - begin) != made["digests"][name]:
                raise TamperedError(f"the tensor {name!r} was not written as it was loaded")
    rest = {"schema": "veristep/converted/1", "value": made["value"], "omitted": made["omitted"],
            "sha256": made["digests"]}  # fmt: skip
    (scratch / REST).write_text(json.dumps(rest, indent=1), encoding="utf-8", errors="surrogatepass")
    size = sum(each["data_offsets"][1] - each["data_offsets"][0] for each in made["tensors"].values())
    return Converted(len(made["tensors"]), size, made["omitted"], str(made["how"]), bool(made["confined"]))


def _digest(file: Any, length: int) -> str:
    found = hashlib.sha256()
    while length > 0:
        part = file.read(min(_CHUNK, length))
        if not part:
            break
        found.update(part)
        length -= len(part)
    return found.hexdigest()
