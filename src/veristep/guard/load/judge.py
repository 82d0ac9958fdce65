"""What is done about a name that no profile lists: pure, so that every case can be tested."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from veristep.guard.load.origin import Named, Origin
from veristep.guard.load.stack import Source
from veristep.scan import profiles

# Rules that speak of names; their pages say what they mean.
EXECUTES, UNLISTED, EXPOSED = "LOAD001", "LOAD002", "LOAD003"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a name is taken for.

    Attributes:
        rule: id of the rule it falls under; empty when there is nothing to say.
        why: in words, what it was taken for.
        slight: whether it is worth knowing, and no more.
    """

    rule: str = ""
    why: str = ""
    slight: bool = False


_FINE = Judgement()


def judge(source: Source, named: Named, listed: Lists) -> Judgement:
    """Return what a name is taken for.

    Args:
        source: where the bytes come from.
        named: what the name leads to.
        listed: the lists.
    """
    if source is Source.WORKERS:
        # Processes of one run hand each other functions; whoever can write to the pipe runs code anyway.
        return _FINE
    if source is Source.COMPILE_CACHE and listed.in_cache(named.module, named.name):
        if named.exposed and listed.executes(named.module, named.name):
            return Judgement(
                EXECUTES, f"it makes code of a compile cache that others can write: {named.exposed}"
            )
        return _FINE
    if listed.passes(*(named.leads_to or (named.module, named.name))):
        return _FINE  # a name of Python 2 or a re-export, of what is listed under its own name
    why = _execution(source, named, listed)
    if why:
        return Judgement(EXECUTES, why)
    if source is Source.COLLECTIVE:
        return _FINE
    if named.exposed:
        return Judgement(EXPOSED, f"looking it up imports {named.file}: {named.exposed}")
    if named.origin is Origin.OWN:
        return _FINE
    # Objects of packages nobody has listed are everywhere; what their classes do is watched all the same.
    slight = named.origin is Origin.INSTALLED and named.is_class
    return Judgement(UNLISTED, _unlisted(named), slight)


def _execution(source: Source, named: Named, listed: Lists) -> str:
    """Return why a name is taken for execution; empty when it is not."""
    if listed.executes(named.module, named.name):
        return "it runs code, starts processes or reaches anything by name"
    if named.is_module:
        return "it is a module, or goes through one: anything in it can be reached"
    strict = source is not Source.COLLECTIVE
    if named.leads_to is not None:
        standard = _is_standard(named.leads_to[0])
        if listed.executes(*named.leads_to) or (standard and strict):
            return f"it is {'.'.join(named.leads_to)} under another name"
    if named.origin is Origin.STANDARD and strict:
        return "no data needs it, and much of the standard library runs what it is given"
    return ""


class Lists:
    """The profiles a judgement rests on.

    Attributes:
        enumerations: classes of which members may be reached by name.
    """

    def __init__(self) -> None:
        self._passes = profiles.load(*profiles.ARTIFACT, *profiles.RARELY)
        self.enumerations = profiles.load("enums")
        self._cache = profiles.load("compile_cache")
        execution = profiles.load(profiles.EXECUTION)
        self._executes = execution
        self._whole = tuple(f"{module}." for module, name in execution if name == "*")

    def passes(self, module: str, name: str) -> bool:
        """Whether an artifact may name it."""
        return (module, name) in self._passes

    def in_cache(self, module: str, name: str) -> bool:
        """Whether a compile cache may name it."""
        return (module, name) in self._cache or (module, "*") in self._cache

    def executes(self, module: str, name: str) -> bool:
        """Whether it is known to run code."""
        if f"{module}.".startswith(self._whole) or (module, name) in self._executes:
            return True
        return (module, name.partition(".")[0]) in self._executes


def _unlisted(named: Named) -> str:
    if named.origin is Origin.FOREIGN:
        where = "was imported" if named.loaded else "would be imported"
        return f"it {where} from {named.file}, which is neither installed nor the run's own code"
    if named.origin is Origin.MISSING:
        return "there is no such module"
    return "no profile of ordinary checkpoints has it"


def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names
