"""TorchScript code: it runs in C++, which raises no audit event, so it is judged here or nowhere.

Archives hold it as text of a small language. Operators that reach files, or that pickle, have no place in
a model. Source: torch's ``torch/csrc/jit/runtime/register_prim_ops.cpp`` and ``register_special_ops.cpp``.
"""

from __future__ import annotations

import re

from veristep.scan import zipped
from veristep.scan.looking import Item, LimitError, Looking
from veristep.scan.seen import Outcome, Sort
from veristep.scan.source import Memory

_MOST = 64 << 20
# Torch's reader finds members without regard to case; an archive of the oldest kind says itself where its
# code lies.
_CODE = re.compile(r"(^|/)code/.*\.py$", re.IGNORECASE)
_OLDEST = re.compile(r"(^|/)model\.json$", re.IGNORECASE)
# Operators with an effect outside of the model. White space may stand anywhere, torch and its operators may
# be given another name first, and getattr takes a text: so the attribute is looked for, whoever has it.
_NAMES = r"(save|from_file|_load_from_file|rpc_async|rpc_sync|rpc_remote)"
_GAP = r"(?:\s|\\\n)*"
_REACHED = re.compile(rf"\.{_GAP}{_NAMES}\b")
_ROOT = r"(?:torch|ops(?:\s*\.\s*\w+)?)"
_OF_TORCH = re.compile(rf"\b{_ROOT}[\s)]*\.{_GAP}{_NAMES}\b")
_OTHER_NAME = re.compile(rf"=[\s(]*{_ROOT}[\s)]*$", re.MULTILINE)
_BY_TEXT = re.compile(
    rf"""\bgetattr\s*\(\s*(?:\(*\s*(?:torch|ops)\b|[^"'\n]*,\s*["'](?:{_NAMES}["']|[^"'\n]*\\))"""
)
# An honest model may have a method called so.
_METHOD = re.compile(rf"\bdef\s+{_NAMES}\s*\(")
_APART = re.compile(
    r'''"""[\s\S]*?"""|\'{3}[\s\S]*?\'{3}|"(?:[^"\\\n]|\\[\s\S])*"|\'(?:[^\'\\\n]|\\[\s\S])*\'|\#[^\n]*'''
)
_NAMESPACE = re.compile(r"\b(?:torch\.)?ops\.(\w+)\.(\w+)\s*\(")
_OWN = frozenset({
    "aten", "prim", "prims", "torchvision", "torchaudio", "quantized", "quantized_decomposed", "_quantized",
    "mkldnn", "mkldnn_prepacked", "mkl", "xnnpack", "prepacked", "onednn", "sparse", "static_runtime",
    "cuda", "c10d", "c10d_functional", "_c10d_functional", "inductor", "profiler", "rand",
    "torchtext", "nnapi",    "vulkan_prepack", "metal_prepack", "fb", "prim_ops",
})  # fmt: skip


def is_code(name: str) -> bool:
    """Whether an archive's member of this name is code of TorchScript."""
    return bool(_CODE.search(name))


def code(scan: Looking, item: Item) -> None:
    """Look at what code calls."""
    scan.notes.parts += 1
    if item.source.size > _MOST:
        scan.doubt(item, Sort.LIMIT, f"{item.source.size:,} bytes of TorchScript are too many to be read")
        return
    judge(scan, item, item.source.read(0, item.source.size).decode("utf-8", "replace"))


def judge(scan: Looking, item: Item, text: str) -> None:
    """Look at what code calls."""
    bare = _APART.sub(_blank, text)
    own = {match[1] for match in _METHOD.finditer(bare)}
    of_torchs = {match.end() for match in _OF_TORCH.finditer(bare)}
    for match in (*_REACHED.finditer(bare), *_OTHER_NAME.finditer(bare), *_BY_TEXT.finditer(text)):
        at = match.start()
        name = match[1] if match.re is not _OTHER_NAME else ""
        where = f"line {text.count(chr(10), 0, at) + 1}: {_line(text, at)}"
        if match.re is _REACHED:
            of_torch = match.end() in of_torchs
            if name in own and not of_torch:
                said = (
                    f"TorchScript code calls {name}, which may be a method of the model or torch's operator"
                )
                scan.doubt(item, Sort.SCRIPT, said, where)
            else:
                scan.deny(item, Sort.SCRIPT, f"TorchScript code calls {'torch.' * of_torch}{name}", where)
        else:
            said = "TorchScript code gives torch's operators another name, as no compiler writes it"
            scan.deny(item, Sort.SCRIPT, said, where)
    for match in _REACHED.finditer(text):
        if not _REACHED.match(bare, match.start()):
            scan.note(item, Sort.SCRIPT, Outcome.ALLOW, f"a text in TorchScript code says {match[1]}")
    for match in _NAMESPACE.finditer(text):
        if match[1] not in _OWN:
            name = f"{match[1]}::{match[2]}"
            scan.doubt(
                item, Sort.SCRIPT, f"TorchScript code calls {name}, an operator of somebody's library"
            )


def archive(scan: Looking, item: Item) -> None:
    """Look at the code of an archive and at nothing else in it, as far as it can be read.

    For the process that is about to load it: what its pickles name is looked up by nobody there.
    """
    try:
        found = zipped.directory(item.source)
    except zipped.NotZipError:
        # Not an archive, or a damaged one, that another reader may take: whatever in it reads as code.
        code(scan, item)
        return
    every = any(_OLDEST.search(each.name) for each in found.entries)
    for entry in found.entries:
        if not every and not is_code(entry.name):
            continue
        member = item.inside(Memory(b""), entry.name)
        try:
            scan.unpack(entry.size)
            content = zipped.content(item.source, entry)
        except (zipped.NotZipError, OverflowError, LimitError) as error:
            scan.doubt(member, Sort.LIMIT, f"a member of the archive was not read: {error}")
            continue
        member.source = Memory(content) if isinstance(content, bytes) else content
        code(scan, member)


def _blank(match: re.Match[str]) -> str:
    """Return a text or comment with nothing in it, as long as it was."""
    return "".join(each if each == "\n" else " " for each in match[0])


def _line(text: str, at: int) -> str:
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    return text[start : end if end >= 0 else len(text)].strip()[:160]
