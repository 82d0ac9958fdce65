"""Raw numbers of tensors: no loader interprets them, so they are not gone through.

Where a stretch of them begins and where it ends is looked at all the same: a program or a pickle that runs
something lies there in no honest file, and whoever put it there has a reader for it in mind.
"""

from __future__ import annotations

import re

from veristep.scan import machine
from veristep.scan.looking import Item, Looking
from veristep.scan.names import Standing
from veristep.scan.seen import Sort
from veristep.scan.source import Source, buffered

WINDOW = 4096
# Stretches of one file that are looked at so; each costs two reads.
_MOST_STRETCHES, _MOST_PLACES = 4096, 16
# What is read of what may be a pickle: numbers that begin like one by chance name lengths of gigabytes.
_MOST_PICKLE = 1 << 20
# Programs of Linux and macOS, with enough of their headers that numbers do not look like one by chance.
_PROGRAM = re.compile(rb"\x7fELF[\x01\x02][\x01\x02]\x01|[\xce\xcf]\xfa\xed\xfe[\x07\x0c]\0\0[\0\x01]")
_PICKLE = re.compile(rb"\x80[\x02-\x05]|[ci]([\w.]{1,80})\n([\w.]{1,80})\n")


def numbers(scan: Looking, item: Item, start: int, stop: int) -> None:
    """Account for a stretch of numbers, and look at both ends of it.

    Raises:
        ShortError: the file ends within it.
    """
    item.claim(start, stop)
    scan.stretches += 1
    if stop == start or scan.stretches > _MOST_STRETCHES:
        return
    head = item.source.read(start, min(WINDOW, stop - start))
    if _PROGRAM.match(head):
        scan.doubt(item, Sort.EMBEDDED, f"a program lies at byte {start:,}, where numbers should be")
    _search(scan, item, start, stop, head)
    if stop - start > WINDOW:
        at = max(start + WINDOW, stop - WINDOW)
        _search(scan, item, at, stop, item.source.read(at, stop - at))


def _search(scan: Looking, item: Item, start: int, stop: int, data: bytes) -> None:
    for place, match in enumerate(_PICKLE.finditer(data)):
        if place == _MOST_PLACES:
            return
        at = start + match.start()
        if _names(scan, match) or _runs(scan, item.source.part(at, min(_MOST_PICKLE, stop - at))):
            text = f"a pickle that runs something lies at byte {at:,}, where numbers should be"
            scan.deny(item, Sort.EMBEDDED, text)
            return


def _names(scan: Looking, match: re.Match[bytes]) -> bool:
    """Whether a name as a pickle of text writes it is one that executes."""
    if match[1] is None:
        return False
    return scan.names.standing(match[1].decode(), match[2].decode()) is Standing.EXECUTES


def _runs(scan: Looking, source: Source) -> bool:
    file, _stream = buffered(source)
    return machine.runs_something(machine.run(file, scan.names), scan.names)
