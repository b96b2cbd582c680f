"""Finds whom the requests mean, and takes their rows out of what the loader has read.

A row that is taken out stays as a row without values, excluded by `ERASED`, so that the rows of a
file still add up. Tables of the user's own are not written to: the dbt macro `raw_rows` leaves
the rows out. What is left on disk is the business of `orchestration.erasure.traces`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.contract import column_names
from orchestration.dbt_vars import SAMPLE_INPUTS
from orchestration.erasure.requests import (
    BYTES,
    REQUESTS,
    SCHEMA,
    add_asked,
    add_duty,
    add_found,
    digest_of,
    has_requests,
    is_erased,
    make_tables,
)
from orchestration.warehouse import literal, quoted

if TYPE_CHECKING:
    from orchestration.config import Config
    from orchestration.warehouse import Session

ERASED = "ERASED"
PLACE = "_file || ':' || cast(_line as varchar)"
# A sign that more accounts share than one person has is no sign of one person: the address of the
# till, an account into which all guests are merged.
MOST_ACCOUNTS = 10
# As the staging macro clean_text trims.
BLANKS = "e' \\t\\r\\n'"
# Engines differ in what they take for a blank around an id.
SPACES = literal(
    " \t\n\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
# What the staging macros see as a control or an invisible character.
UNSEEN = (
    r"[\x00-\x1f\x7f-\x{9f}\x{61c}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}"
    r"\x{a0}\x{ad}\x{1680}\x{180e}\x{2000}-\x{200d}\x{2028}\x{2029}\x{202f}\x{205f}-\x{2064}"
    r"\x{3000}\x{feff}\x{fffd}]"
)
# How a shop may write an address or a number before it is hashed: numbers in international form, as
# they stand, or as their digits.
WRITTEN = {
    ("email", "email_sha256"): ("lower({0})",),
    ("phone", "phone_sha256"): (
        "if({0} like '+%', '+' || regexp_replace({0}, '[^0-9]', '', 'g'), null)",
        "{0}",
        "regexp_replace({0}, '[^0-9]', '', 'g')",
    ),
}
TOLD, IDS, CONTACTS, SIGNS = "erasure_told", "erasure_ids", "erasure_contacts", "erasure_signs"
PEOPLE, ORDERS, FOUND = "erasure_people", "erasure_orders", "erasure_found"
BROKEN = "erasure_broken"


@dataclass(frozen=True)
class Forgotten:
    """What was taken out, in counts.

    Attributes:
        people: Accounts that the inputs name and that are erased.
        rows: Rows of files that were taken out now.
        again: Those of them whose people had been erased before: a source still delivers them.
    """

    people: int = 0
    rows: int = 0
    again: int = 0


@dataclass(frozen=True)
class _Input:
    """An input as it lies in the warehouse."""

    relation: str
    columns: frozenset[str]
    is_loaded: bool

    def text(self, column: str) -> str:
        return f"trim(cast({quoted(column)} as varchar), {SPACES})"


def forget(session: Session, config: Config) -> Forgotten:
    """Take everybody who asked to be forgotten out of the inputs.

    Doing it twice changes nothing more. An account belongs to a person when it is named, when it
    carries a named address or number, and when it shares an address or a merge with such an
    account; whatever is found is remembered, so that it stays out when only a part of it comes
    again.

    Args:
        session: The warehouse, open for writing; best inside the transaction that loads.
        config: Says which inputs there are.
    """
    inputs = _inputs(session, config)
    database = session.database
    if "erasures" in inputs:
        make_tables(session)
        _take_requests(session, inputs["erasures"])
    if not has_requests(session, database):
        return Forgotten()
    make_tables(session)
    find_people(session, inputs)
    _remember(session, inputs)
    rows, again = _take_out(session, inputs)
    if rows:
        add_duty(session, BYTES)
    people = session.fetch(f"select count(*) from {PEOPLE}")[0][0]
    return Forgotten(people, rows, again)


def would_forget(session: Session, config: Config) -> tuple[int, int]:
    """Count the accounts that the requests mean now, and the rows that name them.

    Args:
        session: The warehouse, open for writing, with the tables of this schema.
        config: Says which inputs there are.
    """
    inputs = _inputs(session, config)
    find_people(session, inputs)
    named = [
        f"select count(*) as n from {one.relation} where {one.text('customer_id')}"
        f" in (select customer_id from {PEOPLE})"
        for one in inputs.values()
        if "customer_id" in one.columns
    ]
    rows = session.fetch(f"select sum(n) from ({' union all '.join(named)})")[0][0] if named else 0
    return session.fetch(f"select count(*) from {PEOPLE}")[0][0], int(rows or 0)


def erased_rows(session: Session, config: Config) -> dict[str, int]:
    """Count the rows of files that were taken out, by input."""
    inputs = {name: one for name, one in _inputs(session, config).items() if one.is_loaded}
    query = "select count(*) from {} where _excluded_by = ?"
    counts = {
        name: session.fetch(query.format(one.relation), [ERASED])[0][0]
        for name, one in inputs.items()
    }
    return {name: count for name, count in counts.items() if count}


def find_people(session: Session, inputs: dict[str, _Input]) -> None:
    """Write the accounts of those who are to be forgotten into a temporary table."""
    _list_ids(session, inputs)
    _list_contacts(session, inputs)
    _list_signs(session, inputs)
    requests = f"{SCHEMA}.{REQUESTS}"
    session.run(
        f"""
        create or replace temp table {PEOPLE} as
        with named as (
            select customer_id, 'customer_id' as kind, customer_id as value from {IDS}
            union all
            select customer_id, kind, value from {CONTACTS}
        )
        select named.customer_id, bool_or(requests.status = 'erased') as is_known
        from named
        inner join {requests} as requests
            on requests.kind = named.kind
            and requests.digest = {digest_of("named.kind", "named.value")}
        -- A household shares a number: one that was only found names nobody.
        where requests.is_asked or requests.kind <> 'phone_sha256'
        group by named.customer_id
        """
    )
    while _add_accounts_with_the_same_signs(session):
        pass


def _inputs(session: Session, config: Config) -> dict[str, _Input]:
    """Find the inputs that exist already."""
    database = session.database
    there = session.relations(database)
    names = {name: (config.raw_schema, name) for name in (*config.feeds, *config.tables)}
    if not names:
        names = {name: ("sample", f"raw_{name}") for name in SAMPLE_INPUTS}
    return {
        name: _Input(
            relation=f"{quoted(place[0])}.{quoted(place[1])}",
            columns=frozenset(column for column, _, _ in session.columns(database, *place)),
            is_loaded=name in config.feeds,
        )
        for name, place in names.items()
        if place in there
    }


def _take_requests(session: Session, given: _Input) -> None:
    """Note what the input asks for, and leave of it what the staging models need to judge it."""
    # Where a row came from names it; a table that others load is not written to.
    place = PLACE if given.is_loaded else "cast(null as varchar)"
    meta = "_excluded_by is null and _problem is null" if given.is_loaded else "true"
    kind = f"lower(trim(cast(type as varchar), {BLANKS}))"
    value = (
        f"case when {kind} = 'customer_id' then {given.text('value')}"
        f" else lower(trim(cast(value as varchar), {BLANKS})) end"
    )
    session.run(
        f"""
        create or replace temp table {TOLD} as
        with given as (
            select {place} as place, {kind} as kind, {value} as value, {meta} as is_sound
            from {given.relation}
            where value is not null
                and cast(value as varchar) not in (select digest from {SCHEMA}.{REQUESTS})
        )
        select
            place,
            kind,
            is_sound and value <> '' and case
                when kind = 'customer_id' then true
                when kind in ('email_sha256', 'phone_sha256')
                    then regexp_full_match(value, '[0-9a-f]{{64}}')
                else false
            end as is_request,
            {digest_of("kind", "value")} as digest,
            regexp_matches(value, '{UNSEEN}') as has_unseen
        from given
        """
    )
    add_asked(session, f"(select kind, digest from {TOLD} where is_request)")
    if given.is_loaded:
        # What is no request is told by its shape alone: a plain address may stand there.
        session.run(
            f"update {given.relation} set value = case"
            " when told.is_request and not told.has_unseen then told.digest"
            f" else {_masked('value')} end"
            f" from {TOLD} as told where {PLACE} = told.place"
        )
        known = "'customer_id', 'email_sha256', 'phone_sha256'"
        session.run(
            f"update {given.relation} set type = {_masked('type')},"
            f" requested_at = {_masked('requested_at')}"
            f" where _problem is not null or {kind} not in ({known})"
        )
    session.run(f"drop table {TOLD}")


def _masked(column: str) -> str:
    """Return SQL for a text of which only the shape is left."""
    return f"regexp_replace({column}, '[!-~]', 'x', 'g')"


def _list_ids(session: Session, inputs: dict[str, _Input]) -> None:
    columns = [
        (one, column)
        for one in inputs.values()
        for column in ("customer_id", "merged_into")
        if column in one.columns
    ]
    parts = [
        f"select {one.text(column)} as customer_id from {one.relation}" for one, column in columns
    ]
    everybody = " union ".join(parts) or "select cast(null as varchar) as customer_id"
    session.run(
        f"create or replace temp table {IDS} as select customer_id from ({everybody})"
        " where customer_id <> ''"
    )


def _list_contacts(session: Session, inputs: dict[str, _Input]) -> None:
    """Hash addresses and numbers as a shop may have hashed them."""
    nothing = (f"cast(null as varchar) as {name}" for name in ("customer_id", "kind", "value"))
    parts = [f"select {', '.join(nothing)}"]
    one = inputs.get("customers")
    for (column, kind), forms in WRITTEN.items():
        if one is not None and {"customer_id", column} <= one.columns:
            text = f"trim(cast({column} as varchar), {BLANKS})"
            parts += [
                f"select {one.text('customer_id')}, '{kind}',"
                f" sha256(nullif({form.format(text)}, '')) from {one.relation}"
                for form in forms
            ]
    session.run(
        f"create or replace temp table {CONTACTS} as select * from ({' union '.join(parts)})"
        " where customer_id <> '' and value is not null"
    )


def _list_signs(session: Session, inputs: dict[str, _Input]) -> None:
    """List what says that two accounts are of one person."""
    parts = [f"select customer_id, kind, value from {CONTACTS} where kind = 'email_sha256'"]
    merges = inputs.get("customer_merges")
    if merges is not None and {"customer_id", "merged_into"} <= merges.columns:
        account, holder = merges.text("customer_id"), merges.text("merged_into")
        parts += [
            f"select {end}, 'merge', {holder} from {merges.relation}"
            f" where {account} <> '' and {holder} <> ''"
            for end in (account, holder)
        ]
    session.run(
        f"create or replace temp table {SIGNS} as"
        f" select * from ({' union '.join(parts)})"
        f" qualify count(*) over (partition by kind, value) <= {MOST_ACCOUNTS}"
    )


def _add_accounts_with_the_same_signs(session: Session) -> int:
    """Follow the signs of the people by one step; return how many accounts were new."""
    before = session.fetch(f"select count(*) from {PEOPLE}")[0][0]
    session.run(
        f"""
        insert into {PEOPLE}
        select others.customer_id, bool_or(people.is_known)
        from {PEOPLE} as people
        inner join {SIGNS} as signs on people.customer_id = signs.customer_id
        inner join {SIGNS} as others on signs.kind = others.kind and signs.value = others.value
        where others.customer_id not in (select customer_id from {PEOPLE})
        group by others.customer_id
        """
    )
    return session.fetch(f"select count(*) from {PEOPLE}")[0][0] - before


def _remember(session: Session, inputs: dict[str, _Input]) -> None:
    """Keep the digests of all that was found, so that a part of it is enough later on."""
    theirs = f"customer_id in (select customer_id from {PEOPLE})"
    of_others = f"select value from {CONTACTS} where not {theirs}"
    numbers = f"{CONTACTS} where kind = 'phone_sha256' and {theirs} and value not in ({of_others})"
    parts = [
        f"select 'customer_id' as kind, customer_id as value from {PEOPLE}",
        f"select kind, value from {SIGNS} where kind = 'email_sha256' and {theirs}",
        f"select kind, value from {numbers}",
    ]
    orders = inputs.get("orders") or inputs.get("order_lines")
    if "refunds" in inputs and orders is not None and "order_id" in orders.columns:
        _list_orders(session, orders)
        parts.append(f"select 'order_id', order_id from {ORDERS}")
    session.run(
        f"create or replace temp table {FOUND} as select distinct kind,"
        f" {digest_of('kind', 'value')} as digest from ({' union all '.join(parts)})"
    )
    add_found(session, FOUND)


def _list_orders(session: Session, orders: _Input) -> None:
    """List the orders of the people, by which refunds name them; not those of others as well."""
    order, owner = orders.text("order_id"), orders.text("customer_id")
    session.run(
        f"""
        create or replace temp table {ORDERS} as
        with theirs as (
            select distinct {order} as order_id from {orders.relation}
            where {owner} in (select customer_id from {PEOPLE})
        ),
        of_others as (
            select {order} as order_id from {orders.relation}
            where {order} in (select order_id from theirs)
                and {owner} not in (select customer_id from {PEOPLE})
        )
        select order_id from theirs
        where order_id <> '' and order_id not in (select order_id from of_others)
        """
    )


def _take_out(session: Session, inputs: dict[str, _Input]) -> tuple[int, int]:
    """Empty the rows of files that name the people.

    Returns:
        How many there were, and how many of people who had been erased before.
    """
    rows = again = 0
    for name, one in inputs.items():
        if not one.is_loaded:
            continue
        _list_broken_rows(session, name, one)
        condition = f"{PLACE} in (select place from {BROKEN})"
        if named := _names_somebody(name, one):
            condition = f"{condition} or {named}"
        values = (*column_names(name), "_line", "_problem", "_problem_column")
        if "customer_id" in one.columns:
            again += session.fetch(
                f"select count(*) from {one.relation} where {one.text('customer_id')}"
                f" in (select customer_id from {PEOPLE} where is_known)"
            )[0][0]
        emptied = ", ".join(f"{quoted(column)} = null" for column in values)
        rows += session.fetch(
            f"update {one.relation} set {emptied}, _excluded_by = '{ERASED}' where {condition}"
        )[0][0]
    return rows, again


def _list_broken_rows(session: Session, name: str, one: _Input) -> None:
    """List the rows that cannot be read and name the people in any field: it may be shifted."""
    texts = [one.text(column) for column in column_names(name) if name != "erasures"]
    tests = [f"{text} in (select customer_id from {PEOPLE})" for text in texts]
    tests += [is_erased("email_sha256", f"sha256(lower({text}))") for text in texts]
    # Whether a suppression can be read is seen later: what stands where may be swapped.
    looked_at = "true" if name == "suppressions" else "_problem is not null"
    session.run(
        f"create or replace temp table {BROKEN} as with broken as"
        f" (select *, {PLACE} as place from {one.relation} where {looked_at})"
        f" select place from broken where {' or '.join(tests) or 'false'}"
    )


def _names_somebody(name: str, one: _Input) -> str | None:
    """Return SQL that tells whether a row of an input names somebody who is erased."""
    if name == "refunds":
        order = one.text("order_id")
        theirs = (
            f"select order_id from (select distinct {order} as order_id from {one.relation})"
            f" where {is_erased('order_id', 'order_id')}"
        )
        return f"{order} in ({theirs})"
    if name == "suppressions":
        kind = f"lower(trim(type, {BLANKS}))"
        value = (
            f"case when {kind} = 'customer_id' then {one.text('value')}"
            f" else lower(trim(value, {BLANKS})) end"
        )
        known = f"select (kind, digest) from {SCHEMA}.{REQUESTS}"
        return f"({kind}, {digest_of(kind, value)}) in ({known})"
    columns = [column for column in ("customer_id", "merged_into") if column in one.columns]
    named = [f"{one.text(column)} in (select customer_id from {PEOPLE})" for column in columns]
    return " or ".join(named) or None
