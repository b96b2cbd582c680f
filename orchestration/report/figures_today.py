"""The figures of the newest day: sizes, scores, stages and what comes next.

Pure functions from rows to Plotly figures with a text alternative; how figures look and labels
are made safe is in `report.drawing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from orchestration.report import drawing, words
from orchestration.report.drawing import Chart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestration.report.segments import Segments

    Row = Mapping[str, Any]
    Money = Callable[[Any], str]

MOST_PAIRS = 12


def sizes_chart(sizes: Sequence[Row], segments: Segments, money: Money) -> Chart:
    """Show the share of customers beside the share of money for every segment.

    Args:
        sizes: Rows with segment, customers and monetary.
        segments: Names, order and colours.
        money: Writes an amount.
    """
    rows = sorted(sizes, key=lambda row: -segments.place(row["segment"]))
    all_customers = sum(row["customers"] for row in rows) or 1
    all_money = sum(row["monetary"] or 0 for row in rows) or 1
    labels = [drawing.short_label(segments[row["segment"]].label) for row in rows]
    lines = list(range(len(rows)))
    fills = [segments[row["segment"]].fill for row in rows]
    of_money = [float((row["monetary"] or 0) / all_money) for row in rows]
    of_customers = [row["customers"] / all_customers for row in rows]
    figure = go.Figure(layout=drawing.base_layout(barmode="group", bargap=0.32, bargroupgap=0.08))
    figure.add_bar(
        name="Share of money",
        orientation="h",
        y=lines,
        x=of_money,
        text=[words.percent(share) for share in of_money],
        marker={"color": fills},
        customdata=[
            f"<b>{label}</b><br>{money(row['monetary'])} ({words.percent(share)} of all money)"
            for label, row, share in zip(labels, rows, of_money, strict=True)
        ],
    )
    figure.add_bar(
        name="Share of customers",
        orientation="h",
        y=lines,
        x=of_customers,
        text=[words.percent(share) for share in of_customers],
        marker={
            "color": fills,
            "line": {"color": fills, "width": 1},
            "pattern": {"shape": "/", "size": 5, "fillmode": "replace", "solidity": 0.35},
        },
        customdata=[
            f"<b>{label}</b><br>{words.count(row['customers'])} customers"
            f" ({words.percent(share)} of all)"
            for label, row, share in zip(labels, rows, of_customers, strict=True)
        ],
    )
    figure.update_traces(textposition="outside", cliponaxis=False, hovertemplate=drawing.HOVER)
    drawing.show_lengths(figure, [*of_money, *of_customers], room=1.18)
    drawing.name_lines(figure, labels)
    told = "; ".join(
        f"{segments[row['segment']].label} {words.percent(share)} of customers,"
        f" {words.percent(worth)} of money"
        for row, share, worth in reversed(list(zip(rows, of_customers, of_money, strict=True)))
    )
    return Chart("chart-sizes", figure, f"Bars of every segment: {told}.", 60 + 52 * len(rows))


def grid_chart(grid: Sequence[Row], segments: Segments, money: Money) -> Chart:
    """Show how many customers have which scores of recency and frequency.

    Args:
        grid: Rows with r_score, f_score, customers, monetary, main_segment.
        segments: Names, order and colours.
        money: Writes an amount.
    """
    cells = {(row["r_score"], row["f_score"]): row for row in grid}
    scores = range(1, 6)

    def hover(r_score: int, f_score: int) -> str:
        row = cells.get((r_score, f_score))
        head = f"<b>Recency {r_score}, frequency {f_score}</b><br>"
        if row is None:
            return f"{head}nobody"
        return (
            f"{head}{words.plural(row['customers'], 'customer', 'customers')},"
            f" {money(row['monetary'])}<br>mostly"
            f" {drawing.short_label(segments[row['main_segment']].label)}"
        )

    counts = [[cells[r, f]["customers"] if (r, f) in cells else 0 for f in scores] for r in scores]
    # Roots, because one crowded cell would leave all others pale.
    figure = go.Figure(
        go.Heatmap(
            x=["1<br>rarely", "2", "3", "4", "5<br>often"],
            y=["1 long ago", "2", "3", "4", "5 recently"],
            z=[[value**0.5 for value in line] for line in counts],
            text=[[words.count(value) if value else "" for value in line] for line in counts],
            texttemplate="%{text}",
            textfont={"color": "var(--ink)"},
            colorscale=[[0, "var(--heat-low)"], [1, "var(--heat)"]],
            showscale=False,
            xgap=3,
            ygap=3,
            customdata=[[hover(r, f) for f in scores] for r in scores],
            hovertemplate=drawing.HOVER,
        ),
        layout=drawing.base_layout(),
    )
    figure.update_xaxes(
        type="category", title={"text": "How often they order", "standoff": 10}, showgrid=False
    )
    figure.update_yaxes(
        type="category", title={"text": "When they last ordered", "standoff": 14}, showgrid=False
    )
    most = max(grid, key=lambda row: row["customers"])
    summary = (
        "A grid of five recency scores by five frequency scores with the customers in each cell."
        f" Most customers, {words.count(most['customers'])}, have recency {most['r_score']} and"
        f" frequency {most['f_score']}."
    )
    return Chart("chart-grid", figure, summary, 400)


def stages_chart(stages: Sequence[Row], labels: Mapping[str, str], money: Money) -> Chart:
    """Show the customers in every stage of the lifecycle.

    Args:
        stages: Rows with lifecycle_stage, customers, monetary in the order of a life.
        labels: Names of stages for people.
        money: Writes an amount.
    """
    rows = list(reversed(stages))
    everybody = sum(row["customers"] for row in rows) or 1
    names = [drawing.short_label(labels[row["lifecycle_stage"]]) for row in rows]
    figure = go.Figure(
        go.Bar(
            orientation="h",
            y=list(range(len(rows))),
            x=[row["customers"] for row in rows],
            text=[
                f"{words.count(row['customers'])} · {words.percent(row['customers'] / everybody)}"
                for row in rows
            ],
            textposition="outside",
            cliponaxis=False,
            marker={"color": "var(--accent)"},
            customdata=[
                f"<b>{name}</b><br>{words.count(row['customers'])} customers,"
                f" {money(row['monetary'])}"
                for name, row in zip(names, rows, strict=True)
            ],
            hovertemplate=drawing.HOVER,
        ),
        layout=drawing.base_layout(bargap=0.35),
    )
    drawing.show_lengths(figure, [row["customers"] for row in rows], room=1.32)
    drawing.name_lines(figure, names)
    told = ", ".join(
        f"{words.count(row['customers'])} {labels[row['lifecycle_stage']].lower()}"
        for row in stages
    )
    return Chart("chart-stages", figure, f"Customers by stage: {told}.", 50 + 36 * len(rows))


def next_week_chart(pairs: Sequence[Row], segments: Segments, money: Money) -> Chart:
    """Show who moves within a week if nothing happens, the pairs with the most money first.

    Args:
        pairs: Rows with segment, next_segment, customers, monetary.
        segments: Names, order and colours.
        money: Writes an amount.
    """
    rows = list(reversed(pairs[:MOST_PAIRS]))
    names = [
        f"{drawing.short_label(segments[row['segment']].label)} →<br>"
        f"{drawing.short_label(segments[row['next_segment']].label)}"
        for row in rows
    ]
    figure = go.Figure(
        go.Bar(
            orientation="h",
            y=list(range(len(rows))),
            x=[float(row["monetary"] or 0) for row in rows],
            text=[f"{money(row['monetary'])} · {words.count(row['customers'])}" for row in rows],
            textposition="outside",
            cliponaxis=False,
            marker={"color": [segments[row["segment"]].fill for row in rows]},
            customdata=[
                f"<b>{name.replace('<br>', ' ')}</b><br>"
                f"{words.plural(row['customers'], 'customer', 'customers')} with"
                f" {money(row['monetary'])}"
                for name, row in zip(names, rows, strict=True)
            ],
            hovertemplate=drawing.HOVER,
        ),
        layout=drawing.base_layout(bargap=0.4),
    )
    drawing.show_lengths(figure, [float(row["monetary"] or 0) for row in rows], room=1.5)
    drawing.name_lines(figure, names)
    told = "; ".join(
        f"{row['customers']:,} from {segments[row['segment']].label} to"
        f" {segments[row['next_segment']].label}, {money(row['monetary'])}"
        for row in pairs[:3]
    )
    summary = f"Moves of the next seven days if nobody orders. Most money: {told}."
    return Chart("chart-next-week", figure, summary, 50 + 48 * len(rows))
