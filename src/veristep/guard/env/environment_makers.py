"""What the makers of virtual environments leave in them: unlisted by any distribution, run at every start.

virtualenv and uv write ``_virtualenv.pth``, one line that imports ``_virtualenv``, which keeps old
setuptools from installing elsewhere. Releases from 2020 to 2026 write one of few texts; any other is not
theirs, or of a release that is not known here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

START_FILE, LINE, MODULE = "_virtualenv.pth", "import _virtualenv", "_virtualenv.py"
# SHA-256 of the module, as installed.
_TEXTS = frozenset(
    (
        # virtualenv 20.0 to 20.8, 20.13, 20.16 to 20.21, 20.24, 20.25 to 20.34
        "684b8c07932ba4a84ac2e5ae9afe49ef04e92bac3d8d4191d455cf09d093e5fc",
        "ce57d5e0d9b5d7356cb42da7450ba8f9359bdf693e335f4c921626943c77e64d",
        "c9199315871b11b12df226f890a38e66e63191e1adbfb11a66e6861151b33fca",
        "0aeb86546345c1d0fada097536e35525714d5cdbcc2d8eb3f9912a955044fcff",
        "0f20351ea7e90039c46d3fabdef991f28b1e3ff33eb13ee6f0d5cd21ea0e8b14",
        # uv 0.1 and 0.2, 0.3, 0.4 to 0.11
        "ee52b2e2e720a40885a6b4b90c40e28e5c70e550af74d5efd169eaa5db2a6f6f",
        "e3e10c8a19a62a49928c139b8e6824eac92dcdda7639953bcd10921011cbbdff",
        "6cf30c56faf2a55228914dbbd17f8088ed371ebb08f5e7fa6fd931f913fcaf1d",
    )
)


def wrote(path: str, lines: Sequence[str]) -> bool:
    """Whether a start file, and what it imports, is what a maker of virtual environments writes.

    Args:
        path: the file.
        lines: what of it runs.
    """
    folder, _, name = path.rpartition("/")
    if name != START_FILE or list(lines) != [LINE]:
        return False
    try:
        with open(f"{folder}/{MODULE}", "rb") as file:  # noqa: PTH123
            return hashlib.sha256(file.read()).hexdigest() in _TEXTS
    except OSError:
        return False
