"""The figures of days gone by: shares, moves, their causes and revenue.

Pure functions from rows to Plotly figures with a text alternative; how figures look and labels
are made safe is in `report.drawing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from orchestration.report import drawing, words
from orchestration.report.drawing import Chart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from orchestration.report.segments import Segments

    Row = Mapping[str, Any]
    Money = Callable[[Any], str]

CAUSE_COLOURS = {
    "bought": "--cause-bought",
    "aged": "--cause-aged",
    "window_exit": "--cause-window",
    "recalibrated": "--cause-recalibrated",
    "rules_changed": "--cause-rules",
    "corrected": "--cause-corrected",
    "merged": "--cause-merged",
}


def shares_chart(shares: Sequence[Row], segments: Segments) -> Chart:
    """Show the share of customers of every segment over time, stacked.

    Args:
        shares: Rows with date_day, segment, customers, customer_share, in the order of days.
        segments: Names, order and colours.
    """
    found = {(row["date_day"], row["segment"]): row for row in shares}
    all_days = list(dict.fromkeys(row["date_day"] for row in shares))
    names = sorted({row["segment"] for row in shares}, key=segments.place, reverse=True)
    figure = go.Figure(layout=drawing.base_layout(hovermode="x unified"))
    for name in names:
        rows = [found.get((date_day, name), {}) for date_day in all_days]
        label = drawing.short_label(segments[name].label)
        figure.add_scatter(
            name=label,
            x=[date_day.isoformat() for date_day in all_days],
            y=[float(row.get("customer_share") or 0) for row in rows],
            stackgroup="all",
            mode="lines",
            line={"width": 0.8, "color": "var(--card)"},
            fillcolor=segments[name].fill,
            customdata=[
                f"{label} {words.percent(row.get('customer_share'))}"
                f" ({words.count(row.get('customers'))})"
                for row in rows
            ],
            hovertemplate=drawing.HOVER,
        )
    figure.update_xaxes(showgrid=False, nticks=8, hoverformat="%-d %b %Y", ticks="outside")
    figure.update_yaxes(tickformat=".0%", range=[0, 1])
    changes = "; ".join(
        f"{segments[name].label} from"
        f" {words.percent(found.get((all_days[0], name), {}).get('customer_share'))} to"
        f" {words.percent(found.get((all_days[-1], name), {}).get('customer_share'))}"
        for name in reversed(names)
    )
    summary = (
        f"Shares of customers from {words.day(all_days[0])} to {words.day(all_days[-1])}:"
        f" {changes}."
    )
    return Chart("chart-shares", figure, summary, 360)


def moves_chart(moves: Sequence[Row], segments: Segments, money: Money) -> Chart:
    """Show the flows between segments as a Sankey diagram, without those who stayed.

    Args:
        moves: Rows with from_segment, to_segment, customers, monetary; both segments are known.
        segments: Names, order and colours.
        money: Writes an amount.
    """
    sources = sorted({row["from_segment"] for row in moves}, key=segments.place)
    targets = sorted({row["to_segment"] for row in moves}, key=segments.place)
    left = {name: place for place, name in enumerate(sources)}
    right = {name: len(sources) + place for place, name in enumerate(targets)}
    names = [*sources, *targets]
    figure = go.Figure(
        go.Sankey(
            arrangement="fixed",
            node={
                "label": [drawing.short_label(segments[name].label) for name in names],
                "color": [segments[name].fill for name in names],
                "x": [0.001] * len(sources) + [0.999] * len(targets),
                "y": _places(sources, moves, "from_segment")
                + _places(targets, moves, "to_segment"),
                "pad": 14,
                "thickness": 14,
                "line": {"width": 0},
                "hovertemplate": "%{label}: %{value:,.0f} customers<extra></extra>",
            },
            link={
                "source": [left[row["from_segment"]] for row in moves],
                "target": [right[row["to_segment"]] for row in moves],
                "value": [row["customers"] for row in moves],
                "color": [f"var({segments[row['from_segment']].colour}-soft)" for row in moves],
                "customdata": [
                    f"<b>{drawing.short_label(segments[row['from_segment']].label)} →"
                    f" {drawing.short_label(segments[row['to_segment']].label)}</b><br>"
                    f"{words.plural(row['customers'], 'customer', 'customers')},"
                    f" {money(row['monetary'])}"
                    for row in moves
                ],
                "hovertemplate": drawing.HOVER,
            },
        ),
        layout=drawing.base_layout(),
    )
    largest = sorted(moves, key=lambda row: -row["customers"])[:3]
    told = "; ".join(
        f"{row['customers']:,} from {segments[row['from_segment']].label} to"
        f" {segments[row['to_segment']].label}"
        for row in largest
    )
    summary = f"Flows of customers between segments. The largest: {told}."
    return Chart("chart-moves", figure, summary, 120 + 46 * max(len(sources), len(targets)))


def causes_chart(movement: Sequence[Row]) -> Chart:
    """Show the share of customers who changed segment in each period, by cause.

    Args:
        movement: Rows with period_start, period_end, is_complete, customers_at_start and a
            `moved_` column for every cause, oldest first.
    """
    figure = go.Figure(layout=drawing.base_layout(barmode="stack", bargap=0.3))
    rows = [row for row in movement if row["customers_at_start"]]
    for cause in causes_in(rows):
        moved = [row[f"moved_{cause}"] or 0 for row in rows]
        shares = [
            number / row["customers_at_start"] for number, row in zip(moved, rows, strict=True)
        ]
        is_definition = cause in words.DEFINITION_CAUSES
        figure.add_bar(
            name=words.CAUSES[cause],
            x=[period_name(row) for row in rows],
            y=shares,
            marker={
                "color": f"var({CAUSE_COLOURS[cause]})",
                "pattern": {"shape": "/" if is_definition else "", "size": 6, "solidity": 0.6},
            },
            customdata=[
                f"<b>{period_name(row)}</b><br>{words.CAUSES[cause]}:"
                f" {words.plural(number, 'customer', 'customers')} ({words.percent(share)})"
                for number, share, row in zip(moved, shares, rows, strict=True)
            ],
            hovertemplate=drawing.HOVER,
        )
    figure.update_xaxes(type="category", showgrid=False, tickangle=-40, nticks=13)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero", nticks=6)
    told = "; ".join(f"{period_name(row)} {words.percent(row['share_moved'])}" for row in rows)
    summary = f"Share of customers who changed segment, by cause. In all: {told}."
    return Chart("chart-causes", figure, summary, 340)


def causes_in(movement: Iterable[Row]) -> list[str]:
    """Name the causes that moved anybody; ordering and time always."""
    rows = list(movement)
    return [
        cause
        for cause in words.CAUSES
        if cause in {"bought", "aged"} or any(row[f"moved_{cause}"] for row in rows)
    ]


def period_name(row: Row) -> str:
    """Name a month, or a week by its first day."""
    start = row["period_start"]
    name = (
        f"{words.MONTHS[start.month - 1][:3]} {start.year}"
        if row.get("period", "month") == "month"
        else f"{start.day} {words.MONTHS[start.month - 1][:3]}"
    )
    return name if row["is_complete"] else f"{name} *"


def revenue_chart(performance: Sequence[Row], segments: Segments, money: Money) -> Chart:
    """Show the revenue of every month by the segment that customers began the month in.

    Args:
        performance: Rows with period_start, segment, revenue, is_complete; the row `all` has the
            revenue of everybody, first orders included.
        segments: Names, order and colours.
        money: Writes an amount.
    """
    found = {(row["period_start"], row["segment"]): row for row in performance}
    totals = [row for row in performance if row["segment"] == "all"]
    months = [period_name(row) for row in totals]
    names = sorted(
        {row["segment"] for row in performance} - {"all"}, key=segments.place, reverse=True
    )
    figure = go.Figure(layout=drawing.base_layout(barmode="relative", bargap=0.3))

    def add(label: str, fill: str, values: Sequence[float]) -> None:
        figure.add_bar(
            name=label,
            x=months,
            y=values,
            marker={"color": fill},
            customdata=[
                f"<b>{month}</b><br>{label}: {money(value)}"
                for month, value in zip(months, values, strict=True)
            ],
            hovertemplate=drawing.HOVER,
        )

    stacked = [0.0] * len(totals)
    for name in names:
        values = [
            float(found.get((row["period_start"], name), {}).get("revenue") or 0) for row in totals
        ]
        stacked = [below + value for below, value in zip(stacked, values, strict=True)]
        add(drawing.short_label(segments[name].label), segments[name].fill, values)
    # What is left was spent by people who had no segment yet when the month began.
    rest = [float(row["revenue"] or 0) - below for row, below in zip(totals, stacked, strict=True)]
    add("First orders", "var(--segment-none)", [round(value, 2) for value in rest])
    figure.update_xaxes(type="category", showgrid=False, tickangle=-40, nticks=13)
    figure.update_yaxes(tickformat="~s", nticks=6)
    told = "; ".join(f"{period_name(row)} {money(row['revenue'])}" for row in totals)
    return Chart("chart-revenue", figure, f"Revenue per month by segment. In all: {told}.", 360)


def _places(names: Sequence[str], moves: Sequence[Row], side: str) -> list[float]:
    """Put nodes one below the other: Plotly wants the middle of each, from 0 to 1."""
    sizes = [sum(row["customers"] for row in moves if row[side] == name) for name in names]
    gap = 0.03
    scale = (1 - gap * (len(names) - 1)) / (sum(sizes) or 1)
    places, top = [], 0.0
    for size in sizes:
        places.append(min(0.999, max(0.001, top + size * scale / 2)))
        top += size * scale + gap
    return places
