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
# Checks without which nobody knows whether the tables are right; a seed cannot waive them.
REQUIRED = frozenset({"C01", "C03", "C04", "C05", "C06", "C24", "C33", "C35"})
# Names that each formula reads from `Definition.parameters`.
PARAMETERS: dict[str, frozenset[str]] = {
    "C01": frozenset({"fewest_expected"}),
    "C02": frozenset({"relative_floor", "zero_expected"}),
    "C04": frozenset({"error_rows"}),
    "C10": frozenset({"alpha"}),
    "C11": frozenset({"alpha"}),
    "C12": frozenset({"ratio_warn", "ratio_error", "noise"}),
    "C13": frozenset({"noise"}),
    "C14": frozenset({"vanished_share", "fewest"}),
    "C20": frozenset({"weeks", "scorecard_warns"}),
    "C22": frozenset({"relative_floor", "scorecard_warns", "min_history_days"}),
    "C23": frozenset({"scorecard_warns", "min_history_days"}),
    "C30": frozenset({"settled_blocks"}),
    "C31": frozenset({"scorecard_warns", "min_history_days"}),
    "C32": frozenset({"resamples"}),
    "C40": frozenset({"share_warn", "min_history_days"}),
    "C41": frozenset({"fewest_warn", "fewest_error", "largest_warn"}),
    "C50": frozenset({"slack", "alarms_per_year", "hold_out_days"}),
}
