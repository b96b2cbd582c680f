"""Small tables in words: what a run shows about segments and moves, as Markdown.

Numbers come in, text goes out; reading them from the warehouse is the caller's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

BAR_WIDTH = 20


def bar(share: float, width: int = BAR_WIDTH) -> str:
    """Draw a share of one as a bar; whatever is not nothing can be seen."""
    return "█" * max(round(share * width), 1 if share > 0 else 0)


def segment_table(sizes: Sequence[tuple[str, int, Decimal | None]]) -> str:
    """Show customers and money by segment, widest bar for the biggest.

    Args:
        sizes: Segment, customers, money of each.
    """
    customers = sum(count for _, count, _ in sizes) or 1
    money = sum((amount or 0 for _, _, amount in sizes), 0) or 1
    biggest = max((count for _, count, _ in sizes), default=1) or 1
    lines = ["| segment | customers | share | | money |", "|:--|--:|--:|:--|--:|"]
    for segment, count, amount in sizes:
        lines.append(
            f"| {segment} | {count:,} | {count / customers:.1%} | {bar(count / biggest)} |"
            f" {float((amount or 0) / money):.1%} |"
        )
    return "\n".join(lines)


def moves_table(moves: Sequence[tuple[str, int, int]]) -> str:
    """Show how many customers changed segment, by cause.

    Args:
        moves: Cause, customers on the as-of date, customers in the 28 days up to it.
    """
    lines = ["| cause | that day | 28 days |", "|:--|--:|--:|"]
    lines += [f"| {cause} | {on_day:,} | {in_month:,} |" for cause, on_day, in_month in moves]
    return "\n".join(lines)
