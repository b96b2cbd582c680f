"""A public shop replayed night by night: which checks would have spoken, and why.

Run as `python -m benchmarks.replay --data DIR [--calibrate once] [--no-calendar]`; DIR holds
`online_retail/online_retail.parquet`. For every day the whole project is built from the orders up
to that day, as a first refresh would build it, and every check is judged as the nightly run judges
it, as if the night before had been published. `docs/replay.md` keeps the answer. The checks are in
`orchestration.measures`; simulated companies with injected faults in `benchmarks.evaluation`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.config import parse_config
from orchestration.measures.night import judge_night
from orchestration.quality import read_night
from orchestration.rules import read_thresholds
from orchestration.settings import Settings
from orchestration.warehouse import DuckdbSession, Session
from tests.compiled import AS_OF, INPUT_TABLES, RULE_TABLES, RULES, Compiler

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestration.measures.checks import Result

FIRST_DAY, LAST_DAY = date(2010, 12, 1), date(2011, 12, 9)
# What published analyses of this shop count: a known customer, something sold, at a price.
ORDERS = """
    insert into raw.orders (order_id, customer_id, ordered_at, amount, status)
    select invoice_no, cast(cast(customer_id as bigint) as varchar), min(cast(invoice_ts as date)),
        sum(cast(quantity as decimal(18, 4)) * cast(unit_price as decimal(10, 4))),
        'completed'
    from '{file}'
    where customer_id is not null and not starts_with(invoice_no, 'C')
        and quantity > 0 and unit_price > 0 and cast(invoice_ts as date) <= ?
    group by invoice_no, customer_id
"""
SCHEMAS = ("raw", "rules", "staging", "intermediate", "marts", "quality", "checks")
SAID = ("warn", "error")
CALENDAR = "date_day date, kind varchar, name varchar"
# The bank holidays of the shop's country, and the days around Christmas on which it was closed.
CLOSED_DAYS = (
    Path(__file__).parents[1] / "examples" / "online_retail" / "rules" / "calendar_days.csv"
)


@dataclass(frozen=True)
class Replay:
    """What is replayed: the orders, when scorecards are cut, which days are known to be closed."""

    orders: Path
    calibrate: str
    calendar: Path

    @property
    def variables(self) -> str:
        """The dbt vars, with a stand-in for the as-of date."""
        reading = {"relation": "raw", "text": False, "date_formats": [], "source_timezone": "UTC"}
        return json.dumps(
            {
                "as_of_date": AS_OF,
                "history_start": FIRST_DAY.isoformat(),
                "calibrate": self.calibrate,
                "inputs": {"orders": reading},
            },
            sort_keys=True,
        )


@dataclass(frozen=True)
class Night:
    """What the checks said of one day."""

    day: date
    results: tuple[Result, ...]


def nights(replay: Replay, first: date, last: date) -> list[Night]:
    """Judge every day of a range, each on a database that is built from nothing."""
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        home = Path(folder)
        statements = Compiler(home, with_quality=True).statements(replay.variables)
        judged = []
        published: list[dict[str, Any]] = []
        day = max(first - timedelta(days=1), FIRST_DAY)
        while day <= last:
            connection = build(statements, replay, day)
            results, definitions = judge(DuckdbSession(connection), home, day, published)
            connection.close()
            if day >= first:
                judged.append(Night(day, results))
            published = definitions
            day += timedelta(days=1)
    return judged


def build(
    statements: Iterable[tuple[str, str]], replay: Replay, day: date
) -> duckdb.DuckDBPyConnection:
    """Return a database in memory with everything as of a day, from the orders up to it."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("attach ':memory:' as warehouse")
    connection.execute("use warehouse")
    for schema in SCHEMAS:
        connection.execute(f"create schema {schema}")
    for name, columns in INPUT_TABLES.items():
        connection.execute(f"create table raw.{name} ({columns})")
    connection.execute(ORDERS.format(file=replay.orders), [day])
    for path in sorted(RULES.glob("*.csv")):
        types = dict(part.rsplit(" ", 1) for part in typed_columns(path.stem))
        connection.execute(
            f"create table rules.{path.stem} as select * from read_csv(?, header = true,"
            f" types = {types})",
            [str(replay.calendar if path.stem == "calendar_days" else path)],
        )
    for name, statement in statements:
        try:
            connection.execute(statement.replace(AS_OF, day.isoformat())).fetchall()
        except duckdb.Error as error:
            raise SystemExit(f"{day} {name}: {error}") from error
    return connection


def typed_columns(table: str) -> list[str]:
    """Name the columns of a rule table whose type cannot be guessed from its rows."""
    known = RULE_TABLES.get(table, CALENDAR if table == "calendar_days" else "")
    known = known.replace("decimal(18, 4)", "decimal(18;4)")
    return [part.replace(";", ",") for part in known.split(", ") if part]


