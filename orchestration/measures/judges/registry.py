"""Which function judges which check. The formulas are in the modules beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestration.measures.checks import Definition, Measurement
    from orchestration.measures.night import Night

Judge: TypeAlias = "Callable[[Night, Definition], Sequence[Measurement]]"

# Corrects the tests of all others, so it is judged after them, by the night itself.
FAMILY_CHECK = "C51"
JUDGES: dict[str, Judge] = {}
