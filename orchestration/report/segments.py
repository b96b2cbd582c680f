"""The names, the order and the colours that segments have everywhere in the report.

A colour belongs to a place in the order of ranks, so it stays when sizes change. The colours
themselves are in `templates/page.css`, once for a light and once for a dark page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.report import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

COLOURS = 10


@dataclass(frozen=True)
class Segment:
    """A segment as people see it.

    Attributes:
        name: what the tables call it.
        label: what people call it.
        colour: CSS variable of its colour, without `var()`.
        action: what is done for its customers; empty if nothing is known.
    """

    name: str
    label: str
    colour: str
    action: str = ""

    @property
    def fill(self) -> str:
        """The colour as a figure or a style names it."""
        return f"var({self.colour})"


class Segments:
    """All segments, the best first."""

    def __init__(self, ordered: Sequence[Segment]) -> None:
        self._by_name = {segment.name: segment for segment in ordered}

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __getitem__(self, name: str | None) -> Segment:
        return self._by_name.get(name or "") or Segment(
            name or "none", words.label(name), "--segment-none"
        )

    def place(self, name: str | None) -> int:
        """Tell where a segment stands; unknown ones stand last."""
        return list(self._by_name).index(name) if name in self._by_name else len(self)


def known_segments(
    definitions: Iterable[Mapping[str, Any]], sizes: Iterable[Mapping[str, Any]]
) -> Segments:
    """Put the segments in order.

    Args:
        definitions: Rows with name, rank, label and action; may be empty.
        sizes: Rows with segment, customers and monetary of segments that are in use. Those without
            a definition follow by what a customer in them is worth.
    """
    defined = sorted(definitions, key=lambda row: (-(row["rank"] or 0), row["name"]))
    texts = {row["name"]: row for row in defined}
    others = sorted(
        (row for row in sizes if row["segment"] and row["segment"] not in texts),
        key=lambda row: (-(row["monetary"] or 0) / (row["customers"] or 1), row["segment"]),
    )
    names = [*texts, *(row["segment"] for row in others)]
    return Segments(
        [
            Segment(
                name=name,
                label=(texts.get(name) or {}).get("label") or words.label(name),
                colour=_colour(place, len(names)),
                action=(texts.get(name) or {}).get("action") or "",
            )
            for place, name in enumerate(names)
        ]
    )


def _colour(place: int, all_places: int) -> str:
    if 2 < all_places == place + 1:
        return "--segment-last"
    return f"--segment-{place % COLOURS + 1}"
