"""A destination that drt reaches: CRM and mail tools that it knows, and any REST API.

drt is fed with the rows of a batch and with nothing else: it never reads the warehouse, keeps no
state, log or copy of them, and without a delivery it has nothing to send. Who may be sent is
decided before, and what became of each row goes into the ledger like that of any destination.
A project for drt is written by `orchestration.activation.drt_files`; drt is the extra `drt`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import yaml

from orchestration.activation.destinations import DestinationError, Outcome, plain
from orchestration.activation.http_endpoint import checked_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from drt.config.models import SyncConfig
    from drt.destinations.base import SyncResult

    from orchestration.activation.destinations import Batch, Row, State

MISSING = "drt is missing: install lifestage[drt]"
SYNCS_DIR = "syncs"
# Connectors that keep one record per member, which a later row changes; each with the settings
# that would add records instead, or look for a removed member by an address that is not sent.
KEYED: dict[str, dict[str, tuple[Any, ...]]] = {
    "rest_api": {"method": ("GET",)},
    "airtable": {"primary_key": (None,)},
    "amplitude": {"endpoint": ("event",)},
    "hubspot": {"id_property": ("email",)},
    "mixpanel": {"endpoint": ("import_events",)},
    "mysql": {"upsert_key": (None,)},
    "postgres": {"upsert_key": (None,)},
    "salesforce_bulk": {
        "external_id_field": ("Id",),
        "operation": ("insert", "update", "delete"),
    },
}
MODES = ("full", "upsert")
# Refusals of a row as such. Any other status may be about the whole request, or pass.
ROW_REFUSED = frozenset({400, 409, 413, 422})


def is_installed() -> bool:
    """Tell whether the extra `drt` is there."""
    return find_spec("drt") is not None


def read_sync(project: Path, audience: str) -> DrtSync:
    """Read how drt brings an audience to its destination.

    Args:
        project: The directory of the drt project.
        audience: The audience; its sync has the same name.

    Raises:
        DestinationError: drt is missing, or the sync is, or it cannot be used safely.
    """
    if not is_installed():
        raise DestinationError(MISSING)
    from drt.config.parser import load_syncs_safe  # noqa: PLC0415 - an extra

    file = f"{SYNCS_DIR}/{audience}.yml"
    if not (project / file).exists():
        raise DestinationError(f"drt has no {file}: run `lifestage drt-config`")
    try:
        loaded = load_syncs_safe(project)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DestinationError(
            f"the drt project cannot be read ({type(error).__name__}): run `drt validate`"
        ) from error
    if audience in loaded.errors:
        raise DestinationError(f"{file}: {loaded.errors[audience][0]}")
    named = [sync for sync in loaded.syncs if sync.name == audience]
    if len(named) != 1:
        raise DestinationError(f"{file}: give name {audience} to this sync, and to no other")
    wrong = next(_unsafe(named[0]), None)
    if wrong:
        raise DestinationError(f"{file}: {wrong}")
    return DrtSync(named[0], project)


@dataclass(frozen=True)
class DrtSync:
    """Sends rows through one sync of a drt project.

    Attributes:
        sync: The sync as drt reads it.
        project: The directory of the drt project.
    """

    sync: SyncConfig
    project: Path

    @property
    def batch_size(self) -> int | None:
        """Rows that drt takes at once, as the sync says."""
        return self.sync.sync.batch_size

    def state_of(self, audience: str) -> State:  # noqa: ARG002 - no list of this kind gets old
        """The tool keeps the members; nothing here can be lost."""
        return "current"

    def deliver(self, batch: Batch) -> Iterable[Outcome]:
        """Let drt send the rows.

        Raises:
            DestinationError: drt gave up; what became of the rows is unknown.
        """
        from drt.config.base import QueryTaggingConfig  # noqa: PLC0415 - an extra
        from drt.config.profiles import DuckDBProfile  # noqa: PLC0415 - an extra
        from drt.connectors.registry import get_destination  # noqa: PLC0415 - an extra
        from drt.engine.sync import run_sync  # noqa: PLC0415 - an extra

        rows = tuple(batch.rows)
        # One row that is refused does not hold up the others.
        options = self.sync.sync.model_copy(update={"on_error": "skip"})
        sync = self.sync.model_copy(update={"sync": options, "model": "delivery"})
        try:
            result = run_sync(
                sync,
                _Rows(_records(batch, rows)),
                get_destination(sync.destination),
                DuckDBProfile(type="duckdb"),
                self.project,
                query_tagging=QueryTaggingConfig(enabled=False),
            )
        except Exception as error:  # noqa: BLE001 - connectors raise what they like
            # Its words may hold the address, or values.
            raise DestinationError(
                f"drt could not bring {batch.delivery.audience} to {batch.delivery.destination}"
                f" ({type(error).__name__}): check its address, its rights and its packages"
            ) from None
        return _outcomes(rows, result)


class _Rows:
    """What drt reads from, in place of a database."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self._records = records

    def extract(
        self, query: str, config: object, *, query_tags: dict[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Give the records of the batch, whatever is asked."""
        del query, config, query_tags
        return iter(self._records)

    def test_connection(self, config: object) -> bool:
        """Nothing has to be connected to."""
        del config
        return True


def _records(batch: Batch, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Write rows as drt takes them; one who leaves is told of by the key alone."""
    names = [name for name, _ in batch.columns]
    return [
        {
            "audience": batch.delivery.audience,
            "member_key": row.member_key,
            "is_member": row.operation != "remove",
            "operation": row.operation,
            "idempotency_key": row.idempotency_key,
            "as_of_date": row.as_of_date.isoformat(),
            **dict(zip(names, map(plain, row.values), strict=False)),
        }
        for row in rows
    ]


def _outcomes(rows: Sequence[Row], result: SyncResult) -> list[Outcome]:
    """Read what became of each row; where the counts do not tell, all are unknown."""
    failed = {error.batch_index: error for error in result.row_errors}
    is_told = (
        len(failed) == len(result.row_errors) == result.failed
        and result.success + result.failed == len(rows)
        and failed.keys() <= set(range(len(rows)))
    )
    if not is_told:
        return [Outcome(row.idempotency_key, "unknown", "not_told") for row in rows]
    outcomes = []
    for position, row in enumerate(rows):
        error = failed.get(position)
        if error is None:
            outcomes.append(Outcome(row.idempotency_key, "accepted"))
            continue
        is_refused = error.http_status in ROW_REFUSED
        # The words of the destination may repeat what it was sent; the status does not.
        reason = f"http_{error.http_status}" if error.http_status else "no_answer"
        outcomes.append(
            Outcome(row.idempotency_key, "rejected" if is_refused else "unknown", reason)
        )
    return outcomes


def _unsafe(sync: SyncConfig) -> Iterator[str]:
    """Say what of a sync would lose a removal, repeat an addition or tell of people elsewhere."""
    from drt.config.models import RestApiDestinationConfig  # noqa: PLC0415 - an extra

    destination, options = sync.destination, sync.sync
    known = KEYED.get(destination.type)
    if known is None:
        yield f"destination.type must be one of {', '.join(sorted(KEYED))}"
        return
    for name, refused in known.items():
        if getattr(destination, name) in refused:
            yield f"destination.{name}: members are found and changed by their member_key"
    if isinstance(destination, RestApiDestinationConfig):
        try:
            checked_address(destination.url)
        except DestinationError as error:
            yield str(error)
    if options.mode not in MODES:
        yield f"sync.mode must be one of {', '.join(MODES)}: only changes are sent"
    if options.match_policy != "upsert" or options.uses_fill_empty:
        yield "sync.match_policy and sync.write_policy must let every change through"
    if options.computed_fields or getattr(destination, "lookups", None):
        yield "sync.computed_fields and lookups may leave out rows: use the templates of drt"
    if sync.alerts is not None or (options.dlq is not None and options.dlq.enabled):
        yield "alerts and sync.dlq would keep rows of people: leave them out"
