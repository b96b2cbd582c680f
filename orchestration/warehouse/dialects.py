"""Statements in DuckDB's dialect, said in that of another engine; sqlglot knows how.

Which statements there are is decided by the callers, how values reach an engine by its session.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlglot import TokenType, exp, parse_one, tokenize

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.warehouse.session import Parameters

OWN = "duckdb"
# `?::type` is one token, which means another thing in another dialect.
VALUE = "value_of_call"
VALUE_PLACES = (TokenType.PLACEHOLDER, TokenType.QDCOLON)


@dataclass(frozen=True)
class Statement:
    """A statement that was read.

    Attributes:
        tree: What it says; a place for a value is `exp.Placeholder` with the name of the value.
        names: The values that it needs, each once, in the order of their first place; values
            without a name are numbered from 1 on.
    """

    tree: exp.Expr
    names: tuple[str, ...]

    def values(self, parameters: Parameters) -> list[Any]:
        """Bring the values of a call into the order of the names."""
        if isinstance(parameters, Mapping):
            return [parameters[name] for name in self.names]
        return [parameters[int(name) - 1] for name in self.names]

    def filled(self, places: Mapping[str, exp.Expr]) -> exp.Expr:
        """Copy the tree with something in the place of every value, by its name."""
        tree = self.tree.copy()
        for place in list(tree.find_all(exp.Placeholder)):
            place.replace(places[place.name].copy())
        return tree


@lru_cache(maxsize=4096)
def read(sql: str) -> Statement:
    """Read a statement of DuckDB's dialect; the tree belongs to all callers, so copy it first.

    Raises:
        SqlglotError: sqlglot does not know the statement.
    """
    tree = parse_one(_numbered(sql), read=OWN)
    for called in list(tree.find_all(exp.Anonymous)):
        if called.name == VALUE:
            called.replace(exp.Placeholder(this=called.expressions[0].name))
    places = sorted({place.name for place in tree.find_all(exp.Placeholder)}, key=_in_order)
    return Statement(tree, tuple(places))


def _in_order(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (0, name)


def _numbered(sql: str) -> str:
    """Number the places that stand for values in their order: what is read may reorder them."""
    parts: list[str] = []
    end = count = 0
    for token in tokenize(sql, read=OWN):
        if token.token_type in VALUE_PLACES:
            count += 1
            parts += [sql[end : token.start], f"{VALUE}({count})"]
            end = token.start + 1
    return "".join([*parts, sql[end:]])


def spread_rows(tree: exp.Expr) -> exp.Expr:
    """Let a query that rows are looked for in give columns: DuckDB compares one column of rows."""
    for looked_for in tree.find_all(exp.In):
        query = looked_for.args.get("query")
        if isinstance(looked_for.this, exp.Tuple) and query is not None:
            select = query.this if isinstance(query, exp.Subquery) else query
            (row,) = select.expressions
            if isinstance(row, exp.Tuple):
                select.set("expressions", row.expressions)
    return tree


def reworded(tree: exp.Expr, rule: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Apply a rule to every part of a statement, the inner ones first."""
    for node in reversed(list(tree.walk())):
        said = rule(node)
        if node is tree:
            tree = said
        elif said is not node:
            node.replace(said)
    return tree


def whole(pattern: exp.Expr, end: str = "$") -> exp.Expr:
    """Let a pattern match a text from its beginning to its end, which engines write otherwise."""
    if isinstance(pattern, exp.Literal):
        return exp.Literal.string(f"^(?:{pattern.name}){end}")
    begun = exp.DPipe(this=exp.Literal.string("^(?:"), expression=pattern, safe=True)
    return exp.paren(exp.DPipe(this=begun, expression=exp.Literal.string(f"){end}"), safe=True))
