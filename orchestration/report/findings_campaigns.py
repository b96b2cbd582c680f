"""What the report says about campaigns: what they brought, and why nothing can be said of others.

Pure functions over the rows of `campaign_lift` and `holdout_checks`; verdicts stand in these rows
already and none is made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from orchestration.report import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from orchestration.report.queries_audiences import Audiences

    Row: TypeAlias = Mapping[str, Any]
    Money: TypeAlias = Callable[[Any], str]

DECIDED = ("more", "less", "no_difference")
RATES = ("visit", "conversion", "retention")
MONEY = ("revenue",)
# More than these are folded away, and of more lines a figure shows those with a verdict first.
MOST_CAMPAIGNS = 8
MOST_LINES = 24
PROVEN = {"more": "worked", "less": "did harm"}
# While a campaign runs, or when its arms are not as planned, a difference is not to be looked at.
NOT_COMPARABLE = ("no_holdout", "mismatched_arms", "not_over")


@dataclass(frozen=True)
class Campaign:
    """A campaign as the page tells of it.

    Attributes:
        name: what the tables call it.
        audience: whom it is for; None if it does not say.
        lifts: its metrics in the order of the glossary; none before it begins.
        ratio: the check of the shares of its arms; empty if there is none.
        powers: what the holdout is able to show, per metric.
        warnings: what else its checks found.
    """

    name: str
    audience: str | None
    lifts: tuple[Row, ...]
    ratio: Row
    powers: Mapping[str, Row]
    warnings: tuple[str, ...]

    @property
    def is_checked(self) -> bool:
        """Tell whether there are arms to be checked."""
        return self.ratio.get("verdict") in {"pass", "warn"}

    @property
    def silences(self) -> list[str]:
        """Say why there is no verdict, a sentence per reason; nothing where all have one."""
        if self.ratio.get("verdict") == "unknown":
            return [f"No verdict is possible. {self.ratio['message']}"]
        if not self.lifts:
            return ["No verdict yet: it has not begun."]
        reasons: dict[str, list[str]] = {}
        for row in self.lifts:
            if row["verdict"] not in DECIDED:
                why = words.LACKS.get(row["lack"] or "", "nothing varies")
                reasons.setdefault(why, []).append(row["metric"])
        return [
            f"No verdict: {why}."
            if len(metrics) == len(self.lifts)
            else f"No verdict on {_listed(words.GAINS[metric] for metric in metrics)}: {why}."
            for why, metrics in reasons.items()
        ]

    def power(self, metric: str) -> Row:
        """Look up what the holdout can show; of what is not known there is None."""
        unknown = dict.fromkeys(("expected", "effect", "relative_effect"))
        return self.powers.get(metric, {"subject": metric, **unknown})

    @property
    def is_mismatched(self) -> bool:
        """Tell whether other shares are held out than were planned."""
        return self.ratio.get("verdict") == "warn"


def campaigns(audiences: Audiences) -> list[Campaign]:
    """Gather what is known of every campaign, by name."""
    names = {row["campaign_id"] for row in (*audiences.lifts, *audiences.holdouts)}
    return [_campaign(name, audiences) for name in sorted(names)]


def verdict(row: Row) -> str:
    """Say in words what the arms show."""
    return words.LIFTS.get(row["verdict"], words.LIFTS["unknown"])


def change(row: Row, money: Money) -> str:
    """Write the difference between the arms: points of a share, or money per customer."""
    return _change(row["metric"], row["difference"], money) + _unit(row["metric"])


def interval(row: Row, money: Money) -> str:
    """Write the limits of the difference; empty if they are not known."""
    if row["difference_low"] is None or row["difference_high"] is None:
        return ""
    low, high = (
        _change(row["metric"], row[limit], money) for limit in ("difference_low", "difference_high")
    )
    return f"{low} to {high}"


def arm_value(row: Row, arm: str, money: Money) -> str:
    """Write what an arm did: a share, or money per customer."""
    value = row[f"{arm}_value"]
    return money(value) if row["metric"] in MONEY else words.percent(value)


def smallest_rise(row: Row, money: Money) -> str:
    """Write the smallest rise that a holdout can show, as one of its checks has it."""
    if row["effect"] is None:
        return words.NOTHING if row["expected"] is None else "none"
    return _change(row["subject"], row["effect"], money) + _unit(row["subject"])


def comparable(lifts: Iterable[Row], metrics: Sequence[str]) -> list[Row]:
    """Choose the comparisons that may be looked at, of metrics of one unit."""
    return [
        row
        for row in lifts
        if row["metric"] in metrics
        and row["lack"] not in NOT_COMPARABLE
        and None not in (row["difference"], row["difference_low"], row["difference_high"])
    ]


def drawn(lifts: Iterable[Row], metrics: Sequence[str]) -> list[Row]:
    """Choose those that a figure has room for, by campaign and metric."""
    rows = sorted(comparable(lifts, metrics), key=lambda row: row["verdict"] not in DECIDED)
    return sorted(
        rows[:MOST_LINES], key=lambda row: (row["campaign_id"], metrics.index(row["metric"]))
    )


def about_campaigns(audiences: Audiences, money: Money) -> list[str]:
    """Say what campaigns are proven to have brought, and which holdouts are not as planned."""
    found = campaigns(audiences)
    proven = [
        f"“{campaign.name}” {PROVEN[row['verdict']]}: {words.GAINS[row['metric']]}"
        f" {change(row, money)} against those held out{_within(row, money)}."
        for campaign in found
        for row in campaign.lifts
        if row["verdict"] in PROVEN
    ]
    mismatched = [
        f"The holdout of “{campaign.name}” is not as planned"
        f" ({words.percent(campaign.ratio['found'])} instead of"
        f" {words.percent(campaign.ratio['expected'])}), so what it brought cannot be told."
        for campaign in found
        if campaign.is_mismatched
    ]
    return [*mismatched, *proven]


def _campaign(name: str, audiences: Audiences) -> Campaign:
    lifts = [row for row in audiences.lifts if row["campaign_id"] == name]
    checks = [row for row in audiences.holdouts if row["campaign_id"] == name]
    return Campaign(
        name=name,
        audience=next((row["audience"] for row in (*checks, *lifts) if row["audience"]), None),
        lifts=tuple(row for metric in words.METRICS for row in lifts if row["metric"] == metric),
        ratio=next((row for row in checks if row["check_name"] == "sample_ratio"), {}),
        powers={row["subject"]: row for row in checks if row["check_name"] == "power"},
        warnings=tuple(
            row["message"]
            for row in checks
            if row["verdict"] == "warn" and row["check_name"] in {"balance", "contacts"}
        ),
    )


def _change(metric: str, value: Any, money: Money) -> str:
    if metric not in MONEY:
        return words.points(value)
    return words.NOTHING if value is None else words.signed(value, money(abs(value)))


def _unit(metric: str) -> str:
    return "" if metric in MONEY else " points"


def _within(row: Row, money: Money) -> str:
    limits = interval(row, money)
    return f" ({limits})" if limits else ""


def _listed(names: Iterable[str]) -> str:
    """Join names as a sentence does."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
