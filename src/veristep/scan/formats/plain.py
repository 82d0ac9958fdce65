"""Text and pictures: what no loader takes for anything else; and the rest, which is unknown."""

from __future__ import annotations

import re
from collections.abc import Callable

from veristep.scan import machine
from veristep.scan.formats import pickles, texts
from veristep.scan.looking import Item, Looking
from veristep.scan.machine import Trace
from veristep.scan.seen import Outcome, Sort
from veristep.scan.source import buffered

_PICTURES = {
    b"\x89PNG": "PNG picture", b"\xff\xd8\xff": "JPEG picture", b"GIF8": "GIF picture",
    b"RIFF": "RIFF media",
    b"%PDF": "PDF document", b"OggS": "Ogg media", b"fLaC": "FLAC media",
}  # fmt: skip
_PICTURE_NAME = re.compile(r"\.(png|jpe?g|gif|webp|pdf|wav|ogg|flac|avi)$", re.IGNORECASE)
_ROWS = re.compile(r"\.(txt|csv|tsv|jsonl|ndjson|log|md)$", re.IGNORECASE)
_READ = 1 << 20
# Data that nothing turns into code, by first bytes and name.
_DATA: tuple[tuple[Callable[[str, bytes], bool], str], ...] = (
    (
        lambda name, head: name.endswith(".model") and head[:1] == b"\n" and b"<unk>" in head[:64],
        "SentencePiece model",
    ),
    (
        lambda name, head: "tfevents" in name and head[8:12] != b"" and head[4:8] == b"\0\0\0\0",
        "TensorBoard events",
    ),
    (lambda name, head: head[:4] == b"PAR1" and name.endswith(".parquet"), "Parquet table"),
    (lambda name, head: head[:6] == b"ARROW1" and name.endswith((".arrow", ".feather")), "Arrow table"),
)


def recognises(item: Item, head: bytes) -> bool:
    """Everything: this is the last of the formats."""
    del item, head
    return True


def look(scan: Looking, item: Item) -> str:
    """Tell text from what is unknown; a pickle without a magic number is text too."""
    if not item.source.size:
        return "empty file"
    head = item.source.read(0, _READ)
    picture = next((words for magic, words in _PICTURES.items() if head.startswith(magic)), "")
    if picture and _PICTURE_NAME.search(item.name):
        item.claim()  # what opens a picture reads no further than the picture
        return picture
    file, _stream = buffered(item.source)
    trace = machine.run(file, scan.names)
    suspicious = machine.runs_something(trace, scan.names)
    if suspicious or (trace.names and (trace.end >= 0 or _imports(item, trace))):
        pickles.judge(scan, item, trace)
        item.claim(0, max(0, trace.end))
        _misnamed(scan, item)
        return "pickle"
    if texts.is_text(head):
        return _text(scan, item)
    known = next((words for test, words in _DATA if test(item.name, head)), "")
    if known:
        item.claim()
        return known
    scan.doubt(
        item, Sort.UNSCANNED, "it is of no kind that is known, and what would load it is not known either"
    )
    return "unknown"


def _imports(item: Item, trace: Trace) -> bool:
    """Whether a pickle that does not end has imported something before: that runs it.

    A list of words can look like one, and is one by its name.
    """
    if _ROWS.search(item.name):
        return False
    return any(
        all(part.isidentifier() for part in f"{module}.{name}".split(".")) for module, name in trace.names
    )


def _text(scan: Looking, item: Item) -> str:
    data = item.source.read(0, texts.MOST)
    if not texts.is_text(data):
        scan.doubt(item, Sort.UNSCANNED, "it begins as text and does not go on as text")
        return "text, and something else"
    if len(data) < item.source.size and _ROWS.search(item.name):
        item.claim()  # data that is only ever read line by line
    return texts.text(scan, item, data)


def _misnamed(scan: Looking, item: Item) -> None:
    scan.note(item, Sort.MISNAMED, Outcome.ALLOW, "it is a pickle without a pickle's first bytes")
