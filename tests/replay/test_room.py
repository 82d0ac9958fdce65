"""A forged description of code cannot make the auditor write outside the scratch."""

from __future__ import annotations

from pathlib import Path

import pytest

from rooms import setting
from veristep.errors import TamperedError
from veristep.ledger.objects import ObjectStore
from veristep.replay.room.furnish import Origin, furnish
from veristep.supervise.code import Code, CodeFile


@pytest.mark.parametrize("forged", ["../../escaped.txt", "link/escaped.txt", "{outside}/escaped.txt"])
def test_code_is_placed_inside_the_scratch_or_not_at_all(tmp_path: Path, forged: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    objects = ObjectStore(tmp_path / "objects")
    name = objects.put(b"x")
    path = forged.format(outside=outside)
    files = (CodeFile("link", 0, 0, target=str(outside)), CodeFile(path, 0o600, 1, name))
    code = Code(str(tmp_path / "root"), files)
    origin = Origin(code, str(tmp_path / "root"), ["true"], {}, 0, frozenset(), ())
    with pytest.raises(TamperedError, match="outside the room"):
        furnish(objects, origin, setting(tmp_path))
    assert list(outside.iterdir()) == []
