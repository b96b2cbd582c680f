"""The linter of the activation rules: what can be said about audiences without any customer.

The tables as values are `orchestration.measures.audience_tables`. Whether the people in an audience
may be written to is decided per person by the SQL models.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from orchestration.measures.audience_tables import (
    ANY,
    CHANNELS,
    DESTINATION_KINDS,
    FILE_FORMATS,
    GRANT,
    KINDS,
    KINDS_WITH_DAYS,
    NO_OBJECTION,
    NORMALISERS,
    SALT_SEPARATOR,
    Audience,
    AudienceBook,
    Destination,
)
from orchestration.measures.exposures import NAME
from orchestration.measures.rule_tables import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

    from orchestration.measures.rule_tables import RuleBook

AUDIENCES = "audiences"
METRICS = ("visit", "conversion", "revenue", "retention")
# A target without a number and a time cannot be missed, so it cannot be met either.
MEASURABLE = re.compile(r"\d")
DATED = re.compile(r"\b(day|week|month|quarter|year)s?\b")
LARGEST_HOLDOUT = 0.5


def lint_audiences(book: AudienceBook, rules: RuleBook, preset: str) -> list[Finding]:
    """Check the activation rules as they apply to one map of segments.

    Args:
        book: the activation rules.
        rules: the segment rules that audiences refer to.
        preset: the map in force.

    Returns:
        All findings; one of severity `error` stops the run.
    """
    audiences = audiences_in_force(book, preset)
    segments = {row.segment for row in rules.segments if row.preset == preset}
    stages = {row.stage for row in rules.lifecycle_stages}
    found = [
        finding
        for audience in audiences
        for finding in (
            *_lint_name(audience),
            *_lint_members(audience, segments, stages),
            *_lint_aim(audience),
            *_lint_way_out(audience, book),
            *_lint_protection(audience, book),
        )
    ]
    found += _lint_unique(audiences)
    found += _lint_destinations(book.destinations)
    found += _lint_consent(book)
    found += _lint_caps(book)
    found += _lint_holdouts(book)
    return found


def audiences_in_force(book: AudienceBook, preset: str) -> list[Audience]:
    """List the audiences of a map of segments, those for every map included, by priority."""
    own = [row for row in book.audiences if row.preset in {ANY, preset}]
    return sorted(own, key=lambda row: (row.priority, row.audience))


def _error(check: str, subject: str, text: str) -> Finding:
    return Finding(check, "error", AUDIENCES, subject, f"{AUDIENCES}, {subject}: {text}")


def _lint_name(row: Audience) -> Iterator[Finding]:
    if not NAME.fullmatch(row.audience):
        yield _error("BAD_NAME", row.audience, "use lower-case letters, digits and _ as audience")


def _lint_members(row: Audience, segments: set[str], stages: set[str]) -> Iterator[Finding]:
    if row.kind not in KINDS:
        yield _error("BAD_KIND", row.audience, f"use one of {', '.join(KINDS)} as kind")
    has_days = row.within_days is not None and row.within_days > 0
    if has_days != (row.kind in KINDS_WITH_DAYS):
        yield _error(
            "BAD_WITHIN_DAYS",
            row.audience,
            f"give within_days of 1 or more to {', '.join(KINDS_WITH_DAYS)}, and only to them",
        )
    for name in row.named_segments:
        if name not in segments:
            yield _error(
                "UNKNOWN_SEGMENT", row.audience, f"segment {name} is not in this map; correct it"
            )
    for name in row.named_stages:
        if name not in stages:
            yield _error("UNKNOWN_STAGE", row.audience, f"stage {name} does not exist; correct it")
    for low, high in (("min_orders", "max_orders"), ("min_silence_days", "max_silence_days")):
        least, most = getattr(row, low), getattr(row, high)
        if (least is not None and least < 0) or (
            least is not None and most is not None and least > most
        ):
            yield _error("BAD_RANGE", row.audience, f"give 0 <= {low} <= {high}")
    conditions = (row.min_orders, row.max_orders, row.min_monetary)
    silence = (row.min_silence_days, row.max_silence_days)
    if not (row.segments or row.stages) and all(part is None for part in (*conditions, *silence)):
        yield _error("EVERYBODY", row.audience, "no condition is given: name whom it is for")


def _lint_aim(row: Audience) -> Iterator[Finding]:
    """Refuse what nobody can act on or measure."""
    for name in ("name", "description", "action", "owner"):
        if not getattr(row, name).strip():
            yield _error("NOT_ACTIONABLE", f"{row.audience}.{name}", f"fill in {name}")
    if row.objective_metric not in METRICS:
        yield _error(
            "VAGUE_OBJECTIVE",
            f"{row.audience}.objective_metric",
            f"name what the holdout is compared by: {', '.join(METRICS)}",
        )
    target = row.objective_target
    if not (row.objective.strip() and MEASURABLE.search(target) and DATED.search(target)):
        yield _error(
            "VAGUE_OBJECTIVE",
            f"{row.audience}.objective_target",
            "give a number and a time, for instance +2 points over the holdout within 30 days",
        )
    if row.archive_after_days is not None and row.archive_after_days < 1:
        yield _error("BAD_RANGE", row.audience, "give archive_after_days of 1 or more, or none")


def _lint_way_out(row: Audience, book: AudienceBook) -> Iterator[Finding]:
    if row.channel not in CHANNELS:
        yield _error("BAD_CHANNEL", row.audience, f"use one of {', '.join(CHANNELS)} as channel")
    known = {destination.destination: destination for destination in book.destinations}
    destination = known.get(row.destination)
    if destination is None:
        yield _error(
            "UNKNOWN_DESTINATION", row.audience, "its destination is no row of destinations"
        )
    elif destination.channel != row.channel:
        yield _error(
            "WRONG_DESTINATION",
            row.audience,
            f"{row.destination} takes {destination.channel}, the audience is for {row.channel}",
        )
    needed = [
        requirement
        for requirement in book.consent_requirements
        if (requirement.purpose, requirement.channel) == (row.purpose, row.channel)
        and requirement.region == ANY
    ]
    if not needed:
        yield _error(
            "NO_CONSENT_RULE",
            row.audience,
            f"consent_requirements has no row of region {ANY} for purpose {row.purpose} and"
            f" channel {row.channel}; add one",
        )


def _lint_protection(row: Audience, book: AudienceBook) -> Iterator[Finding]:
    """Refuse audiences that are made of, or for, people of a protected attribute."""
    told = f"{row.audience} {row.segments} {row.stages} {row.name} {row.description}".lower()
    words = " ".join(re.findall(r"[a-z]+", told.replace("_", " ")))
    for attribute in book.protected_attributes:
        name = attribute.attribute.replace("_", " ")
        if re.search(rf"\b{re.escape(name)}\b", words) and not attribute.allowed_reason.strip():
            yield _error(
                "PROTECTED_ATTRIBUTE",
                f"{row.audience}.{attribute.attribute}",
                f"it speaks of {name}, which is protected: leave it out, or give the reason why"
                " it is allowed in protected_attributes",
            )


def _lint_unique(audiences: Iterable[Audience]) -> Iterator[Finding]:
    rows = list(audiences)
    for name in _repeated(rows, lambda row: row.audience):
        yield _error("DUPLICATE", name[0], "the audience is defined twice; keep one")
    for first, *others in _repeated(rows, lambda row: " ".join(row.action.lower().split())):
        yield _error(
            "SAME_ACTION",
            f"{first}+{others[0]}",
            "two audiences get the same action, so they are one; merge them",
        )
    for first, *others in _repeated(rows, lambda row: row.priority):
        yield _error(
            "SAME_PRIORITY",
            f"{first}+{others[0]}",
            "who is in both needs one first label; give different priorities",
        )


def _repeated(rows: Iterable[Audience], key: Callable[[Audience], Hashable]) -> list[list[str]]:
    groups: Mapping[Hashable, list[str]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row.audience)
    return [names for names in groups.values() if len(names) > 1]


def _lint_destinations(destinations: Iterable[Destination]) -> Iterator[Finding]:
    for row in destinations:
        where = f"destination {row.destination}"
        if row.kind not in DESTINATION_KINDS:
            yield _error("BAD_KIND", where, f"use one of {', '.join(DESTINATION_KINDS)} as kind")
        if row.kind == "files" and row.file_format not in FILE_FORMATS:
            yield _error("BAD_FORMAT", where, f"use one of {', '.join(FILE_FORMATS)}")
        if row.normaliser not in NORMALISERS:
            yield _error("BAD_NORMALISER", where, f"use one of {', '.join(NORMALISERS)}")
        if row.channel not in CHANNELS:
            yield _error("BAD_CHANNEL", where, f"use one of {', '.join(CHANNELS)} as channel")
        elif (row.channel == "ads") == (row.normaliser == "none"):
            yield _error(
                "BAD_NORMALISER", where, "ads take hashed keys of one platform, all others plain"
            )
        if row.minimum_size < 1:
            yield _error("NO_FLOOR", where, "give the smallest list it serves as minimum_size")
        shares = (row.max_removed_share, row.max_added_share)
        if not all(share > 0 for share in shares) or row.max_removed_rows < 1:
            yield _error("NO_LIMIT", where, "give limits above 0, or nothing is ever stopped")


def _lint_consent(book: AudienceBook) -> Iterator[Finding]:
    seen = set()
    for row in book.consent_requirements:
        key = (row.region, row.purpose, row.channel)
        where = f"consent_requirements {' '.join(key)}"
        if key in seen:
            yield _error("DUPLICATE", where, "the row stands twice; keep one")
        seen.add(key)
        if row.requires not in {GRANT, NO_OBJECTION}:
            yield _error("BAD_REQUIREMENT", where, f"use {GRANT} or {NO_OBJECTION}")
        if row.requires == NO_OBJECTION and not row.reason.strip():
            yield _error("NO_REASON", where, "say why no consent is needed there")


def _lint_caps(book: AudienceBook) -> Iterator[Finding]:
    for row in book.contact_caps:
        where = f"contact_caps {row.channel} {row.days}"
        if row.channel not in {ANY, *CHANNELS}:
            yield _error("BAD_CHANNEL", where, f"use {ANY} or one of {', '.join(CHANNELS)}")
        if row.days < 1 or row.max_contacts < 0:
            yield _error("BAD_RANGE", where, "give days of 1 or more and max_contacts of 0 or more")


def _lint_holdouts(book: AudienceBook) -> Iterator[Finding]:
    names = {ANY, *(row.audience for row in book.audiences)}
    salts = [row.salt for row in book.holdouts]
    for row in book.holdouts:
        where = f"holdouts {row.audience}"
        if row.audience not in names:
            yield _error("UNKNOWN_AUDIENCE", where, "the audience is not defined; correct it")
        if not 0 < row.share <= LARGEST_HOLDOUT:
            yield _error("BAD_HOLDOUT", where, f"give a share above 0 and up to {LARGEST_HOLDOUT}")
        if not row.salt.strip() or SALT_SEPARATOR in row.salt:
            yield _error("BAD_SALT", where, f"give a salt that holds no {SALT_SEPARATOR!r}")
        elif salts.count(row.salt) > 1:
            yield _error(
                "SAME_SALT", where, "give every holdout a salt of its own, or they keep the same"
            )
    audiences = [row.audience for row in book.holdouts]
    for name in sorted({name for name in audiences if audiences.count(name) > 1}):
        yield _error("DUPLICATE", f"holdouts {name}", "two holdouts are given; keep one")
