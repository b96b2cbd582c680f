"""What sessions of other engines are told is what DuckDB would have done.

Changes that Spark writes as whole tables are run as queries on DuckDB and held against the change
itself. How the engines take what they are told is seen on the engines
(`tests/test_whole_nights.py`, `tests/test_delivery.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from orchestration.warehouse import DuckdbSession, EngineError, keep_table, spark
from orchestration.warehouse.dialects import read, reworded, spread_rows, whole
from orchestration.warehouse.postgres import _said
from orchestration.warehouse.spark_changes import counted, rewritten

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANGES = (
    "delete from t where n > 1",
    "delete from t",
    "delete from t where n in (select n from other)",
    "delete from t where n not in (select n from other)",
    "delete from t where (a, n) in (select (a, n) from other)",
    "delete from t where (a = 'x' and (false or (a, n) not in (select (a, n) from other)))",
    "update t set a = 'z' where n is null",
    "update t set a = null, n = coalesce(n, 0) + 1",
    (
        "update t set n = sums.n from (select a, max(n) as n from other group by a) as sums"
        " where t.a = sums.a"
    ),
    (
        "update t as mine set n = mine.n + sums.n,"
        " a = case when sums.n > 2 then 'big' else mine.a end"
        " from (select count(*) as n from other) as sums where a = 'x'"
    ),
)
rows = st.lists(
    st.tuples(st.sampled_from(["x", "y", None]), st.sampled_from([0, 1, 2, None])), max_size=6
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def fill(connection: duckdb.DuckDBPyConnection, name: str, content: list[tuple[Any, Any]]) -> None:
    connection.execute(f"create or replace table {name} (a varchar, n integer)").fetchall()
    for row in content:
        connection.execute(f"insert into {name} values (?, ?)", row).fetchall()


@pytest.mark.parametrize("change", CHANGES)
@settings(deadline=None)
@given(mine=rows, other=rows)
def test_a_table_written_anew_is_the_table_changed(
    connection: duckdb.DuckDBPyConnection,
    change: str,
    mine: list[tuple[Any, Any]],
    other: list[tuple[Any, Any]],
) -> None:
    # A row of the other table may match once only: of two nobody says which one counts.
    fill(connection, "t", mine)
    fill(connection, "other", other)
    tree = read(change).tree.copy()
    assert isinstance(tree, (exp.Update, exp.Delete))
    anew = connection.execute(rewritten(tree, ["a", "n"]).sql("duckdb")).fetchall()
    concerned = connection.execute(counted(tree).sql("duckdb")).fetchall()
    changed = connection.execute(change).fetchall()
    assert sorted(map(repr, anew)) == sorted(
        map(repr, connection.execute("select * from t").fetchall())
    )
    assert concerned == changed


def test_values_are_numbered_as_they_stand() -> None:
    asked = read("with a as (select ? as x, '?' as y) select ?::date - 28 from a where x = $day")
    assert asked.names == ("day", "1", "2")
    assert read("select ?, ?").values(["one", "two"]) == ["one", "two"]
    assert asked.values({"1": "a", "2": "b", "day": "c"}) == ["c", "a", "b"]


def test_rows_are_looked_for_column_by_column() -> None:
    tree = read("delete from t where (a, b) not in (select (a, b) from u)").tree.copy()
    assert spread_rows(tree).sql("duckdb").endswith("(SELECT a, b FROM u)")


def test_inner_parts_are_reworded_before_what_is_around_them() -> None:
    tree = read("select sha256(a || sha256(b))").tree.copy()
    seen: list[str] = []

    def note(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.SHA2):
            seen.append(node.sql("duckdb"))
            return exp.func("h", node.this)
        return node

    assert reworded(tree, note).sql("duckdb") == "SELECT H(a || H(b))"
    assert seen == ["SHA256(b)", "SHA256(a || H(b))"]


def test_a_whole_text_is_matched() -> None:
    assert whole(exp.Literal.string("a|b")).sql() == "'^(?:a|b)$'"
    assert whole(exp.column("form")).sql() == "('^(?:' || form || ')$')"


@pytest.mark.parametrize(
    ("own", "theirs"),
    [
        ("select sha256('a')", ("SELECT ENCODE(SHA256(CONVERT_TO('a', 'UTF8')), 'HEX')",)),
        ("select * from t order by all", ("SELECT * FROM t ORDER BY t",)),
        (
            "select a, count(*) from t group by all order by all",
            ("SELECT a, COUNT(*) FROM t GROUP BY 1 ORDER BY 1, 2",),
        ),
        (
            "create or replace temp table t (a varchar)",
            ("drop table if exists t", "CREATE TEMPORARY TABLE t (a TEXT)"),
        ),
        (
            r"select regexp_matches(a, '[\x00-\x1f\x{feff}]')",
            (r"SELECT a ~ '[\u0001-\u001f\ufeff]'",),
        ),
        ("select a from t where b = ? and c = ?", ("SELECT a FROM t WHERE b = $1 AND c = $2",)),
        (
            "select * from (select a from (from t)) join (select 1 as b) on true order by all",
            (
                (
                    "SELECT * FROM (SELECT a FROM (SELECT * FROM t) AS first_query) AS first_query"
                    " JOIN (SELECT 1 AS b) AS joined_query_0 ON TRUE ORDER BY first_query,"
                    " joined_query_0"
                ),
            ),
        ),
    ],
)
def test_postgres_is_told(own: str, theirs: tuple[str, ...]) -> None:
    said = tuple(part.replace("'hex'", "'HEX'") for part in _said(own))
    assert said == theirs


@pytest.mark.parametrize(
    ("own", "values", "theirs"),
    [
        (
            "create or replace temp table t as select 1 as a",
            [],
            ("drop table if exists t", "create table t using parquet as SELECT 1 AS a"),
        ),
        ("alter table s.t add column a varchar", [], ("ALTER TABLE s.t ADD COLUMN a STRING",)),
        ("select * from t order by all", [], ("SELECT * FROM t ORDER BY ALL NULLS LAST",)),
        ("select ?", ["it's \\"], ("SELECT 'it\\'s \\\\'",)),
        ("select ?", [0.1], ("SELECT CAST('0.1' AS DOUBLE)",)),
        ("select regexp_full_match(a, 'b')", [], (r"SELECT a RLIKE '^(?:b)\\z'",)),
        ('drop table "s"."t" cascade', [], ("DROP TABLE `s`.`t`",)),
        ("drop schema if exists s cascade", [], ("DROP SCHEMA IF EXISTS s CASCADE",)),
    ],
)
def test_spark_is_told(own: str, values: list[Any], theirs: tuple[str, ...]) -> None:
    assert spark._said(spark._tree(own, values)) == theirs


class Catalog(spark.SparkSession):
    """A session on a catalog of two schemas that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tables = {"here": ["a", "b"], "there": ["c"]}

    def plain(self, sql: str) -> list[tuple[Any, ...]]:
        self.asked.append(sql)
        if sql == "show databases":
            return [(schema,) for schema in self.tables]
        schema = sql.split("`")[1]
        if schema not in self.tables:
            raise EngineError("SCHEMA_NOT_FOUND", "")
        return [(schema, name, False) for name in self.tables[schema]]


def test_only_the_schemas_that_are_asked_for_are_listed() -> None:
    catalog = Catalog()
    there = catalog.relations("any")
    assert ("here", "a") in there
    assert ("here", "z") not in there
    assert ("nowhere", "a") not in there
    assert catalog.asked == ["show tables in `here`", "show tables in `nowhere`"]
    assert set(there) == {("here", "a"), ("here", "b"), ("there", "c")}
    assert there - {("here", "a")} == {("here", "b"), ("there", "c")}
    assert len(there) == 3


def test_a_kept_table_gets_what_it_lacks() -> None:
    columns = [("a", "VARCHAR", "One."), ("b", "BIGINT", "Two.")]
    with duckdb.connect() as opened:
        session = DuckdbSession(opened)
        keep_table(session, "main", "new", columns)
        session.run("create table old (a varchar)")
        session.run("insert into old values ('kept')")
        for _ in range(2):
            keep_table(session, "main", "old", columns)
        for name in ("new", "old"):
            assert session.columns(session.database, "main", name) == columns
        assert session.fetch("select * from old") == [("kept", None)]
