"""Templates of Jinja: what reaches from them to Python's own objects. Source: Jinja's ``sandbox.py``."""

from __future__ import annotations

import re

from veristep.scan.looking import Item, Looking
from veristep.scan.seen import Sort

_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_DUNDER = re.compile(r"__(?:class|base|bases|mro|subclasses|globals|builtins|init|import|dict|getattribute"
                     r"|code|func|self|module|reduce|reduce_ex|call|new|closure|spec)__")  # fmt: skip
_HIDDEN = re.compile(r"\\x5f|\\u005f|\\137|\\N\{LOW LINE\}", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"\|\s*attr\s*\(|\battribute\s*=\s*['\"]_|\[\s*['\"]_+['\"]\s*[~+*]|['\"]_+['\"]\s*[~*+]"
)
_INNER = re.compile(
    r"\b(cycler|joiner|lipsum|self|caller|gi_frame|f_globals|func_globals|os\.popen)\b\s*(\.|\[)"
)
_FILES = re.compile(r"\{%-?\s*(include|import|extends|from)\b")


def look(scan: Looking, item: Item, text: str) -> None:
    """Note what a template must not have."""
    for part in _CODE.finditer(text):
        code = part[0]
        line = f"line {text.count(chr(10), 0, part.start()) + 1}: {' '.join(code.split())[:160]}"
        found = _DUNDER.search(code)
        if found or _HIDDEN.search(code):
            what = found[0] if found else "an underscore written as an escape"
            scan.deny(item, Sort.TEMPLATE, f"its template uses {what}", line)
        elif _ATTRIBUTE.search(code) or _INNER.search(code):
            scan.doubt(item, Sort.TEMPLATE, "its template reaches for attributes by name", line)
        elif _FILES.search(code):
            scan.doubt(item, Sort.TEMPLATE, "its template includes other files", line)
