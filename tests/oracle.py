"""An independent scorer: what every label should be on every day, the slow and plain way.

Written from the definitions in words, in exact numbers, one day and one customer at a time. It
shares nothing with the SQL models and must stay that way: its only use is to disagree with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cache, cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.worlds import Order, Row, World

END = date(9999, 12, 31)
DAY = timedelta(days=1)
METRICS = ("recency", "frequency", "monetary")


@dataclass(frozen=True)
class Event:
    """Something dated that adds to frequency or money; `customer` is the id it came under."""

    customer: str
    day: date
    counted: bool
    money: Decimal


@dataclass(frozen=True)
class State:
    first_order: date
    last_order: date
    returns: tuple[tuple[date, int], ...]  # order dates with the silence in days they ended
    orders: int
    monetary: Decimal


@dataclass(frozen=True)
class Label:
    r_score: int
    f_score: int
    m_score: int
    segment: str | None
    lifecycle_stage: str
    first_order_date: date
    last_order_date: date
    orders: int
    monetary: Decimal


@dataclass(frozen=True)
class Scorecard:
    scorecard_id: str
    cuts: dict[str, list[Fraction]]
    population: int | None


@dataclass(frozen=True)
class Rules:
    ruleset_id: str
    segment_rules: list[Row]
    stages: list[Row]


@dataclass(frozen=True)
class Interval:
    customer_id: str
    valid_from: date
    valid_to: date
    label: Label
    cause: str
    scorecard_id: str
    ruleset_id: str
    is_projected: bool


class Oracle:
    """Answers about one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.as_of = world.as_of
        self.settings = world.settings
        self.merges = {
            merge.customer_id: merge
            for merge in world.merges
            if merge.merge_date is None or merge.merge_date <= world.as_of
        }
        self.events = self._events()
        # Methods are cached by instance; a world is small and lives for one test.
        for name in ("state", "label", "owner", "scorecard", "rules", "first_eligible_day"):
            setattr(self, name, cache(getattr(self, name)))

    # What happened

    def is_counted(self, order: Order) -> bool:
        kind = self.world.status_kinds[order.status]
        if kind == "cancelled":
            return False
        if order.amount == 0:
            return kind == "counted" and bool(self.settings["count_zero_value_orders"])
        return True

    def order_money(self, order: Order) -> Decimal:
        if self.world.status_kinds[order.status] == "cancelled":
            return Decimal(0)
        return {
            "gross": order.amount,
            "net": order.amount - order.refunded_amount,
            "margin": order.amount - order.refunded_amount - order.cost,
        }[self.settings["monetary_measure"]]

    def _events(self) -> list[Event]:
        known = {order.order_id: order for order in self.world.orders}
        left = {order.order_id: order.amount - order.refunded_amount for order in known.values()}
        found = [
            Event(o.customer_id, o.ordered_at, self.is_counted(o), self.order_money(o))
            for o in known.values()
        ]
        for refund in sorted(self.world.refunds, key=lambda one: (one.refund_date, one.refund_id)):
            order = known.get(refund.order_id)
            if order is None or refund.amount > left[refund.order_id]:
                continue  # rejected whole
            left[refund.order_id] -= refund.amount
            if self.settings["monetary_measure"] != "gross":
                found.append(Event(order.customer_id, refund.refund_date, False, -refund.amount))
        return [
            event
            for event in found
            if event.day <= self.as_of and (event.counted or event.money != 0)
        ]

    # Who it belongs to

    def owner(self, customer: str, day: date) -> str:
        """Customer that the orders of this id belong to, as known on the day."""
        merge = self.merges.get(customer)
        if merge is None or (merge.merge_date is not None and day < merge.merge_date):
            return customer
        return self.owner(merge.merged_into, day)

    def events_of(self, customer: str, day: date) -> list[Event]:
        return [
            event
            for event in self.events
            if event.day <= day and self.owner(event.customer, day) == customer
        ]

    def merged_away_on(self, customer: str) -> date | None:
        """Day from which the customer is no more; the first of all days without a merge date."""
        merge = self.merges.get(customer)
        return None if merge is None else merge.merge_date or date.min

    @cached_property
    def customers(self) -> list[str]:
        ids = {event.customer for event in self.events}
        ids |= {merge.merged_into for merge in self.merges.values()}
        return sorted(ids)

    # What is known of a customer on a day

    def state(self, customer: str, day: date) -> State | None:
        if self.owner(customer, day) != customer:
            return None
        events = self.events_of(customer, day)
        dates = sorted({event.day for event in events if event.counted})
        if not dates:
            return None
        window = self.settings["rfm_window_days"]
        inside = [
            event for event in events if window is None or event.day > day - timedelta(days=window)
        ]
        orders = sum(event.counted for event in inside)
        money = sum((event.money for event in inside), Decimal(0))
        if self.settings["monetary_aggregate"] == "average":
            money = rounded(Fraction(money) / orders) if orders else Decimal(0)
        return State(dates[0], dates[-1], self._returns(customer, dates), orders, money)

    def _returns(self, customer: str, dates: list[date]) -> tuple[tuple[date, int], ...]:
        """Order dates that the customer knew as its own on their day, with the silence before."""
        found = []
        for x in dates:
            known = {event.day for event in self.events_of(customer, x) if event.counted}
            before = [day for day in known if day < x]
            if self.owner(customer, x) == customer and x in known and before:
                found.append((x, (x - max(before)).days))
        return tuple(found)

    # Scorecards

    def first_eligible_day(self) -> date:
        """First day with enough customers that ever had an order and enough days of history."""
        begun = sorted(day for day in map(self._begins, self.customers) if day is not None)
        needed = self.settings["min_calibration_customers"]
        if len(begun) < needed:
            return self.as_of
        history = timedelta(days=self.settings.get("min_calibration_days", 0))
        day = max(begun[needed - 1], begun[0] + history)
        return min(day, self.as_of)

    def _begins(self, customer: str) -> date | None:
        """First day on which the customer has a state."""
        days = {event.day for event in self.events}
        days |= {merge.merge_date for merge in self.merges.values() if merge.merge_date}
        return next((day for day in sorted(days) if self.state(customer, day)), None)

    def calendar(self) -> list[date]:
        """Calibration dates of the calendar, up to the as-of date."""
        month_step = {"monthly": 1, "quarterly": 3, "yearly": 12}.get(self.settings["calibrate"])
        if month_step is None or not self.events:
            return []
        day, found = min(event.day for event in self.events), []
        while day <= self.as_of:
            if (day + DAY).day == 1 and day.month % month_step == 0:
                found.append(day)
            day += DAY
        return found

    def calibrated_on(self, day: date) -> date:
        """Day on which the scorecard in force was cut."""
        if self.settings["calibrate"] == "as_of":
            return self.as_of
        first = self.first_eligible_day()
        dates = [q for q in self.calendar() if q >= first]
        if not dates or day <= dates[0]:
            return first
        cut = [q for q in dates if q < day]
        while cut and not self.population(cut[-1]):
            cut.pop()  # nobody to cut on: the scorecard before stays
        return cut[-1] if cut else first

    def population(self, day: date) -> dict[str, State]:
        states = {customer: self.state(customer, day) for customer in self.customers}
        return {name: state for name, state in states.items() if state and state.orders > 0}

    def scorecard(self, day: date) -> Scorecard:
        if self.settings["score_method"] == "fixed":
            rows = in_force(self.world.fixed_score_cuts, day)
            return Scorecard(
                f"fixed-{rows[0]['valid_from']}",
                {
                    m: sorted(Fraction(r["value"]) for r in rows if r["metric"] == m)
                    for m in METRICS
                },
                None,
            )
        cut_on = self.calibrated_on(day)
        people = list(self.population(cut_on).values())
        values = {
            "recency": [Fraction((cut_on - state.last_order).days) for state in people],
            "frequency": [Fraction(state.orders) for state in people],
            "monetary": [Fraction(state.monetary) for state in people],
        }
        if self.settings["tie_rule"] == "rank_first":
            values["frequency"] = [Fraction(place) for place in range(1, len(people) + 1)]
        return Scorecard(
            f"calibrated-{cut_on.isoformat()}",
            {metric: quintiles(column) for metric, column in values.items()},
            len(people),
        )

    def scores(self, customer: str, state: State, day: date, card: Scorecard) -> tuple[int, ...]:
        frequency = state.orders
        if self.settings["tie_rule"] == "rank_first":
            if day != self.as_of:
                raise ValueError("rank_first is defined on the as-of date only")
            frequency = self._rank(customer)
        recency = (day - state.last_order).days
        return (
            5 - self.cuts_below(card.cuts["recency"], recency),
            1 + self.cuts_below(card.cuts["frequency"], frequency),
            1 + self.cuts_below(card.cuts["monetary"], state.monetary),
        )

    def cuts_below(self, cuts: list[Fraction], value: Decimal | int) -> int:
        exact = Fraction(value)
        if self.settings["cut_side"] == "at_or_above":
            return sum(cut <= exact for cut in cuts)
        return sum(cut < exact for cut in cuts)

    def _rank(self, customer: str) -> int:
        people = self.population(self.as_of)
        if customer not in people:
            return 0
        ordered = sorted(people, key=lambda name: (people[name].orders, name))
        return 1 + ordered.index(customer)

    # Rules

    def rules(self, day: date) -> Rules:
        preset = self.settings["segment_preset"]
        segment_rules = in_force(
            [row for row in self.world.segment_rules if row["preset"] == preset], day
        )
        stages = in_force(self.world.lifecycle_stages, day)
        newest = max(segment_rules[0]["valid_from"], stages[0]["valid_from"])
        return Rules(f"{preset}@{newest}", segment_rules, stages)

    def segment(self, scores: tuple[int, ...], rules: Rules) -> str | None:
        for row in sorted(rules.segment_rules, key=lambda row: int(row["priority"])):
            if all(
                int(row[f"{axis}_min"]) <= score <= int(row[f"{axis}_max"])
                for axis, score in zip("rfm", scores, strict=True)
            ):
                return row["segment"]
        return None

    def stage(self, state: State, day: date, rules: Rules) -> str:
        def of(clock: str, days: int) -> Row | None:
            rows = [row for row in rules.stages if row["clock"] == clock]
            return next((row for row in rows if holds_day(row, days)), None)

        silent = of("silence", (day - state.last_order).days)
        if silent:
            return silent["stage"]
        fresh = of("since_first_order", (day - state.first_order).days)
        if fresh:
            return fresh["stage"]
        for row in rules.stages:
            if row["clock"] == "since_return":
                back = [x for x, gap in state.returns if gap >= int(row["after_gap_days"])]
                if back and holds_day(row, (day - max(back)).days):
                    return row["stage"]
        return next(row["stage"] for row in rules.stages if row["clock"] == "otherwise")

    # Labels and their causes

    def label(self, customer: str, day: date) -> Label | None:
        state = self.state(customer, day)
        if state is None:
            return None
        rules = self.rules(day)
        r, f, m = self.scores(customer, state, day, self.scorecard(day))
        return Label(
            r,
            f,
            m,
            self.segment((r, f, m), rules),
            self.stage(state, day, rules),
            state.first_order,
            state.last_order,
            state.orders,
            state.monetary,
        )

    def cause(self, customer: str, day: date) -> str:
        """Why the label of the day differs from that of the day before: the first that holds.

        A bound that is crossed while a new scorecard cancels its effect has caused nothing.
        """
        state = self.state(customer, day)
        assert state is not None
        now = self.events_of(customer, day)
        today = [event for event in now if event.day == day]
        yesterday = self.events_of(customer, day - DAY)
        window = self.settings["rfm_window_days"]
        cards = self.scorecard(day), self.scorecard(day - DAY)
        scores = [self.scores(customer, state, day, card) for card in cards]
        books = self.rules(day), self.rules(day - DAY)
        names = [(self.segment(scores[0], book), self.stage(state, day, book)) for book in books]
        held = {
            "bought": any(event.counted for event in today),
            "aged": self._aged(customer, state, day, by=day)
            and self._standing(customer, state, day) != self._standing(customer, state, day - DAY),
            "window_exit": window is not None
            and any(event.day + timedelta(days=window) == day for event in yesterday),
            "recalibrated": scores[0] != scores[1],
            "rules_changed": names[0] != names[1],
            "corrected": bool(today),
            "merged": len(yesterday) < len(now),
        }
        for cause, holds in held.items():
            if holds:
                return cause
        # A bound crossed under yesterday's scorecard or rules, on the very day on which the new
        # ones would have led to the same label anyway.
        assert self._aged(customer, state, day, by=day - DAY)
        return "aged"

    def _aged(self, customer: str, state: State, day: date, *, by: date) -> bool:
        """Whether a day more crosses a bound, by the scorecard and rules of the given day."""
        if state.last_order >= day:
            return False
        card, rules = self.scorecard(by), self.rules(by)
        r_scores = [self.scores(customer, state, d, card)[0] for d in (day - DAY, day)]
        stages = [self.stage(state, d, rules) for d in (day - DAY, day)]
        return r_scores[0] != r_scores[1] or stages[0] != stages[1]

    def _standing(self, customer: str, state: State, day: date) -> tuple[int, str]:
        """What silence and age make of a state on a day: its recency score and its stage."""
        r_score = self.scores(customer, state, day, self.scorecard(day))[0]
        return r_score, self.stage(state, day, self.rules(day))

    # Histories

    def horizon(self) -> date:
        """A day after which nothing changes any more without new orders."""
        far = [int(row["from_day"] or 0) for row in self.world.lifecycle_stages]
        far += [int(row["to_day"] or 0) for row in self.world.lifecycle_stages]
        far += [self.settings["rfm_window_days"] or 0]
        versions = (
            self.world.segment_rules + self.world.lifecycle_stages + self.world.fixed_score_cuts
        )
        starts = [date.fromisoformat(row["valid_from"]) for row in versions] + [self.as_of]
        for start in {*starts, self.as_of + DAY}:
            far += [int(cut) for cut in self.scorecard(max(start, self.as_of)).cuts["recency"]]
        return max(starts) + timedelta(days=max(far) + 3)

    def daily(self, customer: str, first: date, last: date) -> dict[date, Label]:
        """Label of each day of the range on which the customer has one."""
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        labels = {day: self.label(customer, day) for day in days}
        return {day: label for day, label in labels.items() if label is not None}

    def timeline(self, customer: str, until: date | None = None) -> list[Interval]:
        """Intervals of equal labels, from the first order on, with the projected future."""
        begins = self._begins(customer)
        if begins is None:
            return []
        starts: list[tuple[date, Label]] = []
        for day, label in self.daily(customer, begins, until or self.horizon()).items():
            if not starts or label != starts[-1][1]:
                starts.append((day, label))
        ends = [day for day, _ in starts[1:]] + [self.merged_away_on(customer) or END]
        return [
            Interval(
                customer,
                start,
                end,
                label,
                self.cause(customer, start),
                self.scorecard(start).scorecard_id,
                self.rules(start).ruleset_id,
                start > self.as_of,
            )
            for (start, label), end in zip(starts, ends, strict=True)
        ]

    def timelines(self) -> list[Interval]:
        return [interval for name in self.customers for interval in self.timeline(name)]

    def scorecards_used(self) -> dict[str, Scorecard]:
        """Scorecards in force on some day of history or of the projected future."""
        if not self.events:
            return {}
        day, found = min(event.day for event in self.events), {}
        while day <= self.horizon():
            card = self.scorecard(day)
            found[card.scorecard_id] = card
            day += DAY
        return found


