"""The command line: reads the arguments, calls the module that does the work, prints the answer.

Nothing is decided here. What is heavy to import is imported by the command that needs it.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.activation.approvals import ApprovalError
from orchestration.activation.destinations import ActivationHeld, DestinationError
from orchestration.activation.planning import PlanError
from orchestration.cli_checks import approve, checks, print_verdict, rollback, try_alerts
from orchestration.cli_delivery import deliver, drt_config, plan
from orchestration.cli_erasure import erase
from orchestration.config import Config, ConfigError
from orchestration.console import (
    CommandError,
    Steps,
    day_of,
    errors,
    installation,
    money,
    output,
    print_table,
)
from orchestration.erasure.people import erased_rows
from orchestration.explain import Explanation, Record, UnknownCustomerError, is_built, newest_day
from orchestration.explain import explain as explained
from orchestration.gate import GateError
from orchestration.measures.audience_rules import lint_audiences
from orchestration.measures.exposures import EXPOSURES_FILE, lint_exposures
from orchestration.measures.rules import lint_rules
from orchestration.measures.summary import bar
from orchestration.overlay import rules_dir
from orchestration.rules import (
    RuleFileError,
    read_activation_limits,
    read_audiences,
    read_guards,
    read_rules,
    read_thresholds,
)
from orchestration.shelf import shelf_of
from orchestration.warehouse import (
    WarehouseError,
    has_warehouse,
    open_warehouse,
)
from orchestration.what_if import read_candidate
from orchestration.what_if import what_if as compared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestration.settings import Settings

app = typer.Typer(
    name="lifestage",
    help="Customer segments with their whole history.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
NONE_YET = "tables     none yet: run `lifestage refresh`"
Day = Annotated[datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day.")]


for command in (checks, approve, rollback, plan, deliver, erase):
    app.command()(command)
app.command("test-alerts")(try_alerts)
app.command("drt-config")(drt_config)


def main() -> None:
    """Run the command line; a failure is one line on the error output and exit code 1."""
    expected = (
        *(ActivationHeld, DestinationError, PlanError),
        *(ApprovalError, CommandError, ConfigError, GateError, RuleFileError),
        *(UnknownCustomerError, WarehouseError),
    )
    try:
        app()
    except expected as error:
        errors().print(f"lifestage: {error}", style="red", markup=False, highlight=False)
        sys.exit(1)


@app.command()
def refresh(
    as_of: Day = None,
    start: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="Mark all days from here on as done."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Compute everything anew.")] = False,
) -> None:
    """Read the feeds, compute every customer's history, test it and publish it."""
    config, settings = installation()
    with Steps() as steps:
        steps.tell("preparing", 0, 0)
        from orchestration import refresh as runner  # noqa: PLC0415 - Dagster and dbt are slow

        asked = runner.days_asked_for(config, day_of(as_of), day_of(start))
        try:
            runner.refresh(config, settings, asked, full_refresh=full, tell=steps.tell)
        except runner.RefreshError as error:
            raise CommandError(str(error)) from error
    try:
        _print_segments(config, settings)
        _print_published(config, settings)
        print_verdict(settings)
    except WarehouseError as error:
        # The night is done; the next one has begun on the same file.
        output().print(f"not shown  {error}", highlight=False)


@app.command()
def explain(
    customer: Annotated[str, typer.Argument(help="The customer id.")], as_of: Day = None
) -> None:
    """Say why a customer has a label: orders, scores, rule, past labels, what comes next."""
    config, settings = installation()
    with open_warehouse(settings, read_only=True) as session:
        _print_explanation(explained(session, customer, day_of(as_of)), config.currency)


