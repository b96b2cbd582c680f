"""Commands about audiences: what would be sent, and sending it.

What may be sent is decided by `orchestration.audience_delivery`.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.activation.drt_files import drt_project
from orchestration.console import CommandError, errors, installation, output, print_table
from orchestration.erasure.traces import settle_ledger
from orchestration.measures.audience_rules import audiences_in_force
from orchestration.overlay import rules_dir
from orchestration.rules import read_audiences, read_guards
from orchestration.settings import destination_variables
from orchestration.warehouse import (
    has_warehouse,
    only_run,
    open_warehouse,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.activation.delivering import DeliveryReport
    from orchestration.config import Config
    from orchestration.measures.delivery_guards import Decision, Guard
    from orchestration.settings import Settings

Only = Annotated[
    str | None, typer.Option("--audience", help="The one audience; all of them by default.")
]
ALLOWED, STOPPED, INCOMPLETE = "go", "stopped", "incomplete"


def plan(audience: Only = None) -> None:
    """Show what would be sent to each destination; nothing is sent."""
    from orchestration.audience_delivery import plan_deliveries  # noqa: PLC0415 - slow to import

    config, settings = _judged_installation()
    with (
        only_run(settings, _say_that_it_waits),
        open_warehouse(settings, read_only=False) as session,
    ):
        planned = plan_deliveries(session, settings, config, audience)
    rows = [
        (
            row.audience,
            row.destination,
            f"{row.counts.previous:,}",
            f"{row.counts.desired:,}",
            f"+{row.counts.added:,}",
            f"-{row.counts.removed:,}",
            f"-{row.protected:,}",
            f"{row.unusable:,}",
            INCOMPLETE if row.trouble else _outcome(row.decision),
        )
        for row in planned
    ]
    header = (
        *("audience", "destination", "held >", "wanted >", "add >", "left >", "protected >"),
        *("unusable >", ""),
    )
    print_table(header, rows)
    guards = read_guards(rules_dir(settings, config))
    for row in planned:
        if row.trouble:
            _print_trouble(row.audience, row.destination, row.trouble)
        _print_guards(row.audience, row.decision, guards)


def deliver(audience: Only = None) -> None:
    """Send what changed since the last delivery to each destination."""
    from orchestration.audience_delivery import deliver as send  # noqa: PLC0415 - slow to import

    config, settings = _judged_installation()
    unfinished = []
    with only_run(settings, _say_that_it_waits):
        with open_warehouse(settings, read_only=False) as session:
            for report in send(session, settings, config, destination_variables(), audience):
                if report.status == INCOMPLETE:
                    unfinished.append(report.delivery.destination)
                _print_delivery(report)
        settle_ledger(settings)
    if unfinished:
        names = ", ".join(dict.fromkeys(unfinished))
        raise CommandError(
            f"{len(unfinished)} deliveries are not complete, to {names}: run `lifestage deliver`"
        )


def _judged_installation() -> tuple[Config, Settings]:
    """Refuse where there are no tables yet, instead of making an empty warehouse."""
    config, settings = installation()
    if not has_warehouse(settings):
        raise CommandError("nothing was judged yet: run `lifestage refresh` first")
    return config, settings


def _outcome(decision: Decision) -> str:
    if decision.is_stopped:
        return " ".join((STOPPED, *decision.reasons))
    return " ".join((ALLOWED, *(f"({code})" for code in decision.warnings)))


def _print_guards(audience: str, decision: Decision, guards: Mapping[str, Guard]) -> None:
    """Say of each guard that found something what it counted and what to do."""
    for one in decision.judgements:
        if one.status != "pass":
            guard = guards[one.check_id]
            output().print(
                f"{audience}: {one.check_id} {guard.check_name} {one.status},"
                f" {one.value:,.4g} (limit {one.limit:,.4g}): {guard.remedy}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )


def drt_config(
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder; activation.drt_project by default.")
    ] = None,
) -> None:
    """Write a drt project with one sync per audience; files that are there stay as they are."""
    config, settings = installation()
    configured = config.activation.drt_project
    if out is None and configured is None:
        raise CommandError("name a folder: --out, or activation.drt_project in lifestage.yml")
    folder = out if out is not None else settings.project_root / str(configured)
    book = read_audiences(rules_dir(settings, config))
    files = drt_project(audiences_in_force(book, config.segment_preset), book.destinations)
    if not files:
        raise CommandError("no audience goes through drt: give kind drt to its destination")
    console = output()
    for name, text in files.items():
        path = folder / name
        is_there = path.exists()
        if not is_there:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        said = "is there already" if is_there else "written: fill in what it asks for"
        console.print(f"{path} {said}", highlight=False, markup=False, soft_wrap=True)


def _print_delivery(report: DeliveryReport) -> None:
    reasons = report.decision.reasons
    why = f" ({', '.join(reasons)})" if reasons else ""
    rejected = sum(report.rejected.values())
    unusable = f", {report.unusable:,} unusable" if report.unusable else ""
    output().print(
        f"{report.delivery.audience} to {report.delivery.destination}:"
        f" {report.status}{why},"
        f" {report.added:,} added, {report.removed:,} removed, {report.updated:,} updated,"
        f" {rejected:,} rejected, {report.unknown:,} not answered{unusable}",
        highlight=False,
        soft_wrap=True,
    )
    if report.trouble:
        _print_trouble(report.delivery.audience, report.delivery.destination, report.trouble)


def _print_trouble(audience: str, destination: str, trouble: str) -> None:
    output().print(
        f"{audience} to {destination}: {trouble}", highlight=False, markup=False, soft_wrap=True
    )


def _say_that_it_waits() -> None:
    errors().print("waiting for another run to finish ...", highlight=False)
