"""Everything that is settled before the first replay of an audit: sandbox, code, data, environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from veristep.core.canonical import Json
from veristep.errors import UnavailableError
from veristep.ledger.log import Ledger
from veristep.replay.environment import byte_code, in_place, rebuilt
from veristep.replay.recorded import RecordedRun
from veristep.replay.room import data as data_files
from veristep.replay.room.code_policy import CodePolicy
from veristep.replay.room.furnish import Origin
from veristep.replay.room.setting import (
    Interpreter,
    RoomDescription,
    Setting,
    user_of,
    writes_of,
)
from veristep.replay.sandbox import choose
from veristep.replay.sandbox.choose import Kind, Sandbox
from veristep.supervise.env import recorded

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RoomOptions:
    """What whoever audits asks of the room.

    Attributes:
        in_place: use the run's own environment instead of building it again.
        allow_unsandboxed: go on where no sandbox works.
        shown: further paths that replays may read.
        policy: demands on the code.
    """

    in_place: bool = False
    allow_unsandboxed: bool = False
    shown: tuple[str, ...] = ()
    policy: CodePolicy = field(default_factory=CodePolicy)

    def to_json(self) -> dict[str, Json]:
        """Return the form by which an interrupted audit is told from one in another room."""
        return {
            "in_place": self.in_place,
            "allow_unsandboxed": self.allow_unsandboxed,
            "shown": list(self.shown),
            "policy": repr(self.policy),
        }


def prepare(
    ledger: Ledger,
    run: RecordedRun,
    origin: Origin,
    options: RoomOptions,
    tell: Tell = lambda _text: None,
) -> Setting:
    """Settle how the replays of an audit are held, and say in the setting's reason if they cannot be.

    Args:
        ledger: where the run is recorded.
        run: the run.
        origin: what its rooms are made from.
        options: what was asked for.
        tell: is told what takes time.

    Raises:
        UnavailableError: no sandbox works here, and going on without was not allowed.
    """
    sandbox = choose.choose(allow_unsandboxed=options.allow_unsandboxed, distributed=len(run.streams) > 1)
    python = recorded.of_run(run.of_type("environment"))
    body: Mapping[str, Any] = run.opened.body
    repository: Mapping[str, Any] = body.get("repository") or {}
    files = origin.code.files
    description = RoomDescription(
        sandbox=sandbox.kind.value,
        files=sandbox.files,
        network=sandbox.network,
        user=user_of(sandbox),
        code=options.policy.words(repository, sum(1 for each in files if each.object), len(files)),
        environment="",
        python=python.build,
        writes=writes_of(sandbox),
        shown=options.shown,
    )
    own = in_place.in_place(python, origin.code.root, byte_code.folder())
    try:
        options.policy.check(repository)
        state = data_files.compare(origin.data, _kept(origin))
        description = replace(description, data=state.summary)
        if state.reason:
            raise UnavailableError(state.reason)
        if options.in_place:
            interpreter = own
            byte_code.warm(own, sandbox, python.executable)
        else:
            interpreter = rebuilt.rebuilt(ledger, python, origin.code.root, sandbox, tell)
    except UnavailableError as error:
        reason = error.message + (f" ({error.hint})" if error.hint else "")
        return Setting(sandbox, own, options.shown, description, reason)
    description = replace(
        description,
        environment=interpreter.kind,
        lock=interpreter.digest,
        weaker=_weaker(sandbox, interpreter),
    )
    return Setting(sandbox, interpreter, options.shown, description)


def for_this_machine(setting: Setting, *, distributed: bool) -> Setting:
    """Return a setting for the machine this process runs on, which need not be where it was made.

    Raises:
        UnavailableError: no sandbox works here, and going on without was not allowed.
    """
    allowed = setting.sandbox.kind is Kind.WRITES
    sandbox = choose.choose(allow_unsandboxed=allowed, distributed=distributed)
    interpreter = setting.interpreter
    if not interpreter.rebuilt:
        place = byte_code.folder() / interpreter.byte_code.name
        interpreter = replace(interpreter, byte_code=place)
    return replace(setting, sandbox=sandbox, interpreter=interpreter)


def _kept(origin: Origin) -> frozenset[str]:
    """Return the paths that a room holds in the ledger's own copies, or that the run wrote itself."""
    held = {os.path.join(origin.code.root, file.path) for file in origin.code.files if file.object}  # noqa: PTH118
    return frozenset(held | {each.path for each in origin.preserved} | origin.written)


def _weaker(sandbox: Sandbox, interpreter: Interpreter) -> tuple[str, ...]:
    found = []
    if not interpreter.rebuilt:
        found.append("in place: what was edited in the environment is there in the replay too")
    if sandbox.kind is Kind.WRITES:
        found.append("not sandboxed: the replay could read this account's files and use the network")
    return (*found, *interpreter.differences)
