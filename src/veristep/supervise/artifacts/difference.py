"""How a file differs from what was recorded of it, part by part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from veristep.supervise.artifacts.members import Member, Members

# What optimizers call their state, and what scripts call the optimizer, anywhere in a tensor's place.
_OPTIMIZER = re.compile(
    r"(^|[._])(optim\w*|opt|opt_state|exp_avg\w*|exp_inf|max_exp_avg\w*|momentum_buffer|square_avg|grad_avg"
    r"|acc_delta|sum|prev|step_size|ax|eta|mu)([._]|$)|^state\.\d+\."
)
_SHARE_ALIKE = 0.5


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs.

    Attributes:
        changed: parts that are there in both, with other bytes.
        added, gone: parts that only the file, only the record has.
        alike: whether the file is still of the same make: its kind, and most tensors by place and size.
    """

    changed: Sequence[Member]
    added: Sequence[Member]
    gone: Sequence[Member]
    alike: bool

    @property
    def all(self) -> list[Member]:
        """All parts that differ."""
        return [*self.changed, *self.added, *self.gone]

    @property
    def optimizer_only(self) -> bool:
        """Whether every part that differs belongs to an optimizer's state."""
        told = [each for each in self.all if not is_bookkeeping(each)]
        return self.alike and bool(told) and all(is_optimizer(each) for each in told)


def between(recorded: Members, now: Members | None) -> Difference:
    """Return how a file differs from the record; `now` is None for one of no known kind."""
    if now is None:
        return Difference((), (), recorded.members, alike=False)
    before, after = _by_name(recorded), _by_name(now)
    common = before.keys() & after.keys()
    changed = [after[name] for name in after if name in common and not _same(before[name], after[name])]
    added = [each for name, each in after.items() if name not in before]
    gone = [each for name, each in before.items() if name not in after]
    return Difference(tuple(changed), tuple(added), tuple(gone), _alike(recorded, now))


def _alike(recorded: Members, now: Members) -> bool:
    """Whether most tensors of either are in both, by place and size."""
    before, after = _tensors(recorded), _tensors(now)
    most = max(len(before), len(after))
    return recorded.kind == now.kind and len(before & after) >= _SHARE_ALIKE * most


def _tensors(members: Members) -> set[tuple[str, int]]:
    told = [each for each in members.members if not is_bookkeeping(each) and each.name != "data.pkl"]
    return {(each.label or each.name, each.size) for each in told}


def is_optimizer(member: Member) -> bool:
    """Whether a part belongs to an optimizer's state, by the place of its tensor."""
    return bool(member.label) and _OPTIMIZER.search(member.label) is not None


def is_bookkeeping(member: Member) -> bool:
    """Whether a part says nothing of the tensors: torch writes a new one each time."""
    return member.name.startswith(".data/") or member.name in ("version", ".format_version", "byteorder")


def named(members: Sequence[Member], most: int = 6) -> str:
    """Return parts in words."""
    shown = ", ".join(each.words for each in members[:most])
    return shown + (f" and {len(members) - most} more" if len(members) > most else "")


def _by_name(members: Members) -> dict[str, Member]:
    return {each.name: each for each in members.members}


def _same(before: Member, now: Member) -> bool:
    if before.digest and now.digest:
        return before.digest == now.digest
    return (before.size, before.crc) == (now.size, now.crc)
