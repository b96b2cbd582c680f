"""How numbers, days and terms are written for people who do not read tables.

Only formats and vocabulary; what is said about the numbers is decided in `report.findings`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import date

Number: TypeAlias = int | float | Decimal
NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
# Not from the locale of the machine: the same file must come out everywhere.
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
CAUSES = {
    "bought": "Ordered",
    "aged": "Time passed without an order",
    "window_exit": "An old order no longer counts",
    "recalibrated": "Score limits were renewed",
    "rules_changed": "Segment rules were changed",
    "corrected": "An order was corrected or refunded",
    "merged": "Accounts were merged",
}
# With these it was the yardstick that changed, not the customer.
DEFINITION_CAUSES = ("recalibrated", "rules_changed")
STATUSES = {
    "error": "Problem",
    "warn": "Look at this",
    "insufficient_data": "Too little data",
    "pass": "Fine",
}
EFFECTS = {
    "publication": "Holds the tables back",
    "activation": "Holds messages to customers back",
    "audience": "Holds one group of recipients back",
    "none": "For your information",
}
VERDICTS = {"pass": "Yes", "warn": "Hardly", "fail": "No", "unknown": "Not known"}
CRITERIA = {
    "measurable": "Can it be counted?",
    "accessible": "Can it be reached?",
    "substantial": "Is it big enough?",
    "differentiable": "Does it behave differently?",
    "homogeneous": "Are its customers alike?",
    "actionable": "Is there a plan for it?",
    "stable": "Does it last?",
}
# What becomes of candidates; why they are kept out stands in the order in which it is asked.
REACH = {
    "contactable": "Can be written to",
    "suppressed": "On a suppression list",
    "archived": "Did not answer the last message",
    "under_age": "Too young for ads",
    "no_consent": "No consent",
    "no_key": "No address or number",
    "over_cap": "Written to often enough",
    "held_out": "Held out to measure",
}
METRICS = {
    "visit": "Opened or clicked",
    "conversion": "Ordered",
    "revenue": "Money per customer",
    "retention": "Ordered again afterwards",
}
# The same inside of a sentence.
GAINS = {
    "visit": "opens",
    "conversion": "orders",
    "revenue": "money",
    "retention": "later orders",
}
LIFTS = {
    "more": "Brought more",
    "less": "Brought less",
    "no_difference": "Chance explains it",
    "unknown": "No verdict",
}
LACKS = {
    "no_holdout": "nobody is held out to compare with",
    "mismatched_arms": "the holdout is not as planned, so the arms may not be compared",
    "not_over": "its time is not over yet",
    "too_few_customers": "an arm has too few customers",
    "too_few_successes": "too few customers of an arm did so",
    "too_few_failures": "nearly all customers of an arm did so",
    "too_few_payers": "too few baskets make up the money of an arm",
}
FAIRNESS = {
    "adverse": "Passed over",
    "proxy": "Segments stand in for it",
    "hidden": "Hidden",
    "insufficient": "Too few to judge",
    "fair": "Fine",
    "reference": "Selected most",
}
ALL_CHANNELS = "*"


def count(value: Number | None) -> str:
    """Write a whole number with thousands separators."""
    return NOTHING if value is None else f"{value:,.0f}"


def percent(value: Number | None) -> str:
    """Write a share (0 to 1) with one decimal."""
    return NOTHING if value is None else f"{value:.1%}"


def growth(value: Number | None) -> str:
    """Write a relative change (0.1 is a tenth more) with its sign."""
    if value is None:
        return NOTHING
    return "±0.0%" if abs(value) < 0.0005 else f"{value:+.1%}".replace("-", MINUS)


def signed(value: Number, written: str, least: float = 0.005) -> str:
    """Put a sign before what was written without one; below `least` there is none to tell."""
    if abs(value) < least:
        return f"±{written}"
    return f"{'+' if value > 0 else MINUS}{written}"


def points(value: Number | None) -> str:
    """Write a difference of shares in percentage points, with its sign."""
    return NOTHING if value is None else signed(value, f"{abs(value) * 100:.1f}", least=0.0005)


def times(value: Number | None) -> str:
    """Write how many times one number is another, with two decimals."""
    return NOTHING if value is None else f"{value:,.2f}".replace("-", MINUS)


def money(value: Number | None, currency: str | None = None) -> str:
    """Write an amount; cents only where they matter."""
    if value is None:
        return NOTHING
    amount = f"{value:,.0f}" if abs(value) >= 100 or not value else f"{value:,.2f}"
    return f"{amount} {currency}" if currency else amount


def number(value: Number | None) -> str:
    """Write a measured value of unknown unit with three significant digits."""
    if value is None:
        return NOTHING
    if value != value or abs(value) == float("inf"):  # noqa: PLR0124 - only NaN differs from itself
        return "not a number"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1e}"


def decimal(value: Number | None) -> str:
    """Write an average with one decimal."""
    return NOTHING if value is None else f"{value:,.1f}"


def day(value: date | None) -> str:
    """Write a day in full."""
    return NOTHING if value is None else f"{value.day} {MONTHS[value.month - 1]} {value.year}"


def short_day(value: date | None) -> str:
    """Write a day briefly."""
    return NOTHING if value is None else f"{value.day} {MONTHS[value.month - 1][:3]} {value.year}"


def month(value: date) -> str:
    """Write the month of a day."""
    return f"{MONTHS[value.month - 1]} {value.year}"


def days(value: int) -> str:
    """Write a number of days."""
    return "1 day" if value == 1 else f"{value:,} days"


def plural(value: int, one: str, many: str) -> str:
    """Write a number with its noun."""
    return f"{value:,} {one if value == 1 else many}"


def channel(name: str | None) -> str:
    """Name a channel; the sign for all of them in words."""
    return "all channels together" if name == ALL_CHANNELS else name or NOTHING


def label(name: str | None) -> str:
    """Make a readable name of one that has no label of its own."""
    return (name or "none").replace("_", " ").capitalize()
