"""A digest of compiled code that is the same wherever the same source is compiled the same way.

It is a program too, for the interpreter that ran the code: ``python -I -S code_digest.py`` reads lines
``[place, name, optimize]`` and answers each with ``[digest of the source's bytes, digest of the code]``, or
with the reason why not. With a fourth word, ``"parts"``, the second answer is a list: the digests of the
module's body and of everything defined in it, to any depth. It imports next to nothing: it is used in
training processes.
"""

from __future__ import annotations

import marshal
import sys

try:
    from _blake2 import blake2b  # `hashlib` brings OpenSSL along, which takes longer than all of this
except ImportError:
    from hashlib import blake2b

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

# Later formats write what is referred to more than once as a reference, which differs from one process to
# the next. This one writes constants, names, byte code and line table in full; sets in sorted order.
_FORMAT = 2
_BYTES = 16
# `inspect.CO_ITERABLE_COROUTINE`, which the compiler never sets.
_MADE_COROUTINE = 0x100
_FROZEN = "<frozen "
# The frozen modules whose code has another name than they have.
_FROZEN_NAMES = {
    "importlib._bootstrap": "_frozen_importlib",
    "importlib._bootstrap_external": "_frozen_importlib_external",
}


def of_code(code: CodeType) -> str:
    """Return the digest of a code object with everything nested in it, as 32 hexadecimal digits."""
    return blake2b(marshal.dumps(code, _FORMAT), digest_size=_BYTES).hexdigest()


def of_function_code(code: CodeType) -> str:
    """Return the digest of a function's code, whatever `types.coroutine` made of its flags."""
    if code.co_flags & _MADE_COROUTINE:
        code = code.replace(co_flags=code.co_flags & ~_MADE_COROUTINE)
    return of_code(code)


def parts_of(code: CodeType) -> list[str]:
    """Return the digests of code and of all code nested in it."""
    found, waiting = [], [code]
    while waiting:
        each = waiting.pop()
        found.append(of_function_code(each))
        waiting += [inner for inner in each.co_consts if type(inner) is type(code)]
    return found


def of_source(source: bytes, name: str, optimize: int) -> str:
    """Return the digest of what a source compiles to.

    Args:
        source: the bytes of the file.
        name: the file's name as the interpreter had it; it is part of the code.
        optimize: the interpreter's level of optimisation.

    Raises:
        SyntaxError, ValueError: it does not compile.
    """
    return of_code(compile(source, name, "exec", dont_inherit=True, optimize=optimize))


def _frozen(name: str) -> CodeType:
    import _imp

    module = name.removeprefix(_FROZEN).rstrip(">")
    code: CodeType = _imp.get_frozen_object(_FROZEN_NAMES.get(module, module))
    return code


def main() -> None:
    """Answer lines until there are no more."""
    import json
    import warnings
    from hashlib import sha256

    warnings.simplefilter("ignore")
    for line in sys.stdin:
        place, name, optimize, *what = json.loads(line)
        answer: list[object]
        try:
            if name.startswith(_FROZEN):
                answer = ["", parts_of(_frozen(name))]
            else:
                with open(place, "rb") as file:  # noqa: PTH123 - pathlib takes longer to import than all this
                    source = file.read()
                code = compile(source, name, "exec", dont_inherit=True, optimize=optimize)
                answer = [sha256(source).hexdigest(), parts_of(code) if what else of_code(code)]
        except Exception as error:  # noqa: BLE001 - a file of any content may stand there; the answer says so
            answer = [type(error).__name__, ""]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
