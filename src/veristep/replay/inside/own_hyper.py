"""What the hyperparameters of an optimizer would be, had none been imposed on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from veristep.core.canonical import Json

Groups = Sequence[Mapping[str, Json]]


class OwnHyperparameters:
    """The script's own values, told apart from imposed ones by who wrote last.

    A value that is not the one imposed last was written by the script. One that is was not touched, so the
    script's own is still what it was before.
    """

    def __init__(self, own: Groups, imposed: Groups) -> None:
        self._own = [dict(group) for group in own]
        self._imposed = [dict(group) for group in imposed]

    def seen(self, live: Groups) -> Groups:
        """Take note of the values before an update; return the script's own."""
        for number, group in enumerate(live):
            while number >= len(self._own):
                self._own.append({})
                self._imposed.append({})
            imposed, own = self._imposed[number], self._own[number]
            for key, value in group.items():
                if key not in imposed or value != imposed[key]:
                    own[key] = value
                    imposed[key] = value
        return self._own[: len(live)]

    def imposed(self, groups: Groups) -> None:
        """Take note of values that were imposed."""
        for known, group in zip(self._imposed, groups, strict=False):
            known.update(group)

    def updated(self, live: Groups) -> None:
        """Take note of the values after an update: what changed in it, the optimizer keeps by itself."""
        self.seen(live)


def follows(
    recorded: Sequence[Groups], walk: Sequence[Groups], keys: Sequence[tuple[int, str]]
) -> list[int]:
    """Return the places at which recorded values leave a schedule.

    Args:
        recorded: the hyperparameters, step by step.
        walk: what the schedule gives, from one of its steps to the next; it may stand still for any number
            of training steps, and never goes back.
        keys: group and name of what the schedule sets.
    """
    off, place = [], 0
    for step, groups in enumerate(recorded):
        found = next((at for at in range(place, len(walk)) if _same(groups, walk[at], keys)), None)
        if found is None:
            off.append(step)
        else:
            place = found
    return off


def _same(one: Groups, other: Groups, keys: Sequence[tuple[int, str]]) -> bool:
    return all(
        group < len(one) and group < len(other) and one[group].get(name) == other[group].get(name)
        for group, name in keys
    )
