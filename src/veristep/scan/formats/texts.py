"""Configurations: JSON and YAML whose loaders import or call what they name, and chat templates.

Sources: Hugging Face's ``auto_map``, Hydra's ``_target_``, PyYAML's ``!!python`` tags, Keras's saved
configurations (``class_name``, ``module``, ``config``).
"""

from __future__ import annotations

import json
import re
from typing import Any

from veristep.scan.formats import templates
from veristep.scan.looking import Item, Looking
from veristep.scan.names import Standing
from veristep.scan.seen import Sort

MOST = 64 << 20
_CUT = 1 << 20
_YAML = re.compile(r"\.(ya?ml)$", re.IGNORECASE)
_PROSE = re.compile(r"\.(md|rst|py|pyi|html?|js|css|c|h|cc|cpp|cu|csv|tsv|log|ipynb|jsonl)$", re.IGNORECASE)
_TEMPLATE = re.compile(r"\.(jinja2?|j2)$", re.IGNORECASE)
_TAG = re.compile(r"(?:!!|!?<?tag:yaml\.org,2002:|!)python/([\w/]+)(?::([\w.]*))?")
_HARMLESS = frozenset({"tuple", "none", "bool", "str", "unicode", "int", "long", "float", "complex", "list", "dict", "bytes"})  # fmt: skip  # noqa: E501
_TAG_DIRECTIVE = re.compile(r"^%TAG\s+\S+\s+tag:yaml\.org,2002:(python\S*|)\s*$", re.MULTILINE)
_TARGET = re.compile(r"""["']?_target_["']?\s*:\s*["']?([\w.]+)""")
_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|%([0-9a-fA-F]{2})")
_RESOLVER = re.compile(r"\$\{\s*(eval|exec|python|py|lambda|import)\w*\s*:")
# Libraries whose classes a configuration may name; what runs code in them is in the lists.
_LIBRARIES = (
    "torch.", "torchvision.", "transformers.", "pytorch_lightning.", "lightning.", "torchmetrics.",
    "sklearn.", "diffusers.", "omegaconf.", "timm.", "monai.", "hydra_plugins.",
)  # fmt: skip
_KERAS = ("keras", "tensorflow.keras", "tf_keras")


def recognises(item: Item, head: bytes) -> bool:
    """Whether it is an object or a list of JSON, which no pickle begins like."""
    del item
    return head.lstrip()[:1] in (b"{", b"[") and b"\0" not in head


def look(scan: Looking, item: Item) -> str:
    """Look at JSON, or at text that is not after all."""
    if item.source.size > MOST:
        scan.doubt(item, Sort.LIMIT, "it is longer than text that a scan may read")
        return "text"
    data = item.source.read(0, item.source.size)
    try:
        found = json.loads(data, object_pairs_hook=_Pairs)
    except (ValueError, UnicodeDecodeError):
        if not is_text(data):
            scan.doubt(item, Sort.UNSCANNED, "it begins as JSON and does not go on as text")
            return "no JSON"
        return text(scan, item, data)
    values(scan, item, found)
    item.claim()
    scan.notes.parts += 1
    return "JSON"


def is_text(head: bytes) -> bool:
    """Whether bytes are text, as far as they go: a character may be cut off behind the first MiB."""
    if b"\0" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4 and len(head) >= _CUT
    return True


