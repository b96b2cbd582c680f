"""Commands about the checks: what was found, who accepts it, who is told, what is served instead.

What is accepted is decided by `orchestration.gate`, what is served by `orchestration.shelf`.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.activation.approvals import approve_list
from orchestration.alerts import Memory, Sighting, delivered, noticed, receiver_id
from orchestration.check_tables import SCHEMA, read_rows
from orchestration.console import CommandError, errors, installation, output, print_table
from orchestration.gate import approve as accept
from orchestration.measures.check_summary import worst_first
from orchestration.overlay import rules_dir
from orchestration.rules import read_guards
from orchestration.shelf import report_writer, shelf_of
from orchestration.warehouse import (
    has_warehouse,
    only_run,
    open_warehouse,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from orchestration.settings import Settings
    from orchestration.warehouse import Session

COUNTED = {
    "error": "with errors",
    "warn": "with warnings",
    "insufficient_data": "with too little data",
    "pass": "well",
}
WORDS = {"error": "error", "warn": "warning", "insufficient_data": "no data", "pass": "well"}
NO_RESULTS = "checks     none yet: run `lifestage refresh`"
HeldDay = Annotated[
    datetime, typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day that was held.")
]
LastDay = Annotated[
    datetime | None,
    typer.Option("--until", formats=["%Y-%m-%d"], help="The last day it may be published on."),
]


def checks(
    every: Annotated[
        bool, typer.Option("--all", help="Show every subject, not only the worst of each check.")
    ] = False,
) -> None:
    """Show the newest results of all checks, the worst first."""
    _, settings = installation()
    with open_warehouse(settings, read_only=True) as session:
        verdict, results = newest_results(session)
    if verdict is None:
        output().print(NO_RESULTS, highlight=False)
        return
    output().print(verdict_line(verdict, results), highlight=False, soft_wrap=True)
    ordered = worst_first(results)
    others = Counter(row.check_name for row in results)
    told = set()
    for row in ordered:
        if not every and row.check_name in told:
            continue
        told.add(row.check_name)
        hidden = others[row.check_name] - 1
        print_result(row, f" ({hidden} more)" if hidden and not every else "")


def approve(
    check: Annotated[str, typer.Argument(help="The name or the id of the check or guard.")],
    *,
    as_of: HeldDay,
    by: Annotated[str, typer.Option("--by", help="Who accepts the error.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    until: LastDay = None,
    audience: Annotated[
        str | None,
        typer.Option("--audience", help="The audience whose stopped list is let go."),
    ] = None,
) -> None:
    """Accept the error of one check for one day, or let one stopped list go.

    The next refresh publishes in spite of the check; the next delivery sends the list.
    """
    config, settings = installation()
    if not has_warehouse(settings):
        raise CommandError("nothing was judged yet: run `lifestage refresh` first")
    if (until is None) == (audience is None):
        raise CommandError(
            "a check is accepted --until a day, a list of an --audience only as it is: give one"
        )
    day = as_of.date()
    with (
        only_run(settings, _say_that_it_waits),
        open_warehouse(settings, read_only=False) as session,
    ):
        if audience is not None:
            guards = read_guards(rules_dir(settings, config))
            approve_list(session, guards, audience, check, day, by=by, reason=reason)
            done = f"{check} is accepted for {audience} as of {day}: run `lifestage deliver`"
        elif until is not None:
            accept(session, check, day, by=by, reason=reason, until=until.date())
            done = f"{check} is accepted for {day} until {until.date()}: run `lifestage refresh`"
    output().print(done, highlight=False, soft_wrap=True)


def rollback(
    generation: Annotated[
        str | None, typer.Argument(help="Which one; by default the one before the present one.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Only say which ones there are.")] = False,
) -> None:
    """Let readers see an older generation again, until the next refresh publishes."""
    config, settings = installation()
    shelf = shelf_of(settings)
    if show:
        rows = [
            (one.generation, str(one.as_of_date), "is served" if one.is_served else "")
            for one in shelf.kept()
        ]
        print_table(("generation", "as of", ""), rows)
        return
    with only_run(settings, _say_that_it_waits):
        done = shelf.rollback(generation, report=report_writer(config))
    output().print(done.message, highlight=False, soft_wrap=True)


def try_alerts() -> None:
    """Send every receiver of alerts a message that says that nothing is wrong."""
    _, settings = installation()
    if not settings.alert_urls:
        raise CommandError("nobody is told: set LIFESTAGE_ALERT_URLS to apprise addresses")
    sighting = Sighting("test", "warn", "a test of the alerts", "Nothing is wrong.")
    memory = noticed(Memory(), [sighting], map(receiver_id, settings.alert_urls))
    _, troubles = delivered(memory, settings.alert_urls)
    if troubles:
        raise CommandError("; ".join(troubles))
    output().print(f"{len(settings.alert_urls)} receivers were told.", highlight=False)


def newest_results(session: Session) -> tuple[dict[str, Any] | None, list[Any]]:
    """Read the newest verdict and its results; there may be none yet."""
    database = session.database
    if (SCHEMA, "verdicts") not in session.relations(database):
        return None, []
    newest: date | None = session.fetch(f"select max(as_of_date) from {SCHEMA}.verdicts")[0][0]
    if newest is None:
        return None, []
    verdict = read_rows(session, database, "verdicts", newest)[0]
    rows = read_rows(session, database, "check_results", newest)
    return verdict, [SimpleNamespace(**row) for row in rows]


def verdict_line(verdict: dict[str, Any], results: Sequence[Any]) -> str:
    """Say in one line what was concluded about the newest night."""
    counts = Counter(row.status for row in results)
    found = ", ".join(
        f"{counts[status]} {words}" for status, words in COUNTED.items() if counts[status]
    )
    allowed = "may be published" if verdict["allows_publication"] else "are held back"
    messages = "" if verdict["allows_activation"] else ", messages are held back"
    return f"verdict    as of {verdict['as_of_date']}: {found}; the tables {allowed}{messages}"


def print_result(row: Any, more: str = "") -> None:
    """Print a result in one line."""
    output().print(
        f"{WORDS[row.status]:<10} {row.check_name}, {row.subject}: {row.message}{more}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def print_verdict(settings: Settings) -> None:
    """Print what was concluded about the newest night, and every result that is not well."""
    with open_warehouse(settings, read_only=True) as session:
        verdict, results = newest_results(session)
    if verdict is None:
        output().print(NO_RESULTS, highlight=False)
        return
    output().print(verdict_line(verdict, results), highlight=False, soft_wrap=True)
    for row in worst_first(results):
        if row.status in {"error", "warn"}:
            print_result(row)


def _say_that_it_waits() -> None:
    errors().print("waiting for another run to finish ...", highlight=False)
