"""Pickles: one, several in a row, and torch's format before 1.6, which is five of them and raw tensors.

Sources: CPython's ``Lib/pickle.py``, torch's ``serialization.py`` (``_legacy_save``).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

from veristep.scan import arrays, machine
from veristep.scan.looking import Item, Looking, is_zeros
from veristep.scan.machine import Trace
from veristep.scan.names import Standing
from veristep.scan.numbers import numbers
from veristep.scan.seen import Sort
from veristep.scan.source import LARGE, Memory, buffered

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_TORCH_PICKLES = 5
_MOST_PICKLES = 10_000
# In what follows the last pickle, others are looked for at no more places than this.
_MOST_PLACES, _SEARCHED = 200, 16 << 20
_BEGINNING = re.compile(rb"\x80[\x02-\x05]|[cC(\]}\[]")
# Bytes of one number, by torch's classes of storages.
_STORAGES = {
    "UntypedStorage": 1, "ByteStorage": 1, "CharStorage": 1, "BoolStorage": 1, "QInt8Storage": 1,
    "QUInt8Storage": 1, "HalfStorage": 2, "BFloat16Storage": 2, "ShortStorage": 2, "IntStorage": 4,
    "FloatStorage": 4, "QInt32Storage": 4, "LongStorage": 8, "DoubleStorage": 8, "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16,
}  # fmt: skip
_NAMED = re.compile(r"\.(pkl|pickle|pt|pth|ckpt|joblib|sav|dill|pk)$", re.IGNORECASE)
_BINARY = re.compile(rb"\x80[\x02-\x05]")


def recognises(item: Item, head: bytes) -> bool:
    """Whether it begins as a pickle of protocol 2 or later, or is named like one."""
    return bool(_BINARY.match(head)) or (bool(_NAMED.search(item.name)) and bool(head))


def look(scan: Looking, item: Item) -> str:
    """Look at all pickles of an item."""
    file, _stream = buffered(item.source)
    position, count, legacy = 0, 0, False
    storages: dict[str, tuple[str, int]] = {}
    while position < item.source.size:
        if count == _MOST_PICKLES:
            scan.doubt(item, Sort.LIMIT, f"more than {_MOST_PICKLES:,} pickles in a row")
            break
        file.seek(position)
        trace = machine.run(file, scan.names)
        if any(len(each) >= LARGE for each in trace.nested):
            # What it would unpickle in turn has to be read after all.
            whole, _stream = buffered(item.source, skipping=False)
            whole.seek(position)
            trace = machine.run(whole, scan.names)
        if arrays.WRAPPER in trace.names:
            file.seek(position)
            trace = arrays.run_joblib(file, scan.names)
        if count and trace.end < 0 and not trace.names:
            break
        judge(scan, item, trace, position)
        legacy = legacy or (count == 0 and trace.value == TORCH_MAGIC)
        count += 1
        if trace.end < 0:
            position = item.source.size
            break
        item.claim(position, trace.end)
        position = trace.end
        storages.update(trace.storages)
        if legacy and count == _TORCH_PICKLES:
            _numbers(scan, item, position, storages)
            return "torch checkpoint (before 1.6)"
    if position < item.source.size:
        _rest(scan, item, position)
    return "pickle" if count == 1 else f"{count} pickles in a row"


def judge(scan: Looking, item: Item, trace: Trace, start: int = 0) -> None:
    """Note what speaks against a pickle."""
    scan.notes.parts += 1
    called = {(each.module, each.name) for each in trace.calls}
    for call in trace.calls:
        name = f"{call.module}.{call.name}"
        words = f"{name}{call.arguments}"
        if call.standing is Standing.EXECUTES or scan.names.of_the_language(call.module):
            scan.deny(item, Sort.CODE, f"loading it calls {name}", words)
        else:
            scan.doubt(item, Sort.UNLISTED, f"loading it calls {name}, which no profile lists", words)
    for (module, name), standing in trace.names.items():
        if (module, name) in called:
            continue
        if standing is Standing.EXECUTES:
            scan.deny(item, Sort.CODE, f"loading it fetches {module}.{name}", f"{module}.{name}")
        elif standing is Standing.UNLISTED:
            text = f"loading it imports {module} for {name}, which no profile lists"
            scan.doubt(item, Sort.UNLISTED, text, f"{module}.{name}")
    for patch in trace.patches:
        scan.deny(item, Sort.PATCH, f"loading it changes {patch.partition(': ')[0]} itself", patch)
    for odd in trace.odd:
        scan.doubt(item, Sort.UNLISTED, f"loading it {odd}")
    if trace.error:
        scan.doubt(item, Sort.DAMAGED, f"the pickle at byte {start} does not end: {trace.error}")
    for nested in trace.nested:
        scan.look(item.inside(Memory(nested), "torch.storage._load_from_bytes"))


def _numbers(scan: Looking, item: Item, position: int, storages: Mapping[str, tuple[str, int]]) -> None:
    """Account for the storages behind torch's five pickles, and look at what follows them."""
    end = position
    for _key, (kind, count) in sorted(storages.items()):
        width = _STORAGES.get(kind)
        if width is None or count < 0:
            scan.doubt(item, Sort.UNSCANNED, f"how many bytes a {kind} takes is not known")
            return
        (promised,) = struct.unpack("<q", item.source.exactly(end, 8))
        if promised != count:
            scan.doubt(item, Sort.HEADER, f"a storage of {count:,} numbers stands as one of {promised:,}")
            return
        item.claim(end, end + 8)
        numbers(scan, item, end + 8, end + 8 + width * count)
        end += 8 + width * count
    if end < item.source.size and not is_zeros(item.source, end, item.source.size):
        rest = item.source.part(end, item.source.size - end)
        kind = scan.look(item.inside(rest, "[after the checkpoint]"))
        if not kind.startswith("torch"):
            scan.doubt(item, Sort.TRAILING, f"{rest.size:,} bytes follow the checkpoint: {kind}")
        item.claim(end)


def _rest(scan: Looking, item: Item, position: int) -> None:
    """Look for pickles in what follows the last one: a loader that reads on may reach them."""
    size = item.source.size - position
    data = item.source.read(position, min(size, _SEARCHED))
    if not data.strip(b"\0\r\n "):
        item.claim(position, position + len(data))
        if len(data) == size:
            return
    for place, match in enumerate(_BEGINNING.finditer(data)):
        if place == _MOST_PLACES:
            break
        file, _stream = buffered(item.source.part(position + match.start(), size))
        trace = machine.run(file, scan.names)
        if trace.damning or any(scan.names.of_the_language(call.module) for call in trace.calls):
            judge(scan, item, trace, position + match.start())
            return
    scan.doubt(
        item, Sort.TRAILING, f"{size:,} bytes follow the last pickle, and nothing says what they are"
    )
