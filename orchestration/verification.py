"""Reads finished, not yet published tables back and holds them against what was promised.

Names and types, rows, keys, order, nulls and accepted values, table by table. The promises are
declared in `orchestration.public_tables`; tables of a server have no order, only keys.
"""

from __future__ import annotations

import hashlib
from itertools import chain
from typing import TYPE_CHECKING

from orchestration.publication_status import SCHEMA, STATUS_TABLE, PublicationHeld, read_status
from orchestration.warehouse import WarehouseError, literal, open_database, quoted, read_parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from orchestration.generations import TableContent
    from orchestration.publication_status import PublicationStatus
    from orchestration.table_contracts import TableContract
    from orchestration.warehouse import Session

Columns = list[tuple[str, str, str | None]]


def verify_written(
    database: Path, parquet: Path | None, tables: Sequence[TableContent], status: PublicationStatus
) -> None:
    """Read back what was written: every table whole, the status as it should be.

    Args:
        database: The finished file.
        parquet: The directory of the Parquet files, if there are any.
        tables: What was to be written.
        status: What readers are to be told.

    Raises:
        WarehouseError: The files do not hold what was to be written.
    """
    with open_database(database, read_only=True) as session:
        for table in tables:
            columns = session.columns(database.stem, SCHEMA, table.name)
            if column_hash(columns) != table.column_hash:
                raise WarehouseError(
                    f"{table.name} changed its column types on the way: use types Parquet knows"
                )
            sources = [f"{SCHEMA}.{quoted(table.name)}"]
            if parquet is not None:
                sources.append(read_parquet(parquet / f"{table.name}.parquet"))
            counts = [session.fetch(f"select count(*) from {source}")[0][0] for source in sources]
            if set(counts) != {table.rows}:
                raise WarehouseError(
                    f"{table.name} was written with {' and '.join(map(str, counts))} rows instead"
                    f" of {table.rows}: look at the disk and run again"
                )
    if read_status(database) != status:
        raise WarehouseError(f"{STATUS_TABLE} was not written: look at the disk and run again")
    if database.with_name(f"{database.name}.wal").exists():
        raise WarehouseError(f"{database.name} was not closed: look at the disk and run again")


def verify_promises(
    database: Path, names: Sequence[str], contracts: Mapping[str, TableContract]
) -> None:
    """Hold tables of a file against their contracts.

    Raises:
        PublicationHeld: A table has no contract, or breaks it.
    """
    with open_database(database, read_only=True) as session:
        for name in names:
            contract = contracts.get(name)
            columns = session.columns(database.stem, SCHEMA, name)
            refuse_broken(session, f"{SCHEMA}.{quoted(name)}", columns, contract, _order_problems)


def refuse_broken(
    session: Session,
    relation: str,
    columns: Columns,
    contract: TableContract | None,
    rows_problems: Callable[[Session, str, TableContract], Iterator[str]],
) -> None:
    """Hold one table against its contract.

    Args:
        session: Where it is.
        relation: The table.
        columns: Those that it has.
        contract: What is promised; none is a fault as well.
        rows_problems: Says what is wrong with rows beside each other.

    Raises:
        PublicationHeld: The table breaks it.
    """
    if contract is None:
        problem = "it has none: declare its columns"
    else:
        # The columns first, because the rest is asked of them.
        problem = next(
            chain(
                _column_problems(columns, contract),
                _bad_values(session, relation, contract),
                rows_problems(session, relation, contract),
            ),
            None,
        )
    if problem is not None:
        name = relation.rpartition(".")[2].strip('"')
        raise PublicationHeld(f"{name} breaks its contract: {problem}", ("contract",))


def key_problems(session: Session, relation: str, contract: TableContract) -> Iterator[str]:
    """Count keys that several rows share."""
    if not contract.key:
        return
    key = ", ".join(quoted(column) for column in contract.key)
    shared = session.fetch(
        f"select count(*) from (select {key} from {relation} group by {key} having count(*) > 1)"
        " as shared"
    )[0][0]
    if shared:
        yield (
            f"{shared} keys ({', '.join(contract.key)}) have several rows;"
            " look for duplicates and run again"
        )


def column_hash(columns: Columns) -> str:
    """Hash names and types of columns in their order."""
    named = "\n".join(f"{name} {kind}" for name, kind, _ in columns)
    return hashlib.sha256(named.encode()).hexdigest()


def _column_problems(columns: Columns, contract: TableContract) -> Iterator[str]:
    """Say which columns are missing, of another type or too many."""
    found = {column: kind for column, kind, _ in columns}
    for column in contract.columns:
        if column.name not in found:
            yield f"the column {column.name} is missing; mend the model and run again"
        elif column.kind not in {"", found[column.name]}:
            yield (
                f"{column.name} is {found[column.name]} instead of {column.kind};"
                " mend the model and run again"
            )
    extra = [column for column in found if column not in contract.names]
    if extra:
        yield f"the column {extra[0]} is not declared; declare it or leave it out"


def _order_problems(session: Session, relation: str, contract: TableContract) -> Iterator[str]:
    """Count rows that do not lie in the order of their key."""
    order = ", ".join(quoted(column) for column in contract.key or contract.names)
    # Equal rows may stand side by side only where there is no key.
    is_right = ">" if contract.key else ">="
    wrong = session.fetch(
        f"select count(*) filter (where not is_right) from (select row({order}) {is_right}"
        f" lag(row({order})) over () as is_right from {relation})"
    )[0][0]
    if wrong:
        what = f"the key ({', '.join(contract.key)})" if contract.key else "their order"
        yield f"{wrong} rows do not follow {what} strictly; look for duplicates and run again"


def _bad_values(session: Session, relation: str, contract: TableContract) -> Iterator[str]:
    """Count rows with a null or a value that there must not be, all in one pass."""
    conditions: list[tuple[str, str]] = []
    for column in contract.columns:
        if not column.is_nullable:
            conditions.append((f"without {column.name}", f"{quoted(column.name)} is null"))
        if column.accepted:
            known = ", ".join(literal(value) for value in column.accepted)
            test = f"cast({quoted(column.name)} as varchar) not in ({known})"
            conditions.append((f"with an unknown {column.name}", test))
    if not conditions:
        return
    counts = ", ".join(f"count(*) filter (where {test})" for _, test in conditions)
    for (what, _), rows in zip(
        conditions, session.fetch(f"select {counts} from {relation}")[0], strict=True
    ):
        if rows:
            yield f"{rows} rows {what}; mend the model and run again"
