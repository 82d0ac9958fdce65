"""What a project's files need is learned, and what is new is told: never from what was refused."""

from __future__ import annotations

import enum
import pickle

import pytest

from gated import Gated
from veristep.core.verdicts import Severity
from veristep.guard.load import calls
from veristep.guard.load.learned import FEWEST_RUNS, Profile


def notice(module: str, name: str, *, refused: bool = False, kind: str = "name") -> dict[str, object]:
    return {"module": module, "name": name, "refused": refused, "kind": kind, "artifact": {"path": "/c.pt"}}


def test_what_no_earlier_run_wanted_is_told_once() -> None:
    profile = Profile.of(41, [{"names": [["team.models", "Net"]]}])
    assert profile.hear(notice("team.models", "Net")) is None
    found = profile.hear(notice("posix", "system", refused=True))
    assert found is not None
    assert "wants posix.system; the 41 runs before it did not" in found.summary
    assert found.severity is Severity.WARNING
    assert profile.hear(notice("posix", "system", refused=True)) is None
    own = profile.hear(notice("train", "Config", kind="needs"))
    assert own is not None
    assert own.severity is Severity.INFO


def test_what_was_refused_is_not_learned() -> None:
    profile = Profile.of(5, [])
    profile.hear(notice("posix", "system", refused=True))
    profile.hear(notice("team.models", "Net"))
    assert profile.body() == {"names": [["team.models", "Net"]], "left_out": 0}
    later = Profile.of(6, [profile.body()])
    assert later.hear(notice("team.models", "Net")) is None
    assert later.hear(notice("posix", "system", refused=True)) is not None


def test_the_first_runs_are_compared_with_nothing() -> None:
    assert Profile.of(FEWEST_RUNS - 1, []).hear(notice("a", "b")) is None


def test_entries_that_hold_anything_else_are_passed_over() -> None:
    assert Profile.of(3, [{"names": [["a"], 7, ["a", "b"]]}, {}]).known == {("a", "b")}


class Kind(enum.Enum):
    ONE = 1


MEMBER = b"cbuiltins\ngetattr\n(ctests\nKind\nS'ONE'\ntR."


@pytest.mark.parametrize(
    ("data", "fine"),
    [
        (MEMBER, True),
        (pickle.dumps([1]) + MEMBER, True),
        (MEMBER + b"\x00trailing", True),
        (MEMBER.replace(b"'ONE'", b"'__class__'"), False),
        (MEMBER.replace(b"Kind", b"Other"), False),
        (MEMBER + MEMBER.replace(b"Kind", b"Other"), False),
        (b"cfunctools\npartial\n(cbuiltins\ngetattr\nctests\nKind\nS'ONE'\ntR.", False),
        (b"cbuiltins\ngetattr\n(cbuiltins\ngetattr\n(ctests\nKind\nS'ONE'\ntRS'x'\ntR.", False),
        (pickle.dumps([1]), False),
        (b"", False),
    ],
)
def test_getattr_reaches_members_of_enumerations_and_nothing_else(data: bytes, fine: bool) -> None:
    assert calls.reaches_members(data, lambda module, name: (module, name) == ("tests", "Kind")) is fine


def test_a_member_kept_by_name_passes_the_gate(gated: Gated) -> None:
    code = """
import enum, pickle
class Kind(enum.Enum):
    ONE = 1
member = b"cbuiltins\\ngetattr\\n(c__main__\\nKind\\nS'ONE'\\ntR."
open("m.pkl", "wb").write(member)
with open("m.pkl", "rb") as file:
    print(pickle.load(file))
"""
    done = gated.python(code)
    assert done.out == "Kind.ONE\n", done.err
    assert [each["kind"] for each in done.told] == ["gate", "needs"]
