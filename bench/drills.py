"""The attacks that are rehearsed, and the rule that has to find each.

    python bench/drills.py > docs/drills.md

That each is found by its rule, at its file, is what tests below ``tests/drill`` and ``tests/guard`` hold.
"""

from __future__ import annotations

import pkgutil
import sys
from pathlib import Path

import veristep.drill
from veristep.case import rules
from veristep.drill.attack import Attack, family

HEAD = """# Attacks that are rehearsed

Made with `python bench/drills.py`. Each attack is a file below `src/veristep/drill`; a test carries it
out on files of its own, harmlessly, and demands that its rule finds it and names the file. Six more, on the
steps of a training, are in [the matrix](matrix.md).
"""


def families() -> dict[str, list[Attack]]:
    """Return the attacks by family."""
    names = [each.name for each in pkgutil.iter_modules(veristep.drill.__path__) if each.ispkg]
    found = {
        name: family(name)
        for name in names
        if (Path(veristep.drill.__path__[0]) / name / "__init__.py").exists()
    }
    return {name: attacks for name, attacks in found.items() if attacks}


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    for name, attacks in families().items():
        parts.append(f"\n## {name.upper()}\n\n| attack | what it does | found by |\n|---|---|---|\n")
        for attack in attacks:
            title = rules.page(attack.rule).title
            parts.append(
                f"| {attack.name} | {attack.does} | [{attack.rule}](rules/{attack.rule}.md): {title} |\n"
            )
    total = sum(map(len, families().values()))
    parts.append(f"\n{total} attacks.\n")
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