@app.command("lint-rules")
def lint() -> None:
    """Check all rules: segments, lifecycle, cut points, checks and audiences."""
    from orchestration.measures.thresholds import lint_thresholds  # noqa: PLC0415 - scipy is slow

    config, settings = installation()
    directory = rules_dir(settings, config)
    rules, book = read_rules(directory), read_audiences(directory)
    read_activation_limits(directory)
    read_guards(directory)
    exposures = directory / EXPOSURES_FILE
    findings = [
        *lint_rules(rules),
        *lint_thresholds(read_thresholds(directory)),
        *lint_audiences(book, rules, config.segment_preset),
        *lint_exposures(book, exposures.read_text(encoding="utf-8") if exposures.exists() else ""),
    ]
    console = output()
    for finding in findings:
        line = f"{finding.severity} {finding.check} {finding.preset} {finding.subject}:"
        console.print(f"{line} {finding.message}", markup=False, highlight=False, soft_wrap=True)
    errors = sum(finding.severity == "error" for finding in findings)
    if errors:
        raise CommandError(f"{errors} of {len(findings)} findings must be put right")
    console.print("The rules are sound.")


@app.command("what-if")
def what_if(
    rules: Annotated[Path, typer.Argument(help="A table like segment_rules.csv.")],
) -> None:
    """Say who would move, and with how much money, if other rules were in force."""
    config, settings = installation()
    preset, candidate = read_candidate(rules, config.segment_preset)
    with open_warehouse(settings, read_only=True) as session:
        outcome = compared(session, candidate, preset, newest_day(session))
    share = outcome.moved_customers / outcome.customers if outcome.customers else 0
    console = output()
    console.print(
        f"{outcome.moved_customers:,} of {outcome.customers:,} customers would move ({share:.1%}),"
        f" with {money(outcome.moved_monetary, config.currency)} of"
        f" {money(outcome.monetary, config.currency)}.",
        highlight=False,
    )
    rows = [
        (move.from_segment, move.to_segment, f"{move.customers:,}", f"{move.monetary:,.2f}")
        for move in outcome.moves
    ]
    print_table(("from", "to", "customers >", f"{config.currency} >"), rows)


@app.command()
def status() -> None:
    """Say how far the tables are, what came in and what is published."""
    config, settings = installation()
    console = output()
    console.print(f"state      {settings.home}", highlight=False, soft_wrap=True)
    if not has_warehouse(settings):
        console.print(NONE_YET)
        return
    with open_warehouse(settings, read_only=True) as session:
        if not is_built(session):
            console.print(NONE_YET)
            return
        console.print(f"tables     as of {newest_day(session)}", highlight=False)
        intake = session.fetch(
            "select source, sum(received_rows), sum(accepted_rows), sum(duplicate_rows),"
            " sum(excluded_rows), sum(rejected_rows), sum(held_rows)"
            " from staging.order_intake group by source order by source"
        )
        rejects, warnings = (
            session.fetch(
                f"select source, reason_code, column_name, count(*) from staging.{table}"
                " group by all order by 1, 4 desc, 2, 3"
            )
            for table in ("rejected_rows", "row_warnings")
        )
        erased = erased_rows(session, config)
    _print_published(config, settings)
    print_verdict(settings)
    names = ("received", "accepted", "duplicates", "excluded", "rejected", "held")
    rows = [(row[0], *(f"{count:,}" for count in row[1:])) for row in intake]
    print_table(("source", *(f"{name} >" for name in names)), rows)
    for title, found in (("rejected because", rejects), ("used in part because", warnings)):
        counted = [(source, reason, column or "", f"{n:,}") for source, reason, column, n in found]
        if counted:
            print_table(("source", title, "column", "rows >"), counted)
    if erased:
        print_table(
            ("source", "erased, among the excluded >"),
            [(source, f"{count:,}") for source, count in erased.items()],
        )


def _print_segments(config: Config, settings: Settings) -> None:
    with open_warehouse(settings, read_only=True) as session:
        sizes = session.fetch(
            "select coalesce(segment, 'no order yet'), count(*), sum(monetary),"
            " max(as_of_date) from marts.customers group by all order by 2 desc, 1"
        )
    everybody = sum(size[1] for size in sizes) or 1
    biggest = max((size[1] for size in sizes), default=1)
    if sizes:
        output().print(f"\nSegments as of {sizes[0][3]}", style="bold", highlight=False)
    rows = [
        (segment, f"{n:,}", f"{n / everybody:.1%}", bar(n / biggest), f"{money or 0:,.2f}")
        for segment, n, money, _ in sizes
    ]
    print_table(("segment", "customers >", "share >", "", f"{config.currency} >"), rows)


