"""What all figures of the report share: their look, their labels and how the page gets them.

Colours are names of CSS variables; the page gives them their values for light, dark and paper.
Texts that come from data are escaped here, because Plotly reads labels as HTML. What is drawn is
in `figures_today` and `figures_history`.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import plotly.graph_objects as go

LONGEST_LABEL = 28
# The text of a hover box is written beforehand, number by number.
HOVER = "%{customdata}<extra></extra>"


@dataclass(frozen=True)
class Chart:
    """A figure as the page places it.

    Attributes:
        name: its id on the page.
        figure: what Plotly draws, with `var(--name)` for colours.
        summary: what it shows, in a sentence or two, for those who do not see it.
        height: in pixels.
    """

    name: str
    figure: go.Figure
    summary: str
    height: int


def show_lengths(figure: go.Figure, values: Sequence[float], room: float) -> None:
    """Hide the axis of lying bars and leave room for the numbers at their ends."""
    least, most = min([0, *values]), max([0, *values])
    figure.update_xaxes(range=[least * room, (most or 1) * room], visible=False)
    figure.update_layout(meta={"has_numbers_at_ends": True})


def name_lines(figure: go.Figure, labels: Sequence[str]) -> None:
    """Write a label beside each lying bar; by place, because two may read the same."""
    figure.update_yaxes(showgrid=False, tickvals=list(range(len(labels))), ticktext=labels)


def short_label(text: str) -> str:
    """Make a text of the data safe and short enough for a figure."""
    flat = " ".join(text.split())
    short = flat if len(flat) <= LONGEST_LABEL else f"{flat[: LONGEST_LABEL - 1].rstrip()}…"
    return html.escape(short, quote=False)


def base_layout(**more: Any) -> dict[str, Any]:
    """Lay out what all figures share: no background, the page's colours, nothing to drag."""
    axis = {
        "automargin": True,
        "fixedrange": True,
        "gridcolor": "var(--line)",
        "linecolor": "var(--line)",
        "zeroline": False,
        "tickcolor": "var(--line)",
    }
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12.5, "color": "var(--ink)"},
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": axis,
        "yaxis": dict(axis),
        "hoverlabel": {
            "bgcolor": "var(--card)",
            "bordercolor": "var(--line)",
            "font": {"color": "var(--ink)"},
            "align": "left",
        },
        "showlegend": False,
        "dragmode": False,
        "autosize": True,
        "meta": {"has_numbers_at_ends": False},
        **more,
    }
