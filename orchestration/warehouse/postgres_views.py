"""How PostgreSQL shows tables to readers: views, their locks, and the rights of a role.

How statements reach the server is decided by `orchestration.warehouse.postgres`.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from orchestration.warehouse.server import ServerSession, relation_of
from orchestration.warehouse.session import EngineError, WarehouseError, quoted, transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Shorter than the time after which the server looks for deadlocks and ends one of the two: that
# could be a reader. Whoever comes meanwhile waits for as long.
PATIENCE = "500ms"
TRIES, PAUSE_SECONDS = 200, 1.0
LOCKED = "LockNotAvailable"
DEPENDED_ON = {"DependentObjectsStillExist", "WrongObjectType"}
DEPENDENTS = """
    select distinct format('%I.%I', own.nspname, dependent.relname)
    from pg_depend
    join pg_rewrite on pg_depend.classid = 'pg_rewrite'::regclass and objid = pg_rewrite.oid
    join pg_class as dependent on ev_class = dependent.oid
    join pg_namespace as own on dependent.relnamespace = own.oid
    where refobjid = to_regclass($1) and dependent.oid <> refobjid
    order by 1
"""
SOURCES = """
    select distinct own.nspname
    from pg_depend
    join pg_rewrite on pg_depend.classid = 'pg_rewrite'::regclass and objid = pg_rewrite.oid
    join pg_class as source on refobjid = source.oid and refclassid = 'pg_class'::regclass
    join pg_namespace as own on source.relnamespace = own.oid
    where ev_class = to_regclass($1) and source.oid <> ev_class
"""
SHAPE = """
    select attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum)
    from pg_attribute
    where attrelid = to_regclass($1) and attnum > 0 and not attisdropped
    order by attnum
"""
IN_THE_WAY = """
    select distinct format('process %s of %s', pid, coalesce(usename, 'the server'))
    from pg_locks
    join pg_class on relation = pg_class.oid and relnamespace = to_regnamespace($1)
    join pg_stat_activity using (pid)
    where granted and pid <> pg_backend_pid()
    order by 1
"""


class PostgresViews(ServerSession):
    """The part of a session that readers are served with."""

    @abstractmethod
    def plain(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement in the server's own words and fetch its rows, if it has any."""

    def begin(self) -> None:
        """Begin a change that is kept whole or not at all, and that reads one moment."""
        self.plain("begin isolation level repeatable read")

    def fingerprint(self, relation: str) -> tuple[int, str]:
        """Count rows, and return what stands for them, whatever their order."""
        hashed = "cast(hashtextextended(cast(whole_row as varchar), 0) as decimal(38, 0))"
        rows, total = self.fetch(
            f"select count(*), coalesce(sum({hashed}), 0) from {relation} as whole_row"
        )[0]
        return rows, f"{rows}:{total}"

    def schemas(self) -> set[str]:
        """Name the schemas of the database."""
        return {name for (name,) in self.plain("select nspname from pg_namespace")}

    def drop_schema(self, schema: str) -> bool:
        """Drop a schema with its tables, unless a reader is in them."""
        try:
            with transaction(self):
                self.plain(f"set local lock_timeout = '{PATIENCE}'")
                # Without `cascade`: what others made of the tables is not ours to drop.
                for name in self.own_tables(schema):
                    self.plain(f"drop table {relation_of(schema, name)}")
                self.plain(f"drop schema if exists {quoted(schema)}")
        except EngineError as error:
            if error.kind == LOCKED:
                return False
            if error.kind in DEPENDED_ON:
                raise WarehouseError(
                    f"something in or about the schema {schema} is not of Lifestage: drop it and"
                    " run `lifestage refresh`; what is for readers is in `published`"
                ) from error
            raise
        return True

    def in_one_step(self, schema: str, change: Callable[[], None]) -> None:
        """Make a change in one transaction, between those of readers."""
        for _ in range(TRIES):
            try:
                with transaction(self):
                    self.plain(f"set local lock_timeout = '{PATIENCE}'")
                    change()
            except EngineError as error:
                if error.kind != LOCKED:
                    raise
            else:
                return
            time.sleep(PAUSE_SECONDS)
        holders = ", ".join(name for (name,) in self.plain(IN_THE_WAY, [schema])) or "somebody"
        raise WarehouseError(
            f"readers of {schema} are in the middle of a transaction ({holders}): let them end it"
            " and run `lifestage refresh`; until then they see what they saw"
        )

    def show(self, schema: str, name: str, source: str) -> None:
        """Let a view show a table, in its place if the columns that it had stay as they are."""
        view, table = relation_of(schema, name), relation_of(source, name)
        shown, wanted = self.plain(SHAPE, [view]), self.plain(SHAPE, [table])
        if [column[:2] for column in shown] != [column[:2] for column in wanted[: len(shown)]]:
            self._drop_view(schema, name, "has other columns now")
            shown = []
        self.plain(f"create or replace view {view} as select * from {table}")
        told = {column: comment for column, _, comment in shown}
        for column, _, comment in wanted:
            if comment and told.get(column) != comment:
                self.comment(view, column, comment)

    def hide(self, schema: str, name: str) -> None:
        """Drop a view that nobody depends on."""
        self._drop_view(schema, name, "is not published any more")

    def shown_by(self, schema: str, name: str) -> set[str]:
        """Name the schemas that a view reads."""
        return {found for (found,) in self.plain(SOURCES, [relation_of(schema, name)])}

    def make_reader(self, role: str) -> None:
        """Make a role that cannot log in; people are made members of it."""
        if self.plain("select 1 from pg_roles where rolname = $1", [role]):
            return
        try:
            self.plain(f"create role {quoted(role)} nologin")
        except EngineError as error:
            if error.kind != "InsufficientPrivilege":
                raise
            raise WarehouseError(
                f"there is no role {role} for readers, and the user of Lifestage may not make one:"
                f" let an administrator run `create role {quoted(role)} nologin`, or name another"
                " one as LIFESTAGE_POSTGRES_READER"
            ) from error

    def let_read(self, role: str, schema: str, name: str) -> None:
        """Let a role read a view: its tables are read with the rights of who made it."""
        self.plain(f"grant usage on schema {quoted(schema)} to {quoted(role)}")
        self.plain(f"grant select on {relation_of(schema, name)} to {quoted(role)}")

    def _drop_view(self, schema: str, name: str, why: str) -> None:
        view = relation_of(schema, name)
        dependents = ", ".join(dependent for (dependent,) in self.plain(DEPENDENTS, [view]))
        try:
            self.plain(f"drop view {view}")
        except EngineError as error:
            if error.kind not in DEPENDED_ON:
                raise
            raise WarehouseError(
                f"{schema}.{name} {why}, and {dependents or 'something else'} depends on it:"
                " drop that, run `lifestage refresh` and make it anew"
            ) from error