def _print_published(config: Config, settings: Settings) -> None:
    console = output()
    shelf = shelf_of(settings)
    made = shelf.current()
    if made is None:
        console.print("published  nothing yet: run `lifestage refresh`")
        return
    rows = sum(table.rows for table in made.tables)
    told = shelf.status()
    approved = f" ({told.approved_checks})" if told.approved_checks else ""
    console.print(
        f"\npublished  as of {made.as_of_date}, {told.verdict}{approved}, generation"
        f" {made.generation}, {len(made.tables)} tables, {rows:,} rows",
        highlight=False,
        soft_wrap=True,
    )
    if told.is_held:
        behind = "1 day" if told.days_behind == 1 else f"{told.days_behind} days"
        console.print(
            f"held       since {told.held_since}, readers are {behind} behind: {told.held_reason}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    for place in shelf.places(config.publication).values():
        console.print(f"           {place}", highlight=False, soft_wrap=True)


def _print_explanation(found: Explanation, currency: str) -> None:
    console = output()
    state = found.state
    ahead = " if nothing is bought until then" if found.day > found.newest_day else ""
    console.print(
        f"[bold]{state['segment']}[/bold], {state['lifecycle_stage']}, on {found.day}{ahead}",
        highlight=False,
    )
    console.print(
        f"since {state['valid_from']} with these scores, because: {state['cause']}\n",
        highlight=False,
    )
    values = {
        "recency": f"{state['days_since_last_order']} days",
        "frequency": f"{state['orders']} orders",
        "monetary": money(state["monetary"], currency),
    }
    rows = [
        (bin_["metric"], values[bin_["metric"]], str(bin_["score"]), _bin_in_words(bin_))
        for bin_ in found.bins
    ]
    calibrated = found.bins[0]["calibrated_on"] if found.bins else state["scorecard_id"]
    print_table(("measure", "value >", "score >", f"cut points of {calibrated}"), rows)
    if found.rule is not None:
        console.print(f"\nrule {_rule_in_words(found.rule)}", highlight=False, soft_wrap=True)
    console.print(f"\n{found.orders_in_all} orders up to then, newest first", highlight=False)
    print_table(("day", "order", f"{currency} >", "refunded >", ""), _order_rows(found.orders))
    console.print("\nlabels so far")
    print_table(("from", "segment", "stage", "R F M", "cause"), map(_change_row, found.changes))
    if found.upcoming:
        console.print("\nwhat comes next, if nothing is bought")
        rows_ahead = map(_change_row, found.upcoming)
        print_table(("from", "segment", "stage", "R F M", "cause"), rows_ahead)
    else:
        console.print("\nnothing changes any more, if nothing is bought")


def _bin_in_words(bin_: Record) -> str:
    above, up_to = bin_["above_value"], bin_["up_to_value"]
    parts = [] if above is None else [f"above {above.normalize():f}"]
    parts += [] if up_to is None else [f"up to {up_to.normalize():f}"]
    return " and ".join(parts) or "any value"


def _rule_in_words(rule: Record) -> str:
    bounds = " ".join(
        f"{axis} {rule[f'{axis.lower()}_min']}-{rule[f'{axis.lower()}_max']}" for axis in "RFM"
    )
    return (
        f"{rule['priority']} of preset {rule['preset']}, in force since {rule['valid_from']}:"
        f" {bounds} gives {rule['segment']}"
    )


def _order_rows(orders: Iterable[Record]) -> list[tuple[str, ...]]:
    return [
        (
            str(order["order_date"]),
            order["order_id"],
            f"{order['gross_amount']:,.2f}",
            f"{order['refunded_amount']:,.2f}" if order["refunded_amount"] else "",
            "" if order["is_counted"] else "does not count",
        )
        for order in orders
    ]


def _change_row(row: Record) -> tuple[str, ...]:
    scores = f"{row['r_score']} {row['f_score']} {row['m_score']}"
    return (
        str(row["valid_from"]),
        row["segment"],
        row["lifecycle_stage"],
        scores,
        row["cause"],
    )


if __name__ == "__main__":
    main()
