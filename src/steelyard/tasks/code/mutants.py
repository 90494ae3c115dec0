"""Small faults planted into a function, one at a time, to see whether its tests would notice.

Operators of comparison and arithmetic are swapped, numbers moved by one, conditions turned round,
texts emptied, functions exchanged, statements left out. Not aware of tests. After R. DeMillo,
R. Lipton, F. Sayward, Hints on Test Data Selection, Computer 11 (1978) 34-41.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

# A node, one of its fields, and what that is set to.
Fault: TypeAlias = tuple[ast.AST, str, Any]

_COMPARED: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq, ast.GtE),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_COUNTED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Mod: ast.FloorDiv,
    ast.BitOr: ast.BitAnd,
}
_CALLED: Final = {"min": "max", "max": "min", "sorted": "list", "any": "all", "upper": "lower"}


def mutants(text: str) -> list[str]:
    """Return the function with each fault in turn; those that read the same come once."""
    tree = ast.parse(text)
    plain = ast.unparse(tree)
    found: dict[str, None] = {}
    for node in list(ast.walk(tree)):
        for place, field, value in list(_faults(node)):
            before = getattr(place, field)
            setattr(place, field, value)
            found[ast.unparse(ast.fix_missing_locations(tree))] = None
            setattr(place, field, before)
    return [changed for changed in found if changed != plain]


def _faults(node: ast.AST) -> Iterator[Fault]:
    match node:
        case ast.Compare(ops=[operator]):
            for other in _COMPARED.get(type(operator), ()):
                yield node, "ops", [other()]
        case ast.BinOp(op=operation) | ast.AugAssign(op=operation):
            if (instead := _COUNTED.get(type(operation))) is not None:
                yield node, "op", instead()
        case ast.Constant(value=bool() as truth):
            yield node, "value", not truth
        case ast.Constant(value=int() as number):
            yield node, "value", number + 1
            yield node, "value", number - 1
        case ast.Constant(value=str() as words):
            yield node, "value", "" if words else "x"
        case _:
            yield from _larger_faults(node)


def _larger_faults(node: ast.AST) -> Iterator[Fault]:
    match node:
        case ast.Name(id=name) if name in _CALLED:
            yield node, "id", _CALLED[name]
        case ast.Attribute(attr=name) if name in _CALLED:
            yield node, "attr", _CALLED[name]
        case ast.If(test=test) | ast.IfExp(test=test):
            yield node, "test", ast.UnaryOp(ast.Not(), test)
        case ast.comprehension(ifs=[test]):
            yield node, "ifs", []
            yield node, "ifs", [ast.UnaryOp(ast.Not(), test)]
        case _:
            pass
    body = getattr(node, "body", None)
    if isinstance(body, list) and not isinstance(node, ast.Module):
        for at in range(len(body)):
            yield node, "body", [*body[:at], *body[at + 1 :]] or [ast.Pass()]
