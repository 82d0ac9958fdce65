"""Who made a training wait: judged from a stack and from whose code each file of it is.

A sleep is anybody's right in the run's own code, which is on record, and in a library that is what its
package brought. It is a finding where the code that sleeps is neither: a file nobody recorded, a text that
was executed, a library file that is another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from veristep.core.verdicts import Suspect


class Whose(StrEnum):
    """Whose code a file is."""

    STANDARD = "standard library"
    OWN = "own code, on record"
    LIBRARY = "library, as its package brought it"
    TORCH = "torch, as its package brought it"
    GENERATED = "executed text, no file"
    FOREIGN = "on no record"


OTHERS = (Whose.FOREIGN, Whose.GENERATED)


@dataclass(frozen=True, slots=True)
class Frame:
    """One level of a stack."""

    file: str
    line: int
    function: str

    def place(self) -> str:
        """Return where it is."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Wait:
    """One place where a thread was seen to wait.

    Attributes:
        call: the system call it was blocked in.
        sleeps: whether it waited for nothing but time.
        count: samples it was seen in.
        steps: different steps it was seen in.
        stack: innermost first.
    """

    call: str
    sleeps: bool
    count: int
    steps: int
    stack: tuple[Frame, ...]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Wait:
        """Return it from a note.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        stack = tuple(Frame(str(file), int(line), str(name)) for file, line, name in value["stack"])
        return cls(
            str(value["call"]), bool(value["sleeps"]), int(value["count"]), int(value["steps"]), stack
        )


@dataclass(frozen=True, slots=True)
class Culprit:
    """The code that made a thread wait.

    Attributes:
        frame: of it.
        whose: code it is.
        inside: whether torch itself called it: it stands where a hook or a patched function does.
    """

    frame: Frame
    whose: Whose
    inside: bool


def culprit(wait: Wait, whose: Callable[[str], Whose]) -> Culprit | None:
    """Return the code on no record that waits; None where who waits is known code.

    Sleeping in a standard function is the caller's doing. So is a wait inside a library that such code
    called, if torch had called it: a training loop of unknown origin calls libraries all the time.
    """
    kinds = [whose(frame.file) for frame in wait.stack]
    at = next((n for n, kind in enumerate(kinds) if kind is not Whose.STANDARD), None)
    if at is None:
        return None
    if kinds[at] in OTHERS:
        inside = _called_by_torch(kinds, at)
        # A lock, a file or a child may be waited for by any code; a hook that does is one that stalls.
        return Culprit(wait.stack[at], kinds[at], inside) if wait.sleeps or inside else None
    for place in range(at, len(kinds)):
        if kinds[place] is Whose.OWN:
            return None
        if kinds[place] in OTHERS:
            inside = _called_by_torch(kinds, place)
            return Culprit(wait.stack[place], kinds[place], inside) if inside else None
    return None


def _called_by_torch(kinds: Sequence[Whose], at: int) -> bool:
    for kind in kinds[at + 1 :]:
        if kind is Whose.TORCH:
            return True
        if kind in (Whose.OWN, Whose.LIBRARY):
            return False
    return False


def cause(waits: Sequence[Wait], doing: Sequence[Frame], ran: float, starved: float, seconds: float) -> str:
    """Return, in words, what a stall was that nobody is to be blamed for.

    Args:
        waits: what was waited for in it, most often first.
        doing: the stack at its end.
        ran: seconds the thread ran in it.
        starved: seconds it waited for a processor.
        seconds: it took.
    """
    if seconds and starved / seconds >= 0.4:
        return "the processors were taken: the thread waited for one"
    stack = waits[0].stack if waits else tuple(doing)
    for part, words in _PARTS.items():
        if any(part in frame.file for frame in stack):
            return words
    if any(frame.function in _EVALUATES for frame in stack):
        return "evaluation"
    if waits and (not seconds or ran / seconds < 0.5):
        return f"waiting ({waits[0].call}) at {waits[0].stack[0].place()}" if stack else "waiting"
    return "computing"


# What parts of torch's and other libraries' paths say about a stall.
_PARTS: Mapping[str, str] = {
    "/torch/_dynamo/": "compilation",
    "/torch/_inductor/": "compilation",
    "/triton/": "compilation",
    "/torch/distributed/checkpoint/": "writing a checkpoint",
    "/torch/distributed/": "waiting for other ranks",
    "/torch/utils/data/": "waiting for data",
    "/torch/serialization.py": "writing or reading a checkpoint",
    "/safetensors/": "writing or reading a checkpoint",
}
_EVALUATES = frozenset(("evaluate", "evaluation_loop", "validate", "validation", "test", "eval"))


def words(frame: Frame) -> str:
    """Return a frame as people read it."""
    return f"{frame.place()} in {frame.function}"


def suspects(found: Culprit) -> tuple[Suspect, ...]:
    """Return what a culprit points to, without a look at its file."""
    how = "called by torch in the step, it waited" if found.inside else "it was seen waiting"
    return (Suspect("line", words(found.frame), how),)
