"""Runs pickles of joblib, which have raw arrays between their opcodes, as joblib runs them.

Joblib reads them with the unpickler of ``Lib/pickle.py``, and reads an array's bytes from the file when
the object that describes it has been built. So does this. Source: joblib's ``numpy_pickle.py``,
``NumpyArrayWrapper.read_array``.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

from veristep.scan.machine import Made, Named, Recorder, Trace, run
from veristep.scan.names import Names

WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_MOST_OBJECTS = 1 << 16


# The public one's twin in Python, whose opcodes a subclass can hook; the one that joblib uses.
_Python: Any = pickle._Unpickler


class _Unpickler(_Python):  # type: ignore[misc]  # a class by way of Any
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_Python.dispatch)

    def __init__(self, file: io.BufferedReader, recorder: Recorder) -> None:
        super().__init__(file, encoding="latin1")
        self._recorder = recorder
        self._file = file

    def find_class(self, module: str, name: str) -> Any:
        return self._recorder.named(module, name)

    def persistent_load(self, pid: Any) -> Any:
        del pid
        return Made(("persistent", "object"), self._recorder)

    def load_build(self) -> None:
        super().load_build()
        built = self.stack[-1]
        if isinstance(built, Made) and built.of == WRAPPER:
            self._skip(built.state if isinstance(built.state, dict) else {})

    dispatch[pickle.BUILD[0]] = load_build

    def _skip(self, state: dict[Any, Any]) -> None:
        """Pass over an array's bytes; where it holds objects, a pickle stands in their place."""
        dtype, shape = state.get("dtype"), state.get("shape")
        described = dtype.arguments[0] if isinstance(dtype, Made) and dtype.arguments else dtype
        if isinstance(described, Named) or not isinstance(described, str) or not isinstance(shape, tuple):
            raise pickle.UnpicklingError("an array whose type and shape are not plain")
        if "O" in described or (isinstance(dtype, Made) and _of_objects(dtype.state)):
            inner = run(self._file, self._recorder.known)
            self._recorder.take(inner)
            if inner.end < 0:
                raise pickle.UnpicklingError(f"an array of objects: {inner.error}")
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self._file.seek(self._file.read(1)[0], io.SEEK_CUR)
        size = int(described[1:].lstrip("<>|=") or "1") * (4 if described[0] == "U" else 1)
        for each in shape:
            size *= int(each)
        self._file.seek(size, io.SEEK_CUR)


def _of_objects(state: Any, depth: int = 24) -> bool:
    """Whether a type's state names one that holds objects, in a field of a field."""
    if depth == 0:
        return True
    if isinstance(state, Made):
        first = state.arguments[0] if state.arguments else ""
        return "O" in str(first) or _of_objects(state.state, depth - 1)
    if isinstance(state, dict):
        return any(_of_objects(each, depth - 1) for each in state.values())
    return isinstance(state, (tuple, list)) and any(_of_objects(each, depth - 1) for each in state)


def run_joblib(file: io.BufferedReader, names: Names) -> Trace:
    """Run one pickle of joblib from where a file stands, and leave the file behind it.

    Never raises for what the pickle is: why it did not end is in the trace.
    """
    recorder = Recorder(names)
    try:
        _Unpickler(file, recorder).load()
        recorder.trace.end = file.tell()
    except MemoryError:
        recorder.trace.error = "it asks for more memory than a scan may use"
    except Exception as error:  # noqa: BLE001 - boundary: the pickle chooses what is raised
        recorder.trace.error = f"{type(error).__name__}: {str(error)[:200]}"
    return recorder.trace