def in_force(rows: list[Row], day: date) -> list[Row]:
    """Rows of the newest version not after the day; before the earliest version, that one."""
    versions = sorted({row["valid_from"] for row in rows})
    begun = [version for version in versions if version <= day.isoformat()]
    version = begun[-1] if begun else versions[0]
    return [row for row in rows if row["valid_from"] == version]


def holds_day(row: Row, days: int) -> bool:
    return int(row["from_day"]) <= days and (row["to_day"] == "" or days <= int(row["to_day"]))


def quintiles(values: list[Fraction]) -> list[Fraction]:
    """The four inner quintiles by linear interpolation between ascending values."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("nobody to cut a scorecard on")
    found = []
    for k in range(1, 5):
        position = Fraction((len(ordered) - 1) * k, 5)
        low = position.numerator // position.denominator
        high = min(low + 1, len(ordered) - 1)
        found.append(ordered[low] + (ordered[high] - ordered[low]) * (position - low))
    return found


def rounded(value: Fraction) -> Decimal:
    """To four decimals, halves away from zero."""
    scaled = value * 10000
    down = abs(scaled).numerator * 2 // abs(scaled).denominator
    whole = (down + 1) // 2
    return (Decimal(whole if value >= 0 else -whole) / 10000).quantize(
        Decimal("0.0001"), rounding=ROUND_HALF_UP
    )
