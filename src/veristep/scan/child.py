"""The process that looks at files: nothing of the environment is imported in it.

It forks for each file, so that a file which ends its process ends that of no other. What it answers is
JSON.
"""

from __future__ import annotations

import codecs
import json
import os
import socket
from typing import Any

from veristep.scan import confine, dispatch, unpackers
from veristep.scan.looking import Item, Looking
from veristep.scan.names import Names, known
from veristep.scan.seen import Outcome, Report, Seen, Sort
from veristep.scan.source import Descriptor

MESSAGE = 1 << 17
_NO_PICKLES = frozenset({
    "safetensors", "json", "jsonl", "gguf", "onnx", "h5", "keras", "txt", "md", "yaml", "yml", "png",
    "jpg", "csv",
})  # fmt: skip
# Codecs are imported when they are first used; nothing is imported any more then.
for _codec in (
    "latin-1",
    "utf-8",
    "ascii",
    "cp437",
    "unicode_escape",
    "raw_unicode_escape",
    "utf-16",
    "utf-32",
):
    codecs.lookup(_codec)


def serve(number: int) -> None:
    """Answer requests on a socket until it is closed.

    A request is JSON (``name``; ``load``: kinds of packing, each with a module and its folder) with two
    descriptors: the file, and the pipe that takes the report. The answer is the wait status of the process
    that looked.
    """
    line = socket.socket(fileno=number)
    names = known(tuple(pair) for pair in json.loads(line.recv(MESSAGE) or b"[]"))
    while True:
        message, descriptors, _, _ = socket.recv_fds(line, MESSAGE, 2)
        if not message:
            return
        request = json.loads(message)
        for kind, module, folder in request.get("load", ()):
            unpackers.load(kind, module, folder)
        pid = os.fork()
        if pid == 0:
            _answer(line, request, descriptors[0], descriptors[1], names)
        for each in descriptors:
            os.close(each)
        line.send(json.dumps(os.waitpid(pid, 0)[1]).encode())


def _answer(line: socket.socket, request: Any, file: int, pipe: int, names: Names) -> None:
    try:
        line.close()
        size = os.fstat(file).st_size
        source = Descriptor(file, size)
        packed = source.read(0, 4) == b"PK\x03\x04"
        confine.limit(0 if packed else size)
        filtered = confine.filtered()
        confine.refuse_events()
        report, needs = look(source, str(request["name"]), names)
        text = json.dumps({**report.to_json(), "confined": filtered, "needs": needs})
        data = memoryview(text.encode("utf-8", "backslashreplace"))
        while data:
            data = data[os.write(pipe, data) :]
        os._exit(0)
    finally:
        os._exit(1)


def _misnamed(scan: Looking, item: Item, kind: str) -> None:
    """Note a file that promises not to be unpickled, and would be by who tries."""
    ending = item.name.rpartition(".")[2].lower()
    if ending in _NO_PICKLES and ("pickle" in kind or kind.startswith("torch")):
        scan.doubt(item, Sort.MISNAMED, f"it is named as {ending}, and is a {kind}")


def look(source: Descriptor, name: str, names: Names) -> tuple[Report, list[str]]:
    """Look at one file in this process; return also what kinds of packing could be loaded for it.

    Raises:
        OSError: it cannot be read.
    """
    scan = Looking(names, dispatch.dispatch)
    item = Item(source, name)
    kind = scan.look(item)
    _misnamed(scan, item, kind)
    if scan.notes.more:
        text = f"{scan.notes.more:,} more things like these"
        scan.notes.seen.append(Seen(Sort.LIMIT, Outcome.UNKNOWN, text))
    read = min(source.bytes_read, source.size)
    report = Report("", kind, tuple(scan.notes.seen), source.size, read, scan.notes.parts)
    return report, sorted(scan.needs)
