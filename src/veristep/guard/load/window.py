"""What may not happen while an artifact is being loaded: processes, code, libraries, files written.

A list of names cannot say what YAML tags, Keras lambdas, package loaders, or a class of an unlisted package
do. But loading needs none of these, except to import what is installed. Whether an artifact is being loaded
is told from the call stack when such a thing is about to happen; nothing is kept while none is.

In every process of a run: nothing is imported here that is not needed at once.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident

from veristep.guard.load import generated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Any

    # Is given an audit event's arguments and the frame that raised it.
    Action = Callable[[tuple[Any, ...], FrameType], None]

_PROCESSES = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
)
# The functions that load: module, and its functions; empty for any.
_LOADERS: dict[str, tuple[str, ...]] = {
    "torch.serialization": ("load",),
    "torch.package.package_importer": (),
    "torch.jit._serialization": ("load",),
    "torch.export": ("load",),
    "torch._export.serde.serialize": (),
    "torch.distributed.checkpoint.filesystem": ("read_metadata", "read_data"),
    "pickle": ("load", "_load", "_loads"),
    "joblib.numpy_pickle": ("load",),
    "numpy.lib._npyio_impl": ("load",),
    "numpy.lib.npyio": ("load",),
    "numpy.lib._format_impl": ("read_array",),
    "numpy.lib.format": ("read_array",),
    "pandas.io.pickle": ("read_pickle",),
    "dill._dill": ("load", "loads"),
    "yaml.constructor": ("get_single_data", "construct_document"),
    "keras.src.saving.saving_api": ("load_model", "load_weights"),
    "keras.src.saving.saving_lib": ("load_model",),
    "keras.src.saving.serialization_lib": ("deserialize_keras_object",),
    "keras.src.legacy.saving.legacy_h5_format": ("load_model_from_hdf5",),
    "tf_keras.src.saving.saving_api": ("load_model",),
    "safetensors.torch": ("load_file",),
}
# Loaders that build what a configuration names: a whole training may run inside them. What the
# configuration itself names is what only the standard library stands between.
_CONFIGURED: dict[str, tuple[str, ...]] = {
    "hydra._internal.instantiate._instantiate2": ("_call_target",),
    "jsonargparse._util": ("get_import_path",),
}
# Modules that make code while they are imported or used: data classes and the like.
_GENERATORS = (
    "dataclasses",
    "collections",
    "attr._make",
    "attrs",
    "enum",
    "typing",
    "functools",
    "_pyrepl",
    "torch.fx.operator_schemas",  # the types in operators' schemas
)
_MAPPERS = ("numpy._core.memmap", "numpy.core.memmap")
_IMPORTLIB = ("importlib._bootstrap", "importlib._bootstrap_external")
# What reads over a network may keep what it read.
_KEEPERS = ("fsspec.", "s3fs.", "gcsfs.", "adlfs.", "huggingface_hub.")
# What writes because it is asked to, and runs nothing that it writes: a log is part of a configuration.
_LOGS = ("logging", "logging.handlers")
# Where the Hub's client puts code that came with a model.
_REMOTE = f"{os.sep}transformers_modules{os.sep}"
_SYSTEM = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/usr/local/lib/")
_WRITES = os.O_WRONLY | os.O_RDWR
_FINE_PLACES = ("/dev/", "/proc/self/")
_MOST_FRAMES = 200


def installed_prefixes() -> tuple[str, ...]:
    """Return the folders of the standard library and of what is installed, each with its slash."""
    found = [os.path.dirname(os.__file__)]  # noqa: PTH120
    found += [path for path in sys.path if path.rstrip(os.sep).endswith(("site-packages", "dist-packages"))]
    found += [os.path.realpath(path) for path in found]
    return tuple(dict.fromkeys(f"{path.rstrip(os.sep)}{os.sep}" for path in found))


class Window:
    """Looks at what is about to happen, and stops what happens because an artifact is being loaded.

    Attributes:
        passed: per thread, the code and the instruction that unpickles an artifact, when an unlisted name
            was let pass there. The C unpickler has no frame of its own; while a frame of that code stands
            at that instruction, it is at work.
    """

    def __init__(
        self,
        tell: Callable[[str, str, str, tuple[FrameType, ...]], None],
        root: str,
        own: tuple[str, ...],
        busy: set[int],
    ) -> None:
        """Make the window of this process.

        Args:
            tell: is given the rule, what happens, the loader and the frames between, innermost first;
                raises to stop it.
            root: folder of the run's own code.
            own: folders of Veristep's own for this run; writing there is no finding.
            busy: threads that are judging.
        """
        self.passed: dict[int, tuple[CodeType, int]] = {}
        self._tell = tell
        self._own = own
        self._busy = busy
        self._installed = installed_prefixes()
        self._root = f"{root.rstrip(os.sep)}{os.sep}" if root else ""
        self._remote: set[str] = set()

    def actions(self) -> dict[str, Action]:
        """Return what is done at which audit event."""
        found: dict[str, Action] = {event: self._starts(event) for event in _PROCESSES}
        found |= {"exec": self._executes, "marshal.loads": self._unmarshals, "ctypes.dlopen": self.library}
        return found

    def opened(self, args: tuple[Any, ...], frame: FrameType) -> None:
        """A file is about to be opened, for writing perhaps."""
        path, mode, flags = args
        if type(mode) is str:
            if not ("w" in mode or "a" in mode or "x" in mode or "+" in mode):
                return
        elif not (type(flags) is int and flags & _WRITES):
            return
        if type(path) is not str or path.endswith(".pyc") or path.startswith(_FINE_PLACES):
            return
        if frame.f_globals.get("__name__") in _IMPORTLIB:
            return  # byte code of what is imported, under a passing name
        if frame.f_globals.get("__name__") in _MAPPERS:
            return  # numbers mapped to be written: `numpy.load(..., mmap_mode="r+")`
        if path.startswith(self._own):
            return
        self._look(f"open {path!r} for writing", frame, written=True)

    def _starts(self, event: str) -> Action:
        def starts(args: tuple[Any, ...], frame: FrameType) -> None:
            # A fork names nothing; a process its program, then its arguments, which begin with it.
            words = args[1:2] if event == "subprocess.Popen" else args[:1]
            said = " ".join([event, *(repr(each)[:300] for each in words)])
            self._look(said, frame, process=True)

        return starts

    def _executes(self, args: tuple[Any, ...], frame: FrameType) -> None:
        module = frame.f_globals.get("__name__")
        code = args[0]
        name = getattr(code, "co_filename", "")
        if module in _IMPORTLIB:
            if _REMOTE in name and name not in self._remote and get_ident() not in self._busy:
                self._remote.add(name)
                # The Hub's client makes a package of the folders around: files with nothing in them.
                if code.co_names:
                    self._tell("LOAD009", f"run {name}", "", (frame,))
            return
        if module in _GENERATORS or generated.is_harmless(module, code):
            return
        self._look(f"run code of {name or 'nowhere'}", frame)

    def _unmarshals(self, _args: tuple[Any, ...], frame: FrameType) -> None:
        if frame.f_globals.get("__name__") not in _IMPORTLIB:
            self._look("make code of bytes (marshal)", frame)

    def is_installed(self, path: str) -> bool:
        """Whether a file lies where installed code does, or the system's libraries."""
        return path.startswith((*self._installed, *_SYSTEM))

    def library(self, args: tuple[Any, ...], frame: FrameType) -> None:
        """A library is about to be loaded."""
        if args and args[0] is not None:
            self._look(f"load the library {args[0]!r}", frame)

    def _look(self, what: str, event: FrameType, *, written: bool = False, process: bool = False) -> None:
        frame: FrameType | None = event
        if get_ident() in self._busy:
            return
        passed = self.passed.get(get_ident())
        between: list[FrameType] = []
        bare = True
        for _ in range(_MOST_FRAMES):
            if frame is None:
                return
            code, module = frame.f_code, str(frame.f_globals.get("__name__"))
            if passed is not None and passed == (code, frame.f_lasti):
                break
            if _is_in(_LOADERS, module, code.co_name):
                break
            if _is_in(_CONFIGURED, module, code.co_name) and not written:
                break
            if bare and _is_in(_CONFIGURED, module, code.co_name):
                if any(each.f_globals.get("__name__") in _LOGS for each in between):
                    return
                break
            if bare and is_remote(code) and (process or code.co_name == "<module>"):
                break
            if self._is_fine(code.co_name, code.co_filename, module, written=written):
                return
            bare = bare and module.partition(".")[0] in sys.stdlib_module_names
            between.append(frame)
            frame = frame.f_back
        else:
            return
        self._tell("LOAD004", what, f"{module}.{code.co_name}", (*between, frame))

    def _is_fine(self, function: str, file: str, module: str, *, written: bool) -> bool:
        """Whether a frame explains what happens: an import of installed code, the run's own code."""
        if file.startswith(self._installed):
            return function == "<module>" or (written and module.startswith(_KEEPERS))
        return bool(self._root) and file.startswith(self._root) and not file.startswith("<")


def is_remote(code: CodeType) -> bool:
    """Whether code came with a model."""
    return _REMOTE in code.co_filename


def is_configured(frame: FrameType) -> bool:
    """Whether a frame builds what a configuration names."""
    return _is_in(_CONFIGURED, str(frame.f_globals.get("__name__")), frame.f_code.co_name)


def _is_in(table: dict[str, tuple[str, ...]], module: str, function: str) -> bool:
    functions = table.get(module)
    # A loader's own module is imported like any other: that is no load.
    return functions is not None and function != "<module>" and (not functions or function in functions)
