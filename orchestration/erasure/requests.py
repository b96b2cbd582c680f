"""The schema `erasure` of the warehouse: who is to be forgotten, without saying who it is.

A person is known by keyed digests alone: enough to recognise somebody who is delivered again, and
of no use to anybody without the warehouse. Whose rows are meant is found by
`orchestration.erasure.people`.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Literal, TypeAlias

from orchestration.table_contracts import Column, TableContract
from orchestration.warehouse import (
    keep_table,
    quoted,
)

if TYPE_CHECKING:
    from orchestration.warehouse import Session

Kind: TypeAlias = Literal["customer_id", "email_sha256", "phone_sha256", "order_id"]

SCHEMA = "erasure"
SALT = "erasure_salt"
REQUESTS = "erasure_requests"
DUTIES = "erasure_duties"
# Blocks of the warehouse, or the ledger of deliveries, still hold what was taken out.
BYTES, LEDGER = "bytes", "ledger"
HASH = re.compile(r"[0-9a-f]{64}")

TABLES = {
    SALT: TableContract(
        (Column("salt", "VARCHAR", "What every digest begins with; drawn once."),),
        key=("salt",),
        description="The key of the digests. One row.",
    ),
    REQUESTS: TableContract(
        (
            Column(
                "kind",
                "VARCHAR",
                "What the digest was made of.",
                accepted=("customer_id", "email_sha256", "phone_sha256", "order_id"),
            ),
            Column("digest", "VARCHAR", "SHA-256 of the salt, the kind and the value."),
            Column(
                "is_asked", "BOOLEAN", "Whether it was asked for, not found with what was asked."
            ),
            Column(
                "status",
                "VARCHAR",
                "open until nothing is left on disk.",
                accepted=("open", "erased"),
            ),
        ),
        key=("kind", "digest"),
        description="Who is to be forgotten. One row per kind and digest.",
    ),
    DUTIES: TableContract(
        (Column("duty", "VARCHAR", "What still holds erased values.", accepted=(BYTES, LEDGER)),),
        key=("duty",),
        description="What is left to do. One row per duty.",
    ),
}


class RequestError(Exception):
    """A request that names nobody; one line with the remedy, never the value."""


def make_tables(session: Session) -> None:
    """Make the schema, its tables and the salt."""
    session.run(f"create schema if not exists {SCHEMA}")
    for name, contract in TABLES.items():
        keep_table(session, SCHEMA, name, contract.described)
    session.run(
        f"insert into {SCHEMA}.{SALT} select ? where not exists (select 1 from {SCHEMA}.{SALT})",
        [secrets.token_hex(32)],
    )


def has_requests(session: Session, database: str, *, only_open: bool = False) -> bool:
    """Tell whether anybody ever asked to be forgotten, or asked and is still there."""
    if (SCHEMA, REQUESTS) not in session.relations(database):
        return False
    requests = f"{quoted(database)}.{SCHEMA}.{REQUESTS}"
    kept = "status = 'open'" if only_open else "true"
    return session.fetch(f"select count(*) from {requests} where {kept}")[0][0] > 0


def digest_of(kind: str, value: str, database: str | None = None) -> str:
    """Return SQL for the digest of a value.

    Args:
        kind: The kind as SQL: a literal or a column.
        value: The cleaned value as SQL.
        database: Where the salt is, when it is not the database of the session.
    """
    place = f"{quoted(database)}." if database else ""
    return f"sha256((select salt from {place}{SCHEMA}.{SALT}) || {kind} || ':' || {value})"


def is_erased(kind: Kind, value: str, database: str | None = None) -> str:
    """Return SQL that tells whether a cleaned value belongs to somebody who is erased."""
    place = f"{quoted(database)}." if database else ""
    digest = digest_of(f"'{kind}'", value, database)
    return f"{digest} in (select digest from {place}{SCHEMA}.{REQUESTS} where kind = '{kind}')"


def ask(session: Session, kind: Kind, value: str) -> bool:
    """Note that a person is to be forgotten from the next refresh on.

    Args:
        session: The warehouse, open for writing.
        kind: What the value is.
        value: An account, or the SHA-256 of an address in small letters or of a number in
            international form, in hexadecimal digits.

    Returns:
        Whether this was not asked for before.

    Raises:
        RequestError: The value cannot be what it is said to be.
    """
    cleaned = value.strip() if kind == "customer_id" else value.strip().lower()
    if not cleaned:
        raise RequestError(f"the {kind} is empty: name one person")
    if kind != "customer_id" and not HASH.fullmatch(cleaned):
        raise RequestError(f"the {kind} is no SHA-256: give 64 hexadecimal digits")
    make_tables(session)
    session.run(
        "create or replace temp table erasure_asked as"
        f" select ?::varchar as kind, {digest_of('?::varchar', '?::varchar')} as digest",
        [kind, kind, cleaned],
    )
    return add_asked(session, "erasure_asked") > 0


def add_asked(session: Session, relation: str) -> int:
    """Add what is asked for and was not before.

    Args:
        session: The warehouse, open for writing.
        relation: Rows of kind and digest.

    Returns:
        The number of new requests.
    """
    requests = f"{SCHEMA}.{REQUESTS}"
    new = (
        f"select distinct kind, digest from {relation} except"
        f" select kind, digest from {requests} where is_asked"
    )
    count = session.fetch(f"select count(*) from ({new}) as new")[0][0]
    if count:
        session.run(f"create or replace temp table erasure_new as {new}")
        session.run(
            f"delete from {requests}"
            " where (kind, digest) in (select (kind, digest) from erasure_new)"
        )
        session.run(f"insert into {requests} select kind, digest, true, 'open' from erasure_new")
        session.run("drop table erasure_new")
    return count


def add_found(session: Session, relation: str) -> None:
    """Add what was found with what was asked for: rows of kind and digest."""
    requests = f"{SCHEMA}.{REQUESTS}"
    session.run(
        f"insert into {requests} select kind, digest, false, 'open' from"
        f" (select kind, digest from {relation} except select kind, digest from {requests})"
    )


def add_duty(session: Session, duty: str) -> None:
    """Note what is left to do."""
    session.run(
        f"insert into {SCHEMA}.{DUTIES} select ?"
        f" where not exists (select 1 from {SCHEMA}.{DUTIES} where duty = ?)",
        [duty, duty],
    )


def duties(session: Session) -> set[str]:
    """Return what is left to do; open requests leave everything to do."""
    there = {name for schema, name in session.relations(session.database) if schema == SCHEMA}
    if not {REQUESTS, DUTIES} <= there:
        return set()
    found = {duty for (duty,) in session.fetch(f"select duty from {SCHEMA}.{DUTIES}")}
    return found | ({BYTES} if count_open(session) else set())


def count_open(session: Session) -> int:
    """Count the requests that were not carried out to the end."""
    if (SCHEMA, REQUESTS) not in session.relations(session.database):
        return 0
    query = f"select count(*) from {SCHEMA}.{REQUESTS} where status = 'open'"
    return session.fetch(query)[0][0]


def end_duty(session: Session, duty: str) -> None:
    """Note that something is done."""
    session.run(f"delete from {SCHEMA}.{DUTIES} where duty = ?", [duty])


def close_requests(session: Session) -> None:
    """Note that nothing is left on disk of anybody who asked."""
    session.run(f"update {SCHEMA}.{REQUESTS} set status = 'erased' where status = 'open'")
