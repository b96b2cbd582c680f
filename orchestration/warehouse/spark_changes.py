"""Changes as queries for the table they leave and the rows they concern; values in words.

Spark's plain tables cannot change rows, and its server binds no values. Writing the query's rows
in the place of the table is the business of `orchestration.warehouse.spark`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Sequence

OTHER, IS_MATCHED = "of_change", "is_matched_by_change"


def value_in_words(value: Any) -> exp.Expr:
    """Write a value of Python into a statement; plain digits with a point would be a decimal."""
    if isinstance(value, float):
        return exp.cast(exp.Literal.string(repr(value)), exp.DataType.Type.DOUBLE)
    return exp.convert(value)


def rewritten(tree: exp.Update | exp.Delete, columns: Sequence[str]) -> exp.Select:
    """Return the query for all rows of a table after a change.

    Args:
        tree: The change.
        columns: The columns of the table in order.
    """
    if isinstance(tree, exp.Delete):
        kept = exp.select("*").from_(tree.this.copy())
        return kept.where(exp.not_(_certain(_condition(tree)))) if _has_where(tree) else _none(kept)
    changed = {one.this.name: one.expression for one in tree.expressions}
    name = tree.this.alias_or_name
    is_changed = _changes(tree)
    listed = []
    for column in columns:
        before = exp.column(column, name)
        if column in changed:
            case = exp.Case().when(is_changed.copy(), changed[column].copy()).else_(before)
            listed.append(exp.alias_(case, column))
        else:
            listed.append(before)
    query = exp.select(*listed).from_(tree.this.copy())
    source = _source(tree)
    if source is None:
        return query
    return query.join(source, on=_condition(tree), join_type="left")


def counted(tree: exp.Update | exp.Delete) -> exp.Select:
    """Return the query for the number of rows that a change concerns."""
    query = exp.select("count(*)").from_(tree.this.copy())
    source = _source(tree) if isinstance(tree, exp.Update) else None
    if source is not None:
        return query.join(source, on=_condition(tree), join_type="inner")
    return query.where(_condition(tree)) if _has_where(tree) else query


def _has_where(tree: exp.Expr) -> bool:
    return tree.args.get("where") is not None


def _condition(tree: exp.Expr) -> exp.Expr:
    where = tree.args.get("where")
    return where.this.copy() if where is not None else exp.true()


def _certain(condition: exp.Expr) -> exp.Expr:
    """A condition that is unknown is none that holds."""
    return exp.func("coalesce", exp.paren(condition), exp.false())


def _none(query: exp.Select) -> exp.Select:
    return query.where(exp.false())


def _source(tree: exp.Update) -> exp.Expr | None:
    """The other relation of an update, with a mark on each of its rows."""
    given = tree.args.get("from_")
    if given is None:
        return None
    other = given.this.copy()
    name = other.alias_or_name
    inner = other.this if isinstance(other, exp.Subquery) else exp.select("*").from_(other)
    marked = exp.select("*", exp.alias_(exp.true(), IS_MATCHED)).from_(
        exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier(OTHER)))
    )
    return exp.Subquery(this=marked, alias=exp.TableAlias(this=exp.to_identifier(name)))


def _changes(tree: exp.Update) -> exp.Expr:
    """Tell of a row whether the update concerns it."""
    given = tree.args.get("from_")
    if given is None:
        return _certain(_condition(tree))
    return _certain(exp.column(IS_MATCHED, given.this.alias_or_name))