def judge(
    session: Session, home: Path, day: date, published: Sequence[dict[str, Any]]
) -> tuple[tuple[Result, ...], list[dict[str, Any]]]:
    """Judge one night as the nightly run does; the night before stands for what is published."""
    config = parse_config({"tables": {"orders": {}}, "history_start": FIRST_DAY}, home)
    night = read_night(session, Settings(home, home / "lifestage.yml", home), config, day)
    before = [{"as_of_date": day, "published_as_of": day - timedelta(days=1)}]
    night = replace(
        night,
        tables={
            **night.tables,
            "published_definitions": published,
            "published_as_of": before if published else [],
        },
    )
    results = judge_night(night, read_thresholds(RULES))
    return results, session.fetch_records("select * from marts.definition_log order by all")


def in_parallel(replay: Replay, jobs: int) -> list[Night]:
    """Share the days out: every process builds the eve of its first day for itself."""
    days = (LAST_DAY - FIRST_DAY).days + 1
    starts = [FIRST_DAY + timedelta(days=days * part // jobs) for part in range(jobs + 1)]
    with ProcessPoolExecutor(jobs) as pool:
        parts = [
            pool.submit(nights, replay, start, end - timedelta(days=1))
            for start, end in pairwise(starts)
        ]
        return [night for part in parts for night in part.result()]


def by_check(judged: Sequence[Night]) -> list[str]:
    """One line per check: on how many nights it said what."""
    counts: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for night in judged:
        for (check_id, check, blocks), results in groupby(
            night.results, lambda one: (one.check_id, one.check, one.blocks)
        ):
            statuses = {one.status for one in results}
            worst = next(s for s in ("error", "warn", "pass", "insufficient_data") if s in statuses)
            counts[check_id, check, blocks][worst] += 1
    lines = [
        "| check | | an error holds | error | warn | pass | not enough data |",
        "|:--|:--|:--|--:|--:|--:|--:|",
    ]
    for (check_id, check, blocks), found in sorted(counts.items()):
        cells = (found[status] for status in ("error", "warn", "pass", "insufficient_data"))
        lines.append(f"| {check_id} | `{check}` | {blocks} | {' | '.join(str(n) for n in cells)} |")
    return lines


def by_day(judged: Sequence[Night]) -> list[str]:
    """One line per run of nights on which a check said the same about the same subject."""
    spoken: dict[tuple[str, str, str], list[tuple[date, str]]] = defaultdict(list)
    for night in judged:
        for one in night.results:
            if one.status in SAID:
                spoken[one.check_id, one.subject, one.status].append((night.day, one.message))
    runs = []
    for (check_id, subject, status), days in spoken.items():
        run: list[tuple[date, str]] = []
        for day, message in days:
            if run and day - run[-1][0] > timedelta(days=1):
                runs.append((run[0][0], run[-1][0], status, check_id, subject, run[0][1]))
                run = []
            run.append((day, message))
        runs.append((run[0][0], run[-1][0], status, check_id, subject, run[0][1]))
    lines = ["| from | to | | check | subject | what it said first |", "|:--|:--|:--|:--|:--|:--|"]
    for start, end, status, check_id, subject, message in sorted(runs):
        lines.append(f"| {start} | {end} | {status} | {check_id} | {subject} | {message} |")
    return lines


def held(judged: Sequence[Night]) -> list[str]:
    """Say on how many nights tables and audiences would have been held back."""
    nights_held = {
        scope: [
            night.day
            for night in judged
            if any(
                one.blocks in blocking
                and (
                    one.status == "error" or (one.is_required and one.status == "insufficient_data")
                )
                for one in night.results
            )
        ]
        for scope, blocking in {
            "publication": {"publication"},
            "all activation": {"publication", "activation"},
        }.items()
    }
    return [
        f"- {scope}: {len(days)} of {len(judged)} nights"
        + (f" ({', '.join(str(day) for day in days)})" if 0 < len(days) <= 12 else "")
        for scope, days in nights_held.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--calibrate", choices=("quarterly", "monthly", "once"), default="quarterly"
    )
    parser.add_argument("--no-calendar", action="store_true", help="no day is known to be closed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--first", type=date.fromisoformat)
    parser.add_argument("--last", type=date.fromisoformat)
    arguments = parser.parse_args()
    orders = arguments.data.resolve() / "online_retail" / "online_retail.parquet"
    calendar = RULES / "calendar_days.csv" if arguments.no_calendar else CLOSED_DAYS
    replay = Replay(orders, arguments.calibrate, calendar)
    if arguments.first:
        judged = nights(replay, arguments.first, arguments.last or arguments.first)
    else:
        judged = in_parallel(replay, arguments.jobs)
    print(f"{len(judged)} nights, scorecards cut {arguments.calibrate}\n")
    print("\n".join([*held(judged), "", *by_check(judged), "", *by_day(judged)]))


if __name__ == "__main__":
    main()
