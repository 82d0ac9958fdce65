"""Who is loading, by the call stack at the moment a name is looked up.

What unpickles the messages of a worker or a warm compile cache names other things than a checkpoint does.
Where it is told from nothing, a load is taken for an artifact's, and judged strictly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import FrameType

_MOST_FRAMES = 300


class Source(StrEnum):
    """Where the bytes come from."""

    ARTIFACT = "artifact"
    WORKERS = "workers"
    COLLECTIVE = "collective"
    COMPILE_CACHE = "compile cache"


# Functions that load artifacts: module, and its functions; empty for any.
_ARTIFACTS: dict[str, tuple[str, ...]] = {
    "torch.serialization": ("load", "_load", "_legacy_load"),
    "torch.distributed.checkpoint.filesystem": (),
    "torch.package.package_importer": (),
    "torch.jit._serialization": (),
    "torch.export.pt2_archive._package": (),
    "torch._export.serde.serialize": (),
    "joblib.numpy_pickle": (),
    "joblib.numpy_pickle_compat": (),
    "numpy.lib._npyio_impl": (),
    "numpy.lib.npyio": (),
    "numpy.lib._format_impl": (),
    "numpy.lib.format": (),
    "pandas.io.pickle": (),
    "dill._dill": ("load", "loads"),
    "skops.io._persist": (),
}
# Functions that unpickle messages between processes of the run. Only they themselves count: what a worker
# calls, a load of a file for example, has them further out on its stack.
_WORKERS: dict[str, tuple[str, ...]] = {
    "multiprocessing.connection": ("recv",),
    "multiprocessing.queues": ("get",),
    "multiprocessing.spawn": ("_main",),
    "multiprocessing.resource_sharer": (),
    "multiprocessing.reduction": (),
    "torch.multiprocessing.queue": ("recv",),
    "torch.multiprocessing.spawn": ("join",),
    "torch._inductor.compile_worker.subproc_pool": ("loads",),
    "torch._inductor.autotune_process": ("recv",),
    # The same package with dill in place of pickle: workers of `datasets`, of pathos.
    "multiprocess.connection": ("recv",),
    "multiprocess.queues": ("get",),
    "multiprocess.spawn": ("_main",),
    "multiprocess.resource_sharer": (),
    "multiprocess.reduction": (),
    "distributed.protocol.pickle": ("loads",),
    "ray._private.serialization": (),
    "ray.cloudpickle": (),
}
_COLLECTIVES: dict[str, tuple[str, ...]] = {
    "torch.distributed.distributed_c10d": ("_tensor_to_object",),
    "torch.distributed.elastic.rendezvous.dynamic_rendezvous": (),
    "torch.distributed.rpc.internal": ("deserialize",),
    "torch.distributed.checkpoint._pg_transport": (),
}
_COMPILE_PACKAGES = (
    "torch._inductor.",
    "torch._dynamo.",
    "torch._functorch.",
    "torch.compiler.",
    "torch.fx._graph_pickler",
    "triton.",
)
# Programs that start workers; their own module is ``__main__`` then.
_WORKER_PROGRAMS = (
    "/loky/backend/popen_loky_posix.py",
    "/loky/backend/popen_loky_win32.py",
    "/torch/_inductor/compile_worker/__main__.py",
    "/ray/_private/workers/default_worker.py",
)
# Parts of unpicklers themselves, and objects that unpickle what they hold: who called them decides.
_MACHINERY = (
    "pickle",
    "dill._dill",
    "joblib.externals.loky.cloudpickle_wrapper",
    "loky.cloudpickle_wrapper",
)
_PARTS = ("find_class", "persistent_load", "__setstate__")


@dataclass(frozen=True, slots=True)
class Load:
    """A load that is going on.

    Attributes:
        source: where its bytes come from.
        loader: the function that loads, dotted; empty when the script unpickles by itself.
        file: of the script's line that asked for it.
        line: its number.
        function: it stands in.
        frames: from the innermost on.
    """

    source: Source
    loader: str
    file: str
    line: int
    function: str
    frames: tuple[FrameType, ...]


def look(frame: FrameType, installed: tuple[str, ...], own: str) -> Load:
    """Return the load that the innermost of these frames belongs to.

    Args:
        frame: the innermost.
        installed: folders of installed code; only code from there is believed about what it loads.
        own: folder of Veristep's package: its frames are passed over.
    """
    frames = tuple(each for each in _outward(frame) if not each.f_code.co_filename.startswith(own))
    source, loader = _loading(frames, installed)
    caller = _caller(frames, installed)
    if caller is None:
        return Load(source, loader, "", 0, "", frames)
    code = caller.f_code
    return Load(source, loader, code.co_filename, caller.f_lineno or 0, code.co_name, frames)


def _loading(frames: tuple[FrameType, ...], installed: tuple[str, ...]) -> tuple[Source, str]:
    """Return what is loaded, and the function that loads: who called the unpickler decides."""
    called_by = next((each for each in frames if not _is_machinery(each)), None)
    if called_by is not None and _believed(called_by, installed):
        source = _source(called_by)
        if source not in (None, Source.ARTIFACT):
            assert source is not None
            return source, _dotted(called_by)
    for each in frames:
        if _source(each) is Source.ARTIFACT:
            return Source.ARTIFACT, _dotted(each)
    return Source.ARTIFACT, ""


def _is_machinery(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") in _MACHINERY or frame.f_code.co_name in _PARTS


def _dotted(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}"


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    for _ in range(_MOST_FRAMES):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _source(frame: FrameType) -> Source | None:
    module, function = frame.f_globals.get("__name__"), frame.f_code.co_name
    if module == "__main__" and frame.f_code.co_filename.endswith(_WORKER_PROGRAMS):
        return Source.WORKERS
    if not isinstance(module, str):
        return None
    for table, source in (
        (_ARTIFACTS, Source.ARTIFACT),
        (_WORKERS, Source.WORKERS),
        (_COLLECTIVES, Source.COLLECTIVE),
    ):
        functions = table.get(module)
        if functions is not None and (not functions or function in functions):
            return source
    if module.startswith(_COMPILE_PACKAGES):
        return Source.COMPILE_CACHE
    return None


def _believed(frame: FrameType, installed: tuple[str, ...]) -> bool:
    return frame.f_code.co_filename.startswith(installed)


def _caller(frames: tuple[FrameType, ...], installed: tuple[str, ...]) -> FrameType | None:
    """Return the nearest frame of the user's own code; else the outermost there is."""
    for frame in frames:
        name = frame.f_code.co_filename
        if not name.startswith(installed) and not name.startswith("<"):
            return frame
    return frames[-1] if frames else None
