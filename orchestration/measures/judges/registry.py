"""Which function judges which check. The formulas are in the modules beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from orchestration.measures.judges import (
    arrival,
    drift,
    movement,
    outcomes,
    shares,
    usefulness,
    volume,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestration.measures.checks import Definition, Measurement
    from orchestration.measures.night import Night

Judge: TypeAlias = "Callable[[Night, Definition], Sequence[Measurement]]"

# Corrects the tests of all others, so it is judged after them, by the night itself.
FAMILY_CHECK = "C51"
JUDGES: dict[str, Judge] = {
    "C01": arrival.source_freshness,
    "C02": volume.volume_weekday,
    "C03": arrival.key_integrity,
    "C04": arrival.quarantine_rate,
    "C05": arrival.schema_contract,
    "C06": arrival.conservation,
    "C07": arrival.late_share,
    "C10": drift.feature_psi,
    "C11": drift.flow_drift,
    "C12": drift.mean_shift,
    "C13": drift.null_share,
    "C14": drift.new_category,
    "C20": shares.transition_homogeneity,
    "C21": shares.cohort_share_shift,
    "C22": shares.share_vs_history,
    "C23": shares.largest_change,
    "C24": shares.unmapped,
    "C30": movement.churn_30d,
    "C31": movement.churn_1d,
    "C32": movement.mobility,
    "C33": movement.recompute_identity,
    "C34": movement.flapping,
    "C35": movement.forbidden_moves,
    "C38": movement.definition_hash,
    "C40": usefulness.min_size,
    "C41": usefulness.segment_count,
    "C42": usefulness.eta2,
    "C43": outcomes.response_difference,
    "C44": outcomes.merge_candidates,
    "C46": outcomes.value_order,
    "C50": volume.slow_drift,
    "C52": usefulness.definition_review,
    "C53": arrival.published_age,
    "C54": usefulness.objectives,
}
# Checks without which nobody knows whether the tables are right; a seed cannot waive them.
REQUIRED = frozenset({"C01", "C03", "C04", "C05", "C06", "C24", "C33", "C35"})
# Names that each formula reads from `Definition.parameters`.
PARAMETERS: dict[str, frozenset[str]] = {
    "C01": frozenset({"fewest_expected"}),
    "C02": frozenset({"relative_floor", "zero_expected", "alpha"}),
    "C04": frozenset({"error_rows"}),
    "C07": frozenset({"alpha"}),
    "C10": frozenset({"alpha"}),
    "C11": frozenset({"alpha"}),
    "C12": frozenset({"ratio_warn", "ratio_error", "noise"}),
    "C13": frozenset({"noise"}),
    "C14": frozenset({"vanished_share", "fewest"}),
    "C20": frozenset({"weeks", "fewest_weeks", "scorecard_warns"}),
    "C21": frozenset({"min_history_days"}),
    "C22": frozenset({"relative_floor", "scorecard_warns", "min_history_days"}),
    "C23": frozenset({"scorecard_warns", "min_history_days"}),
    "C30": frozenset({"settled_blocks"}),
    "C31": frozenset({"scorecard_warns", "min_history_days"}),
    "C32": frozenset({"resamples", "fewest_months", "scorecard_warns"}),
    "C34": frozenset({"scorecard_warns", "min_history_days"}),
    "C38": frozenset({"settling_days"}),
    "C40": frozenset({"share_warn", "min_history_days"}),
    "C41": frozenset({"fewest_warn", "fewest_error", "largest_warn", "min_history_days"}),
    "C42": frozenset({"min_history_days"}),
    "C50": frozenset(
        {"slack", "alarms_per_year", "hold_out_days", "fewest_weeks", "relative_floor"}
    ),
}
