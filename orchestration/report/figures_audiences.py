"""The figures of activation: whom audiences reach, and what campaigns brought.

Pure functions from rows to Plotly figures with a text alternative; how figures look and labels
are made safe is in `report.drawing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from orchestration.report import drawing, findings_audiences, findings_campaigns, words
from orchestration.report.drawing import Chart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestration.report.queries_audiences import Audiences

    Row = Mapping[str, Any]
    Money = Callable[[Any], str]

UNITS = {"chart-lift": findings_campaigns.RATES, "chart-lift-money": findings_campaigns.MONEY}
REACH_COLOURS = {outcome: f"--reach-{outcome.replace('_', '-')}" for outcome in words.REACH}
# Shape and colour say the same, for those who do not tell colours apart.
MARKS = {
    "more": ("triangle-right", "var(--good)"),
    "less": ("triangle-left", "var(--bad)"),
    "no_difference": ("circle", "var(--muted)"),
    "unknown": ("circle-open", "var(--muted)"),
}


def audience_charts(audiences: Audiences, money: Money) -> list[Chart]:
    """Draw the figures that there is anything to draw for."""
    if findings_audiences.obstacle(audiences):
        return []
    charts = [reach_chart([row for row in audiences.in_force if row["candidates"]])]
    for name, metrics in UNITS.items():
        lifts = findings_campaigns.drawn(audiences.lifts, metrics)
        if lifts:
            charts.append(lift_chart(name, lifts, money))
    return charts


def reach_chart(reach: Sequence[Row]) -> Chart:
    """Show what becomes of the candidates of each audience, as shares that make up the whole.

    Args:
        reach: Rows with name, candidates (not 0) and a number per outcome, first priority first.
    """
    rows = list(reversed(reach))
    lines = list(range(len(rows)))
    labels = [drawing.short_label(row["name"] or words.label(row["audience"])) for row in rows]
    figure = go.Figure(layout=drawing.base_layout(barmode="stack", bargap=0.4))
    for outcome in findings_audiences.outcomes(rows):
        shares = [(row[outcome] or 0) / row["candidates"] for row in rows]
        figure.add_bar(
            name=words.REACH[outcome],
            orientation="h",
            y=lines,
            x=shares,
            marker={
                "color": f"var({REACH_COLOURS[outcome]})",
                "line": {"color": "var(--card)", "width": 1},
            },
            customdata=[
                f"<b>{label}</b><br>{words.REACH[outcome]}: {words.count(row[outcome] or 0)} of"
                f" {words.count(row['candidates'])} ({words.percent(share)})"
                for label, row, share in zip(labels, rows, shares, strict=True)
            ],
            hovertemplate=drawing.HOVER,
        )
    figure.update_xaxes(range=[0, 1], visible=False)
    drawing.name_lines(
        figure,
        [
            f"{label}<br>{words.count(row['contactable'])} of {words.count(row['candidates'])}"
            for label, row in zip(labels, rows, strict=True)
        ],
    )
    told = "; ".join(
        f"{row['name']} {words.count(row['contactable'])} of {words.count(row['candidates'])}"
        for row in reach
    )
    summary = f"Customers who can be written to of those whom each audience describes: {told}."
    return Chart("chart-reach", figure, summary, 40 + 46 * len(rows))


def lift_chart(name: str, lifts: Sequence[Row], money: Money) -> Chart:
    """Show differences between arms with their intervals, one below the other.

    Args:
        name: The id of the figure.
        lifts: Rows of one unit, with campaign_id, metric, difference and its limits, verdict.
        money: Writes an amount.
    """
    rows = list(reversed(lifts))
    is_money = rows[0]["metric"] in findings_campaigns.MONEY
    values, low, high = (
        [float(row[column]) * (1 if is_money else 100) for row in rows]
        for column in ("difference", "difference_low", "difference_high")
    )
    marks = [MARKS.get(row["verdict"], MARKS["unknown"]) for row in rows]
    figure = go.Figure(layout=drawing.base_layout())
    figure.add_scatter(
        mode="markers",
        x=values,
        y=list(range(len(rows))),
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [top - value for top, value in zip(high, values, strict=True)],
            "arrayminus": [value - bottom for bottom, value in zip(low, values, strict=True)],
            "color": "var(--muted)",
            "thickness": 1.6,
            "width": 5,
        },
        marker={
            "size": 12,
            "symbol": [symbol for symbol, _ in marks],
            "color": [colour for _, colour in marks],
            "line": {"width": 2, "color": [colour for _, colour in marks]},
        },
        customdata=[
            f"<b>{drawing.short_label(row['campaign_id'])}</b><br>{words.METRICS[row['metric']]}:"
            f" {findings_campaigns.change(row, money)} ({findings_campaigns.interval(row, money)})"
            f"<br>{findings_campaigns.verdict(row)}"
            for row in rows
        ],
        hovertemplate=drawing.HOVER,
    )
    figure.add_vline(x=0, line={"color": "var(--ink)", "width": 1, "dash": "dot"})
    figure.update_xaxes(nticks=8, tickangle=0)
    figure.update_yaxes(range=[-0.6, len(rows) - 0.4])
    drawing.name_lines(
        figure,
        [
            drawing.short_label(row["campaign_id"])
            + ("" if is_money else f"<br>{words.GAINS[row['metric']].capitalize()}")
            for row in rows
        ],
    )
    told = "; ".join(
        f"{row['campaign_id']}, {words.METRICS[row['metric']].lower()}:"
        f" {findings_campaigns.change(row, money)} ({findings_campaigns.interval(row, money)}),"
        f" {findings_campaigns.verdict(row).lower()}"
        for row in lifts
    )
    summary = f"What those who were to get the message did more than those held out: {told}."
    return Chart(name, figure, summary, 60 + 44 * len(rows))