class _Pairs(dict[str, Any]):
    """An object whose repeated keys are all kept: readers take the last, or the first."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.hidden = [value for key, value in pairs if self[key] is not value]


def text(scan: Looking, item: Item, data: bytes) -> str:
    """Look at text of no certain kind: YAML, templates, lines of JSON."""
    scan.notes.parts += 1
    item.claim(0, len(data))
    words = data.decode("utf-8", "replace")
    if _TEMPLATE.search(item.name):
        templates.look(scan, item, words)
        return "template"
    if item.name.endswith(".jsonl"):
        return "JSON lines"
    yaml = bool(_YAML.search(item.name))
    # A member of an archive, or a file renamed, is a configuration under any other name too.
    if yaml or "!!python" in words or not _PROSE.search(item.name):
        _yaml(scan, item, words)
    return "YAML" if yaml else "text"


def _yaml(scan: Looking, item: Item, words: str) -> None:
    plain = _ESCAPED.sub(lambda match: chr(int(next(filter(None, match.groups())), 16)), words)
    for match in _TAG.finditer(plain):
        if match[1] in _HARMLESS:
            continue
        called = f" {match[2]}" if match[2] else ""
        scan.deny(item, Sort.REMOTE, f"a YAML tag has its loader call or import{called}", match[0])
    if _TAG_DIRECTIVE.search(plain):
        scan.deny(item, Sort.REMOTE, "a YAML directive gives Python's tags another name")
    for match in _TARGET.finditer(plain):
        _named(scan, item, match[1], "_target_")
    for match in _RESOLVER.finditer(plain):
        scan.doubt(item, Sort.REMOTE, f"an interpolation calls a resolver named {match[1]}", match[0])
    if "{{" in words or "{%" in words:
        templates.look(scan, item, words)


def values(scan: Looking, item: Item, value: Any) -> None:
    """Look at what configurations hold, however deep."""
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            _object(scan, item, each)
            stack.extend(each.values())
            stack.extend(getattr(each, "hidden", ()))
        elif isinstance(each, list):
            stack.extend(each)
        elif isinstance(each, str) and ("{{" in each or "{%" in each):
            templates.look(scan, item, each)


def _object(scan: Looking, item: Item, value: dict[str, Any]) -> None:
    if value.get("auto_map"):
        text_ = "auto_map has its loader import Python files of the model"
        scan.doubt(item, Sort.REMOTE, text_, json.dumps(value["auto_map"])[:200])
    if value.get("trust_remote_code") is True:
        scan.doubt(item, Sort.REMOTE, "it asks for trust_remote_code")
    target = value.get("_target_")
    if isinstance(target, str):
        _named(scan, item, target, "_target_")
    if isinstance(value.get("class_name"), str) and "config" in value:
        _keras(scan, item, value)


def _named(scan: Looking, item: Item, target: str, key: str) -> None:
    module, _, name = target.rpartition(".")
    standing = scan.names.standing(module, name)
    if standing is Standing.EXECUTES or (
        scan.names.of_the_language(module) and standing is not Standing.ALLOWED
    ):
        scan.deny(item, Sort.REMOTE, f"{key} has its loader call {target}")
    elif standing is not Standing.ALLOWED and not target.startswith(_LIBRARIES):
        scan.doubt(item, Sort.REMOTE, f"{key} has its loader import and call {target}")


def _keras(scan: Looking, item: Item, value: dict[str, Any]) -> None:
    name, module, config = str(value["class_name"]), str(value.get("module") or ""), value.get("config")
    inner = config if isinstance(config, dict) else {}
    label = str(inner.get("name", ""))
    if name in ("Lambda", "__lambda__") or ("function" in inner and isinstance(inner["function"], list)):
        scan.deny(item, Sort.EMBEDDED, f"layer {label!r} is a Lambda: code of the file runs with the model")
    if name == "function" and isinstance(config, str):
        name = config
    if not module or (module == "builtins" and name in ("dict", "list", "tuple", "slice", "__ellipsis__")):
        return
    if module.split(".", maxsplit=1)[0] not in _KERAS and not module.startswith(_KERAS):
        standing = scan.names.standing(module, name)
        if standing is Standing.EXECUTES or scan.names.of_the_language(module):
            scan.deny(item, Sort.REMOTE, f"Keras would import {module} and call {name}")
        else:
            scan.doubt(item, Sort.REMOTE, f"Keras would import {module} for {name}, which is not its own")
