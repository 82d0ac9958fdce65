"""Where a named thing would come from: told without importing anything."""

from __future__ import annotations

import _compat_pickle
import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib.machinery import PathFinder
from types import BuiltinFunctionType, FunctionType, ModuleType

_ALL_WRITE, _GROUP_WRITES = 0o002, 0o020


class Origin(StrEnum):
    """Whose code a module is."""

    STANDARD = "standard library"
    INSTALLED = "installed"
    OWN = "own code"
    FOREIGN = "foreign"
    MISSING = "nowhere"


@dataclass(frozen=True, slots=True)
class Named:
    """What a (module, name) pair of a pickle leads to.

    Attributes:
        module: as the file has it.
        name: as the file has it.
        origin: whose code the module is.
        file: of the module, or its package; empty when it has none.
        loaded: whether the module is imported already: naming it then runs nothing.
        leads_to: module and name of the thing itself, when it is another module's: a re-export.
        is_module: whether the name, or a part of a dotted one, is a module.
        exposed: how others can write the file; empty when they cannot.
        is_class: whether the name is a class; False where nothing is imported yet.
    """

    module: str
    name: str
    origin: Origin
    file: str = ""
    loaded: bool = False
    leads_to: tuple[str, str] | None = None
    is_module: bool = False
    exposed: str = ""
    is_class: bool = False


def of(module: str, name: str, root: str, installed: tuple[str, ...], began_ns: int = 0) -> Named:
    """Return what a pair leads to.

    Args:
        module: as the file has it.
        name: as the file has it, dotted or not.
        root: folder of the code that is on record.
        installed: folders of installed code.
        began_ns: when the run began; own code that changed since is not what is on record.
    """
    module, name = _today(module, name)
    top = module.partition(".")[0]
    held: ModuleType | None = sys.modules.get(module)
    leads, is_module = _follow(held, name)
    if top in sys.stdlib_module_names:
        return Named(module, name, Origin.STANDARD, "", held is not None, leads, is_module)
    if module == "__main__":
        return Named(module, name, Origin.OWN, _file(held), True, leads, is_module)
    file = _file(held) or _found(module)
    origin = _origin(file, root, installed)
    exposed = ""
    if origin in (Origin.OWN, Origin.FOREIGN) and held is None:
        exposed = _exposed(file, began_ns)
    loaded = held is not None
    return Named(module, name, origin, file, loaded, leads, is_module, exposed, _is_class(held, name))


def _today(module: str, name: str) -> tuple[str, str]:
    """Return a pair as Python 3 has it; a file of Python 2 is looked up so."""
    if (module, name) in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[module, name]
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def _follow(held: ModuleType | None, name: str) -> tuple[tuple[str, str] | None, bool]:
    """Return where a name of an imported module leads, and whether it is, or goes through, a module."""
    thing: object = held
    for part in name.split("."):
        # `__dict__` and not `getattr`: a module's or a class's own `__getattr__` must not run here.
        space = getattr(thing, "__dict__", None) if isinstance(thing, ModuleType | type) else None
        if space is None or part not in space:
            return None, False
        thing = space[part]
        if isinstance(thing, ModuleType):
            return None, True
    if not isinstance(thing, FunctionType | BuiltinFunctionType | type):
        return None, False
    owner: object = thing.__module__  # anybody can have set it to anything
    if not isinstance(owner, str) or held is None or owner == held.__name__:
        return None, False
    return (owner, thing.__qualname__), False


def _is_class(held: ModuleType | None, name: str) -> bool:
    return held is not None and isinstance(held.__dict__.get(name), type)


def _file(held: ModuleType | None) -> str:
    found = getattr(held, "__file__", None)
    return os.path.abspath(found) if isinstance(found, str) else ""  # noqa: PTH100


def _found(module: str) -> str:
    """Return the file a module would be imported from, by its top-level package."""
    top, _, rest = module.partition(".")
    held = sys.modules.get(top)
    if held is not None:
        return _file(held) or next(iter(getattr(held, "__path__", [])), "")
    try:
        spec = PathFinder.find_spec(top)
    except Exception:  # noqa: BLE001 - a finder of somebody else's
        return ""
    if spec is None:
        return ""
    places = list(spec.submodule_search_locations or ())
    if rest and places:
        inner = os.path.join(places[0], *rest.split("."))  # noqa: PTH118
        for each in (f"{inner}.py", os.path.join(inner, "__init__.py")):  # noqa: PTH118
            if os.path.exists(each):  # noqa: PTH110
                return each
    return spec.origin or (places[0] if places else "")


def _origin(file: str, root: str, installed: tuple[str, ...]) -> Origin:
    if not file or file in ("built-in", "frozen"):
        return Origin.MISSING
    real = os.path.realpath(file)
    if real.startswith(installed) or file.startswith(installed):
        return Origin.INSTALLED
    if root and real.startswith(f"{os.path.realpath(root).rstrip('/')}/"):
        return Origin.OWN
    return Origin.FOREIGN


def exposed_cache() -> str:
    """Return how others than the training user can write torch's compile cache; empty when they cannot."""
    place = os.environ.get("TORCHINDUCTOR_CACHE_DIR", "")
    if not place:
        found = [getattr(sys.modules.get("torch._inductor.runtime.cache_dir_utils"), "cache_dir", None)]
        place = found[0]() if callable(found[0]) else ""
    inner = os.path.join(place, "fxgraph")  # noqa: PTH118
    return _exposed(inner, 0) or _exposed(place, 0) if place else "where it lies is not known"


def exposed_file(path: str) -> str:
    """Return how others than the training user can have written a file; empty when they cannot."""
    return _exposed(path, 0)


def _exposed(file: str, began_ns: int) -> str:
    """Return how others than the training user can have written a file that is about to be imported."""
    mine = {0, os.getuid()}
    for path, what in ((file, "the file"), (os.path.dirname(file), "its folder")):  # noqa: PTH120
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError:
            continue
        if status.st_uid not in mine:
            return f"{what} belongs to uid {status.st_uid}"
        if status.st_mode & _ALL_WRITE or (status.st_mode & _GROUP_WRITES and not _alone(status.st_gid)):
            return f"others can write {what} (mode {status.st_mode & 0o7777:o})"
        if what == "the file" and began_ns and status.st_ctime_ns > began_ns:
            return "the file changed since the run began"
    return ""


def _alone(group: int) -> bool:
    """Whether nobody else is in a group: many systems give each user one of their own."""
    try:
        import grp
        import pwd

        me, them = pwd.getpwuid(os.getuid()), grp.getgrgid(group)
    except (ImportError, KeyError, OSError):
        return False
    return (
        group != 0
        and me.pw_gid == group
        and me.pw_name == them.gr_name
        and set(them.gr_mem) <= {me.pw_name}
    )
