"""Puts rows, figures and words into the templates, which are the page's HTML, CSS and script.

Everything that comes from the data is escaped by the templates; scripts carry their hashes, so a
browser runs these and no other. What is shown is decided in the templates and in `findings`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from orchestration.report import (
    figures_audiences,
    figures_history,
    figures_today,
    findings,
    findings_audiences,
    findings_campaigns,
    words,
)
from orchestration.report.segments import Segments, known_segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orchestration.report.drawing import Chart
    from orchestration.report.queries import Contents

TEMPLATES = Path(__file__).parent / "templates"
# In JSON inside of HTML these would end the script or start a comment.
IN_SCRIPTS = str.maketrans(
    {character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
)


def rendered(contents: Contents, currency: str | None) -> str:
    """Render the page; the same contents give the same text."""
    segments = known_segments(
        [row for row in contents.definitions if row["kind"] == "segment"], contents.sizes
    )
    money = partial(words.money, currency=currency)
    charts = _charts(contents, segments, money)
    script, plotly = _own("page.js"), _trusted(get_plotlyjs())
    return (
        _environment()
        .get_template("page.html")
        .render(
            contents=contents,
            segments=segments,
            words=words,
            findings=findings,
            reach=findings_audiences,
            lift=findings_campaigns,
            reach_colours=figures_audiences.REACH_COLOURS,
            lift_units=figures_audiences.UNITS,
            causes=[
                (cause, figures_history.CAUSE_COLOURS[cause])
                for cause in figures_history.causes_in(contents.movement)
            ],
            period_name=figures_history.period_name,
            stages=_stage_labels(contents),
            money=money,
            amount=words.money,
            currency=currency,
            unit=f" ({currency})" if currency else "",
            charts={chart.name: chart for chart in charts},
            style=_own("page.css"),
            script=script,
            plotly=plotly,
            figures=_trusted(figures_json(charts)),
            script_hashes=[script_hash(plotly), script_hash(script)],
        )
    )


def figures_json(charts: Iterable[Chart]) -> str:
    """Write figures as JSON that can stand inside of a script element."""
    drawn = {}
    for chart in charts:
        figure = chart.figure.to_plotly_json()
        # The default look of Plotly; the page has its own.
        figure["layout"].pop("template", None)
        drawn[chart.name] = figure
    text = json.dumps(drawn, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.translate(IN_SCRIPTS)


def script_hash(script: str) -> str:
    """Name an inline script for the page's Content-Security-Policy (CSP level 2)."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _own(name: str) -> Markup:
    """Read a file of the page that is not a template."""
    return _trusted((TEMPLATES / name).read_text(encoding="utf-8"))


def _trusted(text: str) -> Markup:
    """Let a text through unescaped: a file of this package, or JSON made safe above."""
    return Markup(text)  # noqa: S704 - nothing of the data comes here unescaped


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for written in (
        *(words.count, words.percent, words.growth, words.number, words.decimal, words.times),
        *(words.day, words.short_day, words.month, words.days, words.plural, words.label),
        words.channel,
    ):
        environment.filters[written.__name__] = written
    return environment


def _charts(contents: Contents, segments: Segments, money: Callable[[Any], str]) -> list[Chart]:
    """Draw the figures that there is anything to draw for."""
    stages = _in_order_of_life(contents)
    moves = findings.moves(contents.migrations)
    charts = []
    if contents.sizes:
        charts.append(figures_today.sizes_chart(contents.sizes, segments, money))
    if contents.grid:
        charts.append(figures_today.grid_chart(contents.grid, segments, money))
    if len({row["date_day"] for row in contents.shares}) > 1:
        charts.append(figures_history.shares_chart(contents.shares, segments))
    if moves:
        charts.append(figures_history.moves_chart(moves, segments, money))
    if any(row["customers_moved"] for row in contents.movement):
        charts.append(figures_history.causes_chart(contents.movement))
    if stages:
        charts.append(figures_today.stages_chart(stages, _stage_labels(contents), money))
    if contents.next_week:
        charts.append(figures_today.next_week_chart(contents.next_week, segments, money))
    if any(row["segment"] == "all" for row in contents.performance):
        charts.append(figures_history.revenue_chart(contents.performance, segments, money))
    charts += figures_audiences.audience_charts(contents.audiences, money)
    return charts


def _stage_labels(contents: Contents) -> dict[str, str]:
    """Name every stage for people, in the order of a life."""
    return {
        row["lifecycle_stage"]: _definitions_of_stages(contents)
        .get(row["lifecycle_stage"], {})
        .get("label")
        or words.label(row["lifecycle_stage"])
        for row in _in_order_of_life(contents)
    }


def _in_order_of_life(contents: Contents) -> list[dict[str, Any]]:
    places = {name: row["rank"] or 0 for name, row in _definitions_of_stages(contents).items()}
    return sorted(
        contents.stages,
        key=lambda row: (places.get(row["lifecycle_stage"], 99), row["lifecycle_stage"]),
    )


def _definitions_of_stages(contents: Contents) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in contents.definitions if row["kind"] == "stage"}
