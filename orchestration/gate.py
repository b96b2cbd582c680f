"""Whether the tables may be read: the verdict on them, approvals of errors, the decision.

A verdict belongs to one as-of date, one state of the inputs, one state of the code, rules and
configuration, and one run that built the tables. `decide` compares all four with what is there
and says no in every case that it does not know. What a check finds is the business of
`orchestration.measures`; what happens after the decision that of `orchestration.publication`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.check_tables import (
    SCHEMA,
    TABLES,
    add_rows,
    make_tables,
    read_rows,
    replace_day,
    result_rows,
    segment_rows,
)
from orchestration.provenance import (
    AGAIN,
    OriginError,
    day_of_tables,
    hash_of,
    run_of_tables,
)
from orchestration.provenance import input_hash as live_input_hash
from orchestration.warehouse import transaction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from orchestration.measures.checks import Definition, Result
    from orchestration.measures.segment_usefulness import SegmentVerdict
    from orchestration.warehouse import Session

# So many figures of a number count as the same result: sums of floats differ behind them.
SAME_FIGURES = 9
# What a verdict does not hold for any more when it differs.
CHANGES = {
    "run_id": "the tables were built again",
    "input_hash": "the inputs changed",
    "code_hash": "the rules, the configuration or the code changed",
}


class GateError(Exception):
    """Something that cannot be judged or approved; one line with the remedy."""


@dataclass(frozen=True)
class Verdict:
    """What follows from the results of a day.

    Attributes:
        status: The worst result, whatever it blocks: `pass`, `warn` or `error`.
        blocking: Names of the checks that hold the publication.
    """

    as_of_date: date
    input_hash: str
    code_hash: str
    run_id: str
    status: str
    blocking: tuple[str, ...]
    allows_publication: bool
    allows_activation: bool
    results_hash: str


@dataclass(frozen=True)
class Decision:
    """Whether the tables may be published.

    Attributes:
        verdict: The verdict that was looked at; none if there is none.
        approved: Names of the checks whose error a person accepted.
        held_by: Names of the checks that hold the publication; empty if it is held because the
            verdict is missing or about something else.
        reason: One line; of a refusal with the remedy.
    """

    is_allowed: bool
    verdict: Verdict | None
    approved: tuple[str, ...]
    held_by: tuple[str, ...]
    reason: str

    @property
    def status(self) -> str:
        """What readers are told about what they read: `pass`, `warn` or `approved`."""
        if self.approved:
            return "approved"
        return "pass" if self.verdict is not None and self.verdict.status == "pass" else "warn"


def record(
    session: Session,
    as_of_date: date,
    results: Sequence[Result],
    segment_verdicts: Sequence[SegmentVerdict],
    *,
    input_hash: str,
    code_hash: str,
    definitions: Mapping[str, Definition],
) -> Verdict:
    """Write down the results of a day and the verdict that follows; a second time replaces it.

    Args:
        session: The warehouse, open for writing.
        as_of_date: The day of the tables.
        results: At least one result per definition.
        segment_verdicts: What was found about each segment.
        input_hash: What came in, when the results were made.
        code_hash: What judged it.
        definitions: All checks, by id.

    Raises:
        GateError: The results are not those of these tables (see `provenance.mark_built`), or
            not complete.
    """
    run_id = _judged_run(session, as_of_date, (input_hash, code_hash))
    _refuse_incomplete(as_of_date, results, segment_verdicts, definitions)
    failing = [result for result in results if _fails(result)]
    blocking = dict.fromkeys(r.check for r in failing if r.blocks == "publication")
    rows = result_rows(results, definitions, input_hash)
    segments = segment_rows(segment_verdicts)
    is_warned = any(result.status == "warn" for result in results)
    verdict = Verdict(
        as_of_date=as_of_date,
        input_hash=input_hash,
        code_hash=code_hash,
        run_id=run_id,
        status="error" if failing else "warn" if is_warned else "pass",
        blocking=tuple(blocking),
        allows_publication=not blocking,
        allows_activation=all(r.blocks not in {"publication", "activation"} for r in failing),
        results_hash=_results_hash(rows, segments),
    )
    with transaction(session):
        make_tables(session)
        replace_day(session, "check_results", as_of_date, rows)
        replace_day(session, "segment_verdicts", as_of_date, segments)
        row = {**vars(verdict), "blocking": json.dumps(verdict.blocking)}
        replace_day(session, "verdicts", as_of_date, [row])
    return verdict


def decide(session: Session, database: str, requested_day: date, code_hash: str) -> Decision:
    """Decide whether the tables of a warehouse may be published; what is not known is a no.

    Args:
        session: A connection that reads the warehouse in one transaction.
        database: The name under which it is open.
        requested_day: The day of the run that wants to publish; approvals end with a day.
        code_hash: What `provenance.code_hash` says now.
    """
    try:
        day = day_of_tables(session, database)
        now = {
            "run_id": run_of_tables(session, database),
            "input_hash": live_input_hash(session, database),
            "code_hash": code_hash,
        }
    except OriginError as error:
        return _no(None, str(error))
    verdict = _verdict(session, database, day)
    if verdict is None:
        return _no(None, f"there is no verdict on the tables as of {day}: {AGAIN}")
    for name, what in CHANGES.items():
        if getattr(verdict, name) != now[name]:
            return _no(verdict, f"{what} after the verdict on {day}: {AGAIN}")
    return _after_approvals(session, database, verdict, requested_day)


def approve(
    session: Session, check: str, as_of: date, *, by: str, reason: str, until: date
) -> None:
    """Note that a person accepts the error of one check for one day.

    Args:
        session: The warehouse, open for writing.
        check: The id or the name of the check.
        as_of: The day whose tables may be published in spite of it.
        by: Who accepts it.
        reason: Why.
        until: The last day on which they may be published.

    Raises:
        GateError: Nobody may approve that, or there is nothing to approve.
    """
    by, reason = " ".join(by.split()), " ".join(reason.split())
    if not by or not reason:
        raise GateError("an approval needs a name and a reason: give --by and --reason")
    if until < as_of:
        raise GateError(f"an approval until {until} never holds for {as_of}: give a later day")
    row = {
        "as_of_date": as_of,
        "check_id": _approvable(session, check, as_of),
        "approved_by": by,
        "reason": reason,
        "valid_until": until,
    }
    with transaction(session):
        make_tables(session)
        if row not in read_rows(session, session.database, "approvals", as_of):
            add_rows(session, "approvals", [row])


def _approvable(session: Session, check: str, as_of: date) -> str:
    """Find the check that is meant, if its error may be accepted; return its id."""
    database = session.database
    is_judged = (SCHEMA, "check_results") in session.relations(database)
    results = read_rows(session, database, "check_results", as_of) if is_judged else []
    if not results:
        raise GateError(f"nothing was judged as of {as_of}: give the day that was held")
    failing = dict.fromkeys(row["check_name"] for row in results if row["status"] == "error")
    own = [row for row in results if check in (row["check_id"], row["check_name"])]
    if not own:
        known = ", ".join(failing) or "none"
        raise GateError(f"no check of that name was made as of {as_of}; with an error: {known}")
    name = own[0]["check_name"]
    if any(row["is_required"] for row in own):
        raise GateError(f"{name} is required and cannot be approved: {own[0]['remedy']}")
    if name not in failing:
        raise GateError(f"{name} has no error as of {as_of}: there is nothing to approve")
    return own[0]["check_id"]


def _after_approvals(
    session: Session, database: str, verdict: Verdict, requested_day: date
) -> Decision:
    """Let a verdict with errors pass where each error was accepted."""
    day = verdict.as_of_date
    accepted = {
        row["check_id"]
        for row in read_rows(session, database, "approvals", day)
        if requested_day <= row["valid_until"]
    }
    rows = read_rows(session, database, "check_results", day)
    own = {name: [row for row in rows if row["check_name"] == name] for name in verdict.blocking}
    held_by = tuple(name for name, found in own.items() if not _is_accepted(found, accepted))
    approved = tuple(name for name in verdict.blocking if name not in held_by)
    is_allowed = verdict.allows_publication or (bool(approved) and not held_by)
    if not is_allowed:
        reason = _why_held(held_by, own, day)
    else:
        reason = f"approved: {', '.join(approved)}" if approved else f"status {verdict.status}"
    return Decision(is_allowed, verdict, approved, held_by, reason)


def _is_accepted(rows: Sequence[Mapping[str, Any]], accepted: set[str]) -> bool:
    """Tell whether a check was approved; a required one never is."""
    return bool(rows) and all(
        row["check_id"] in accepted and not row["is_required"] for row in rows
    )


def _why_held(held_by: Sequence[str], own: Mapping[str, Sequence[Any]], day: date) -> str:
    """Say in one line which check holds the tables, what it found and what to do."""
    if not held_by:
        return f"the verdict on {day} holds the tables and does not say why: {AGAIN}"
    name, *others = held_by
    more = f", as do {', '.join(others)}" if others else ""
    failing = [row for row in own[name] if row["status"] not in {"pass", "warn"}]
    if not failing:
        return f"{name} holds the tables as of {day}{more}: {AGAIN}"
    row = failing[0]
    return f"{name} holds the tables as of {day}{more}: {row['message']} {row['remedy']}"


def _no(verdict: Verdict | None, reason: str) -> Decision:
    return Decision(is_allowed=False, verdict=verdict, approved=(), held_by=(), reason=reason)


def _verdict(session: Session, database: str, as_of_date: date) -> Verdict | None:
    there = session.relations(database)
    if any((SCHEMA, name) not in there for name in TABLES):
        return None
    rows: list[dict[str, Any]] = read_rows(session, database, "verdicts", as_of_date)
    if len(rows) != 1:
        return None
    blocking = tuple(json.loads(rows[0].pop("blocking")))
    return Verdict(**rows[0], blocking=blocking)


def _judged_run(session: Session, as_of_date: date, judged: tuple[str, str]) -> str:
    """Name the run that built the tables, if it built them from what was judged."""
    database = session.database
    try:
        run_id, day = run_of_tables(session, database), day_of_tables(session, database)
    except OriginError as error:
        raise GateError(str(error)) from error
    if day != as_of_date:
        raise GateError(f"the tables are as of {day}, not {as_of_date}: judge them as of {day}")
    built = []
    if (SCHEMA, "built_from") in session.relations(database):
        built = session.fetch(f"select run_id, input_hash, code_hash from {SCHEMA}.built_from")
    if built != [(run_id, *judged)]:
        raise GateError(f"the tables were not built from these inputs and rules: {AGAIN}")
    return run_id


def _refuse_incomplete(
    as_of_date: date,
    results: Sequence[Result],
    segment_verdicts: Sequence[SegmentVerdict],
    definitions: Mapping[str, Definition],
) -> None:
    """Refuse results that leave a check out, or are not those of the day."""
    silent = definitions.keys() ^ {result.check_id for result in results}
    if silent or not results:
        what = ", ".join(sorted(silent)) or "no checks at all"
        raise GateError(f"results and definitions of checks differ ({what}): run the checks again")
    keys = [(result.check_id, result.subject) for result in results]
    twice = sorted({key[0] for key in keys if keys.count(key) > 1})
    if twice:
        raise GateError(f"{twice[0]} gave two results on one subject: mend the check")
    if {part.as_of_date for part in (*results, *segment_verdicts)} != {as_of_date}:
        raise GateError(f"there are results of another day than {as_of_date}: run the checks again")


def _fails(result: Result) -> bool:
    """Tell whether a result is an error; a required check that has no answer is one too."""
    is_mute = result.status == "insufficient_data" and not result.is_required
    return result.status not in {"pass", "warn"} and not is_mute


def _results_hash(rows: Sequence[Mapping[str, Any]], segments: Sequence[Mapping[str, Any]]) -> str:
    """Hash what the results say; equal inputs and code give equal hashes on every machine."""
    left_out = {"input_hash", "details", "effect", "p_value", "p_adjusted"}
    told = [
        [(name, _rounded(value)) for name, value in row.items() if name not in left_out]
        for row in (*rows, *segments)
    ]
    return hash_of(sorted(told, key=json.dumps))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.{SAME_FIGURES}g}" if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
