"""What was installed by other means than a wheel of the registry: conda's packages, the system's.

Their own lists say which files are theirs; those lists lie beside the files, and are the weaker reference.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from veristep.guard.env import conda_list, dpkg
from veristep.guard.env.layout import Layout
from veristep.supervise.env.installed import Installed

CONDA = "a conda package: conda's own list, beside the files, is all there is to compare with"
SYSTEM = "the system's package: dpkg's own list (MD5) is all there is to compare with"
EGG = "installed without a wheel (egg-info): it lists no digests"


def of_conda(layout: Layout) -> Iterator[Installed]:
    """Yield the packages of a conda environment, with their files among the modules and native ones."""
    if not layout.site:
        return
    root = f"{layout.prefix}/lib/python{layout.version}/site-packages"
    native = set(conda_list.native(layout.prefix))
    for each in conda_list.packages(layout.prefix):
        places = (f"{layout.prefix}/{name}" for name in each.files if not name.endswith(".pyc"))
        own = [path for path in places if path.startswith(f"{root}/") or path in native]
        wanted = tuple(_from(root, path) for path in own)
        yield Installed(each.name, each.version, root, (), CONDA, wanted)


def of_system(layout: Layout) -> Iterator[Installed]:
    """Yield the packages of the system whose modules are searched."""
    if dpkg.PACKAGES not in layout.site:
        return
    below = dpkg.PACKAGES[1:] + "/"
    found: dict[str, list[str]] = {}
    for path, listed in dpkg.listed().items():
        if path.startswith(below) and not path.endswith(".pyc"):
            found.setdefault(listed.package, []).append(path.removeprefix(below))
    for package, files in sorted(found.items()):
        version = dpkg.versions().get(package, "")
        yield Installed(package, version, dpkg.PACKAGES, (), SYSTEM, tuple(files))


def of_egg(root: str, name: str) -> Installed:
    """Return a distribution that left an ``.egg-info``, a file or a folder of that name."""
    project, _, rest = name.removesuffix(".egg-info").partition("-")
    version = rest.partition("-py")[0]
    place = Path(root, name)
    files = [name] if place.is_file() else [f"{name}/{each}" for each in _names(place)]
    try:
        lines = (place / "installed-files.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    # Paths are relative to the folder with the metadata.
    listed = [os.path.relpath(os.path.join(str(place), each), root) for each in lines if each]  # noqa: PTH118
    wanted = tuple(dict.fromkeys([*files, *(each for each in listed if not each.endswith(".pyc"))]))
    return Installed(project, version, root, (), EGG, wanted)


def _names(place: Path) -> list[str]:
    try:
        return sorted(os.listdir(place))  # noqa: PTH208
    except OSError:
        return []


def _from(root: str, path: str) -> str:
    return path[len(root) + 1 :] if path.startswith(f"{root}/") else os.path.relpath(path, root)
