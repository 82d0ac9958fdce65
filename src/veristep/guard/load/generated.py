"""Code that installed packages make of what a file holds, and that can do no more than what it is made for.

Told by the names in the code itself, at the moment it would be run.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

# Evaluates formulas that files hold as text: shapes of exported programs. Whatever else its code names than
# parts of formulas, sympy's and torch's own, is none.
_FORMULAS = "sympy.parsing.sympy_parser"
_PARTS = """
Add And BitwiseFn_bitwise_and BitwiseFn_bitwise_or CeilToInt CleanDiv Eq Equality FloatPow
FloatTrueDiv Float FloorDiv FloorToInt Function Ge GreaterThan Gt Identity Integer IntTrueDiv Le
LessThan LShift Lt Max Min Mod ModularIndexing Mul Ne Not OpaqueUnaryFn_sqrt Or Piecewise Pow
PowByNatural PythonMod Rational RoundDecimal RoundToInt RShift StrictGreaterThan StrictLessThan
Symbol ToFloat TruncToFloat TruncToInt Unequality Where Xor Abs ceiling exp factorial false floor
log nan oo pi sqrt sympy true zoo E I
"""
# Writes the code of an exported program from its graph: it defines a function. The names of the graph's
# operations stand in it; a graph that reaches for the system is none.
_GRAPHS = "torch.fx.graph_module"
_OUTSIDE = "forward torch device inf nan NoneType fx_pytree pytree math"
_SYSTEM = """
posix os nt subprocess sys io _io importlib shutil ctypes _ctypes socket runpy pickle _pickle
marshal builtins code hub cpp_extension collect_env serialization package __import__ exec eval
compile open getattr setattr
"""
_OF_FORMULAS = frozenset(_PARTS.split())
_OF_GRAPHS = frozenset(_OUTSIDE.split())
_NO_OPERATIONS = frozenset(_SYSTEM.split())


def is_harmless(module: object, code: CodeType) -> bool:
    """Whether code that a module is about to run puts a formula together, or defines a graph's function."""
    if module not in (_FORMULAS, _GRAPHS):
        return False
    inner = [each for each in code.co_consts if type(each) is type(code)]
    if module == _FORMULAS:
        return not inner and _OF_FORMULAS.issuperset(code.co_names)
    named = {name for each in inner for name in each.co_names}
    return _OF_GRAPHS.issuperset(code.co_names) and named.isdisjoint(_NO_OPERATIONS)
