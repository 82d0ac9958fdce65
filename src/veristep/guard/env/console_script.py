"""The wrapper an installer writes for an entry point: known by what it does, not by its bytes.

Installers word it differently, and differently from year to year; all of them import one function and end
the process with what it returns. Anything else that stands in the file is not theirs.
"""

from __future__ import annotations

import ast

_SUFFIX = r"(-script\.pyw|\.exe)?$"
_USUAL = """# -*- coding: utf-8 -*-
import re
import sys
from {0} import {1}
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit({1}())
"""
_SUFFIX_OLD = r"(-script\.pyw?|\.exe)?$"


def is_as_generated(text: bytes, entry: str) -> bool:
    """Whether a script is what an installer generates for an entry point.

    Args:
        text: the script, from its first line.
        entry: ``module:function``.
    """
    module, _, function = entry.partition(":")
    # As pip writes it today; all the rest is parsed.
    if text.partition(b"\n")[2].decode("utf-8", "replace") == _USUAL.format(module, function):
        return True
    try:
        found = ast.dump(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return found in {ast.dump(ast.parse(each)) for each in _forms(module, function)}


def _forms(module: str, function: str) -> list[str]:
    first = function.split(".", maxsplit=1)[0]
    take = f"from {module} import {first}\n" if function else f"import {module}\n"
    call = f"sys.exit({function or module}())"
    main = "if __name__ == '__main__':\n"
    sub = "    sys.argv[0] = re.sub(r'{}', '', sys.argv[0])\n"
    cut = "sys.argv[0] = sys.argv[0][:-{}]\n"
    forms = [f"import sys\n{take}{main}    {call}\n", f"import sys\n{take}{call}\n"]
    forms += [
        f"import re\nimport sys\n{take}{main}{sub.format(suffix)}    {call}\n"
        for suffix in (_SUFFIX, _SUFFIX_OLD)
    ]
    ends = ("'.exe'", "'-script.pyw'")
    for one, other in (ends, ends[::-1]):
        forms.append(
            f"import sys\n{take}{main}"
            f"    if sys.argv[0].endswith({one}):\n        {cut.format(len(one) - 2)}"
            f"    elif sys.argv[0].endswith({other}):\n        {cut.format(len(other) - 2)}"
            f"    {call}\n"
        )
    forms.append(
        f"import sys\n{take}{main}    sys.argv[0] = sys.argv[0].removesuffix('.exe')\n    {call}\n"
    )
    return forms
