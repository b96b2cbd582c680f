"""Simulated companies: three years of orders with everything that healthy data does.

Customers buy at Gamma-distributed rates until an exponential lifetime ends; amounts are lognormal.
Demand has a weekly pattern, a yearly season, growth, autocorrelated noise, closed days and
promotions. Some orders arrive late, some are refunded. Faults are `faults`, scoring is `labels`.

Days are counted from the first day of the company, money is in cents. The same seed gives the same
company, whatever else is simulated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]

YEAR = 365
DAYS = 3 * YEAR
LAST_YEAR = 2 * YEAR
LATE_SHARE = 0.05
MAX_LAG = 10
REFUNDED_SHARE = 0.10
CHANNELS = ("web", "app", "store")
SECONDS = 86_400


@dataclass(frozen=True)
class Traits:
    """What kind of company it is: rates per day, shares, and sizes of effects on demand."""

    orders_per_day: float
    first_day: date
    weekday: tuple[float, ...]
    season: float
    season_peak: float
    growth: float
    noise: float
    noise_memory: float
    promotions_per_year: int
    closes_on_christmas: bool
    purchase_rate: float
    purchase_shape: float
    lifetime: float
    log_value: float
    days: int = DAYS


@dataclass(frozen=True)
class Demand:
    """Demand by day relative to the average: `factor` without growth, and what is known of it."""

    factor: Floats
    growth: Floats
    promotions: tuple[int, ...]
    closed: tuple[int, ...]


@dataclass(frozen=True)
class Orders:
    """Orders as columns, sorted by day. `arrived` is the day whose night sees the order first."""

    day: Ints
    second: Ints
    arrived: Ints
    customer: Ints
    cents: Ints
    items: Ints
    channel: Ints

    def __len__(self) -> int:
        return len(self.day)

    def take(self, chosen: Bools | Ints) -> Orders:
        """Return the orders chosen, sorted by day again."""
        columns = {name: getattr(self, name)[chosen] for name in self.__dataclass_fields__}
        order = np.argsort(columns["day"], kind="stable")
        return Orders(**{name: column[order] for name, column in columns.items()})


@dataclass(frozen=True)
class Refunds:
    """Refunds as columns, sorted by day. `order` is the place of the order as it was simulated."""

    day: Ints
    order: Ints
    customer: Ints
    cents: Ints


@dataclass(frozen=True)
class World:
    """A company: its traits, the demand that drove it, and what its shop system recorded."""

    traits: Traits
    demand: Demand
    orders: Orders
    refunds: Refunds
    customers: int

    def date_of(self, day: int) -> date:
        return self.traits.first_day + timedelta(days=day)

    def with_orders(self, orders: Orders) -> World:
        return replace(self, orders=orders)


def draw_traits(rng: np.random.Generator, orders_per_day: float) -> Traits:
    """Draw a company at random; only its size is given."""
    weekday = np.exp(rng.normal(0, 0.2, 7))
    weekday[5] *= 1.2
    closed_sundays = rng.random() < 0.2
    if closed_sundays:
        weekday[6] = 0
    return Traits(
        orders_per_day=orders_per_day,
        first_day=date(2019, 1, 1) + timedelta(days=int(rng.integers(0, 700))),
        weekday=tuple(float(share) for share in weekday / weekday.mean()),
        season=float(rng.uniform(0.05, 0.4)),
        season_peak=float(rng.uniform(0, YEAR)),
        growth=float(rng.uniform(-0.1, 0.4)),
        noise=float(rng.uniform(0.02, 0.05)),
        noise_memory=float(rng.uniform(0.3, 0.7)),
        promotions_per_year=int(rng.integers(0, 7)),
        closes_on_christmas=bool(rng.random() < 0.5),
        purchase_rate=float(1 / rng.uniform(30, 90)),
        purchase_shape=float(rng.uniform(0.6, 1.4)),
        lifetime=float(rng.uniform(180, 540)),
        log_value=float(rng.uniform(7.5, 9.0)),
    )


def steady(traits: Traits, season: float = 0.0) -> Traits:
    """Return the same company without anything that changes over time, but for a season."""
    return replace(
        traits, season=season, growth=0.0, promotions_per_year=0, closes_on_christmas=False
    )


def draw_demand(rng: np.random.Generator, traits: Traits) -> Demand:
    """Draw demand day by day: weekday x season x noise x promotions, and growth apart."""
    days = np.arange(traits.days)
    dates = [traits.first_day + timedelta(days=int(day)) for day in days]
    weekdays = np.array([one.weekday() for one in dates])
    factor = np.array(traits.weekday)[weekdays]
    factor = factor * (1 + traits.season * np.cos(2 * np.pi * (days - traits.season_peak) / YEAR))
    factor *= np.exp(_autocorrelated(rng, traits))
    promotions: list[int] = []
    for year in range(traits.days // YEAR):
        for start in rng.integers(0, YEAR - 4, traits.promotions_per_year):
            first = year * YEAR + int(start)
            length = int(rng.integers(1, 4))
            factor[first : first + length] *= rng.uniform(1.3, 2.0)
            promotions.extend(range(first, first + length))
    closed = [
        day
        for day, one in enumerate(dates)
        if traits.closes_on_christmas and (one.month, one.day) == (12, 25)
    ]
    factor[closed] = 0
    return Demand(
        factor=factor,
        growth=np.exp(np.log1p(traits.growth) * (days - LAST_YEAR) / YEAR),
        promotions=tuple(sorted(set(promotions))),
        closed=tuple(closed),
    )


def _autocorrelated(rng: np.random.Generator, traits: Traits) -> Floats:
    """First-order autoregressive noise of the log of demand, in its stationary state."""
    memory = traits.noise_memory
    shocks = rng.normal(0, traits.noise * np.sqrt(1 - memory**2), traits.days)
    noise = np.empty(traits.days)
    level = rng.normal(0, traits.noise)
    for day, shock in enumerate(shocks):
        level = memory * level + shock
        noise[day] = level
    return noise


def daily_orders(rng: np.random.Generator, traits: Traits) -> tuple[Demand, Ints]:
    """Draw only the number of orders of each day, for what needs no customers."""
    demand = draw_demand(rng, traits)
    return demand, rng.poisson(traits.orders_per_day * demand.factor * demand.growth)


def simulate(rng: np.random.Generator, traits: Traits) -> World:
    """Simulate a company that already has customers when its records begin."""
    demand = draw_demand(rng, traits)
    before = int(3 * traits.lifetime)
    factor = np.concatenate([np.ones(before), demand.factor])
    growth = np.concatenate([np.full(before, demand.growth[0]), demand.growth])
    acquired = traits.orders_per_day / (1 + traits.purchase_rate * traits.lifetime)
    births = rng.poisson(acquired * factor * growth)
    begun = np.repeat(np.arange(len(births)), births)
    day, customer = _purchases(rng, traits, begun, np.concatenate([[0.0], np.cumsum(factor)]))
    recorded = day >= before
    day, customer = day[recorded] - before, customer[recorded]
    order = np.argsort(day, kind="stable")
    day, customer = day[order], customer[order]
    _, customer = np.unique(customer, return_inverse=True)
    customers = int(customer.max(initial=-1)) + 1
    orders = _orders(rng, traits, day, customer.astype(np.int64), customers)
    return World(traits, demand, orders, _refunds(rng, orders, traits.days), customers)


def _purchases(
    rng: np.random.Generator, traits: Traits, begun: Ints, elapsed: Floats
) -> tuple[Ints, Ints]:
    """Day and customer of every order: the first on the day begun, the others at random.

    `elapsed` is demand summed up to the beginning of each day. Purchases are Poisson in it.
    """
    number = len(begun)
    rates = rng.gamma(traits.purchase_shape, traits.purchase_rate / traits.purchase_shape, number)
    ends = begun + 1 + rng.exponential(traits.lifetime, number)
    since = elapsed[begun + 1]
    until = np.interp(ends, np.arange(len(elapsed)), elapsed)
    again = rng.poisson(rates * (until - since))
    buyers = np.repeat(np.arange(number), again)
    moments = since[buyers] + rng.random(len(buyers)) * (until - since)[buyers]
    days = np.searchsorted(elapsed, moments, side="right") - 1
    inside = days < len(elapsed) - 1
    return (
        np.concatenate([begun, days[inside]]),
        np.concatenate([np.arange(number), buyers[inside]]),
    )


def _orders(
    rng: np.random.Generator, traits: Traits, day: Ints, customer: Ints, customers: int
) -> Orders:
    number = len(day)
    lag = np.where(
        rng.random(number) < LATE_SHARE, np.minimum(rng.geometric(0.5, number), MAX_LAG), 0
    )
    taste = rng.normal(traits.log_value, 0.5, customers)
    favourite = rng.choice(len(CHANNELS), customers, p=(0.6, 0.3, 0.1))
    strays = rng.random(number) < 0.3
    return Orders(
        day=day,
        second=np.clip(rng.normal(14.5, 4.5, number) * 3600, 0, SECONDS - 1).astype(np.int64),
        arrived=day + lag,
        customer=customer,
        cents=np.maximum(100, np.exp(rng.normal(taste[customer], 0.5))).astype(np.int64),
        items=1 + rng.poisson(1.2, number),
        channel=np.where(strays, rng.choice(len(CHANNELS), number), favourite[customer]),
    )


def _refunds(rng: np.random.Generator, orders: Orders, days: int) -> Refunds:
    refunded = np.flatnonzero(rng.random(len(orders)) < REFUNDED_SHARE)
    share = np.where(rng.random(len(refunded)) < 0.5, 1.0, rng.uniform(0.1, 0.9, len(refunded)))
    # An order that comes late cannot be refunded before it is known.
    day = orders.arrived[refunded] + rng.integers(1, 31, len(refunded))
    order = np.argsort(day, kind="stable")
    order = order[day[order] < days]
    chosen = refunded[order]
    return Refunds(
        day=day[order],
        order=chosen,
        customer=orders.customer[chosen],
        cents=(orders.cents[chosen] * share[order]).astype(np.int64),
    )
