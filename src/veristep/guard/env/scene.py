"""What the rules about an environment look at: its reference, its files, what a run would start it with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os.path import normpath, relpath
from typing import NamedTuple

from veristep.guard.env.layout import Layout
from veristep.guard.env.reference import Distribution, Reference, Source
from veristep.guard.env.survey import Survey

_MARKED = (".pth", ".start", ".pyc", "-info/entry_points.txt", ".dist-info/METADATA")
CODE = (".py", ".so", ".pth", ".start", ".pyc", ".pyd", ".egg-link", ".zip", ".egg", ".pyi")


class Expected(NamedTuple):
    """A file as it has to be: its digest, and the distribution it belongs to."""

    digest: str
    owner: Distribution


@dataclass(frozen=True)
class Scene:
    """An environment, ready to be judged.

    Attributes:
        layout: its folders.
        reference: what it has to consist of; None when it was never locked.
        survey: what stands there.
        variables: a run would start with; empty when only the disk is asked about.
        cwd: the working directory of a run; empty likewise.
        script_folder: folder of the script that a run starts, which is searched first; empty likewise.
    """

    layout: Layout
    reference: Reference | None
    survey: Survey
    variables: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""
    script_folder: str = ""

    @cached_property
    def expected(self) -> Mapping[str, str]:
        """The digests of the files of all distributions, by absolute path.

        Of a file that several distributions bring any may be right: the one that fits what stands there.
        """
        found: dict[str, str] = {}
        for each in self.reference.distributions if self.reference else ():
            inside = each.root + "/"
            own = {
                place(each.root, path) if path.startswith("..") else inside + path: digest
                for path, digest in each.files.items()
            }
            if not found.keys().isdisjoint(own):
                for path in found.keys() & own.keys():
                    if not self._fits(path, own[path]):
                        own[path] = found[path]
            found |= own
        return found

    def known(self, path: str) -> Expected | None:
        """Return what a file has to be, and whose it is; None when no distribution brings it."""
        digest = self.expected.get(path)
        if digest is None:
            return None
        owners = (each for each in self._roots if _digest_of(each, path) == digest)
        owner = next(owners, None)
        return Expected(digest, owner) if owner is not None else None

    @cached_property
    def _roots(self) -> Sequence[Distribution]:
        return self.reference.distributions if self.reference else ()

    def _fits(self, path: str, digest: str) -> bool:
        standing = self.survey.files.get(path)
        return standing is not None and standing.digest == digest

    @cached_property
    def marked(self) -> list[str]:
        """The files of a kind that a rule looks for by name; few of many thousands."""
        return [path for path in self.survey.files if path.endswith(_MARKED)]

    @cached_property
    def different(self) -> list[tuple[str, Expected]]:
        """The files of distributions that are not there, or not as they have to be."""
        files = self.survey.files
        odd = [
            path
            for path, digest in self.expected.items()
            if (found := files.get(path)) is None or found.digest != digest
        ]
        return [(path, known) for path in odd if (known := self.known(path)) is not None]

    @cached_property
    def scripts(self) -> Mapping[str, tuple[str, Distribution]]:
        """Console scripts by absolute path: what they call, and whose they are."""
        distributions = self.reference.distributions if self.reference else ()
        return {
            place(each.root, path): (entry, each)
            for each in distributions
            for path, entry in each.scripts.items()
        }

    def of_registry(self) -> Iterator[tuple[str, Expected]]:
        """Yield the files the registry vouches for that are different."""
        return ((p, e) for p, e in self.different if e.owner.source is Source.REGISTRY)

    def is_published(self, path: str) -> bool:
        """Whether a file is exactly what the registry published."""
        known, found = self.known(path), self.survey.files.get(path)
        return (
            known is not None
            and found is not None
            and known.owner.source is Source.REGISTRY
            and known.digest == found.digest
        )

    def in_site(self, path: str) -> bool:
        """Whether a file lies in a folder with installed packages."""
        return any(path.startswith(each + "/") for each in self.layout.site)


def _digest_of(distribution: Distribution, path: str) -> str:
    """Return the digest a distribution has of a file, by its absolute path; empty when it has none."""
    root = distribution.root + "/"
    if path.startswith(root):
        return distribution.files.get(path[len(root) :], "")
    elsewhere = relpath(path, distribution.root)
    return distribution.files.get(elsewhere, "")


def place(root: str, path: str) -> str:
    """Return where a file of a distribution lies."""
    return normpath(f"{root}/{path}") if path.startswith("..") else f"{root}/{path}"
