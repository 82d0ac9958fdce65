"""Decompressors that not every Python brings: zstd and lz4, from the environment, where a file needs them.

The process that looks at files finds nothing of the environment by itself. Who started it says where the
package lies; it is imported there before the file is opened to anything, and the process that then looks
is as confined as ever. Without the package such files stay unknown.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# By kind: modules that can unpack it, the best first; the first is Python's own from 3.14 on.
_MODULES = {"zstd": ("compression.zstd", "zstandard"), "lz4": ("lz4.frame",)}
# What zstd packs best is 128 KiB in 4 bytes: so few at once give no more than 32 MiB.
_FEW = 1 << 10
_WINDOW = 1 << 27
_loaded: dict[str, Any] = {}


def kinds() -> frozenset[str]:
    """Return the kinds that need a package."""
    return frozenset(_MODULES)


def offered(kind: str) -> tuple[str, str] | None:
    """Return the module for a kind and the folder it is found in, in this environment; None for none."""
    for module in _MODULES.get(kind, ()):
        with contextlib.suppress(ImportError, ValueError):
            spec = importlib.util.find_spec(module.partition(".")[0])
            if spec is not None and spec.origin and importlib.util.find_spec(module) is not None:
                return module, str(Path(spec.origin).parent.parent)
    return None


def load(kind: str, module: str, folder: str) -> None:
    """Import what was offered; where that fails, files of the kind stay unknown."""
    if kind in _loaded or module not in _MODULES.get(kind, ()):
        return
    sys.path.append(folder)
    try:
        _loaded[kind] = importlib.import_module(module)
    except Exception:  # noqa: BLE001 - boundary: a package of the environment
        return
    finally:
        sys.path.remove(folder)


def loaded(kind: str) -> bool:
    """Whether this process can unpack a kind."""
    return kind in _loaded


class Unpacker:
    """One stream of zstd or lz4, by the methods that all decompressors share here."""

    def __init__(self, kind: str) -> None:
        module = _loaded[kind]
        self._bounded = module.__name__ != "zstandard"
        if not self._bounded:
            self._of: Any = module.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
        else:
            self._of = (module.ZstdDecompressor if kind == "zstd" else module.LZ4FrameDecompressor)()
        self._rest = b""

    @property
    def ended(self) -> bool:
        """Whether the stream is complete."""
        return bool(self._of.eof)

    @property
    def unused(self) -> bytes:
        """What follows the stream, of the bytes that were given."""
        return bytes(self._of.unused_data or b"") + self._rest

    def chunks(self, data: bytes, most: int) -> Iterator[bytes]:
        """Yield what some packed bytes give, in pieces of a bounded size."""
        if not self._bounded:
            for at in range(0, len(data), _FEW):
                if self._of.eof:
                    self._rest = data[at:]
                    return
                yield self._of.decompress(data[at : at + _FEW])
            return
        decompress: Callable[..., bytes] = self._of.decompress
        yield decompress(data, max_length=most)
        while not self._of.needs_input and not self._of.eof:
            yield decompress(b"", max_length=most)


def errors() -> tuple[type[BaseException], ...]:
    """Return what the loaded decompressors raise for damaged bytes."""
    found = (getattr(each, "ZstdError", None) for each in _loaded.values())
    return (RuntimeError, *(each for each in found if isinstance(each, type)))
