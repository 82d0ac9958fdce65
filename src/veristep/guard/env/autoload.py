"""ENV010: an entry point that frameworks load by themselves, from a distribution nobody published."""

from __future__ import annotations

from collections.abc import Iterator
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path

from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.env.reference import Source
from veristep.guard.env.scene import Scene
from veristep.guard.rule import Rule

RULE = Rule("ENV010", "A plugin that frameworks load by themselves")

# Groups whose entry points are imported without anybody asking: by `import torch`, by making a Trainer.
GROUPS = {
    "torch.backends": "import torch",
    "lightning.pytorch.callbacks_factory": "a Lightning Trainer",
    "pytorch_lightning.callbacks_factory": "a Lightning Trainer",
    "lightning.fabric.strategies": "import lightning",
    "mlflow.run_context_provider": "an MLflow run",
    "jax_plugins": "import jax",
    "tensorflow.plugins": "import tensorflow",
}


def look(scene: Scene) -> Iterator[Finding]:
    """Yield a finding for each such entry point whose distribution the registry does not vouch for."""
    for path in scene.marked:
        found = scene.survey.files[path]
        if not path.endswith((".dist-info/entry_points.txt", ".egg-info/entry_points.txt")):
            continue
        if scene.is_published(path):
            continue
        known = scene.known(path)
        seen = known is not None and known.owner.source is Source.SEEN and known.digest == found.digest
        doubtful = Severity.WARNING if seen else Severity.ERROR
        for group, value in _entries(path):
            yield RULE.finding(
                f"{GROUPS[group]} loads {value}, by {path}",
                severity=doubtful if scene.reference else Severity.INFO,
                suspects=suspects.of_file(Path(path), how=f"it names an entry point of {group}"),
                path=path,
                expected=f"no entry points of {group}, or published ones",
                got=value,
                hint="find out who installed it; TORCH_DEVICE_BACKEND_AUTOLOAD=0 keeps torch from it",
            )


def _entries(path: str) -> Iterator[tuple[str, str]]:
    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    try:
        parser.read_string(Path(path).read_text(encoding="utf-8", errors="replace"))
    except (OSError, ConfigError):
        return
    for group in GROUPS:
        if parser.has_section(group):
            for _, value in parser.items(group):
                yield group, value
