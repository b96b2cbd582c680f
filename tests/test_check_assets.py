"""The step that judges a night, on the sample shop: what Dagster shows, what is let through."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from orchestration import gate
from orchestration.defs.checks import ASSETS, VERDICT_KEY, asset_key, check_assets
from orchestration.defs.publication import publication_asset
from orchestration.defs.steps import TURN, turn_on_warehouse
from orchestration.measures.checks import Definition, Measurement
from orchestration.measures.judges.registry import JUDGES
from orchestration.partitions import business_days
from orchestration.publication_status import PublicationStatus, read_status
from orchestration.quality import definitions_in_force
from orchestration.run_history import first_failure
from orchestration.warehouse import only_writer, open_database, turns
from tests.conftest import REPOSITORY, Installation

DAY = date(2026, 6, 30)
CHECKED = dg.DagsterEventType.ASSET_CHECK_EVALUATION
NOT_REQUIRED, REQUIRED = "C02", "C33"


@pytest.fixture
def shop(sample_shop: Installation, tmp_path: Path) -> Installation:
    """A copy of the refreshed sample shop, whose tables a test may change."""
    return sample_shop.copy(tmp_path / "shop")


@pytest.fixture(scope="module")
def definitions(sample_shop: Installation) -> dict[str, Definition]:
    return definitions_in_force(sample_shop.settings, sample_shop.config)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def judged(shop: Installation, history: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Launch the checks alone."""
    config, settings = shop.config, shop.settings
    checks = check_assets(
        config,
        settings,
        business_days(config),
        set(),
        definitions_in_force(settings, config),
    )
    return materialized(shop, history, checks)


def materialized(
    shop: Installation, history: dg.DagsterInstance, asset: dg.AssetsDefinition
) -> dg.ExecuteInProcessResult:
    """Launch one step alone."""
    return dg.materialize(
        [asset],
        resources={TURN: turn_on_warehouse(shop.settings)},
        instance=history,
        partition_key=str(DAY),
        raise_on_error=False,
    )


def published(shop: Installation, history: dg.DagsterInstance) -> str | None:
    """Launch the publication alone; return why it refused, None if it did not."""
    asset = publication_asset(shop.config, shop.settings, business_days(shop.config), set())
    result = materialized(shop, history, asset)
    if result.success:
        return None
    return first_failure(result.all_events)


def status(shop: Installation) -> PublicationStatus:
    return read_status(shop.settings.published_dir / "lifestage.duckdb")


def finds(monkeypatch: pytest.MonkeyPatch, check_id: str, *found: Measurement) -> None:
    """Let a check find something else than what is there."""
    monkeypatch.setitem(JUDGES, check_id, lambda night, definition: list(found))


def change(shop: Installation, *statements: str) -> None:
    with open_database(shop.settings.warehouse_path, read_only=False) as session:
        for statement in statements:
            session.run(statement)


def evaluations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def test_every_check_shows_its_numbers_and_what_to_do(
    sample_shop: Installation, definitions: dict[str, Definition]
) -> None:
    with dg.DagsterInstance.from_config(str(sample_shop.root / "dagster")) as instance:
        (run, *_) = instance.get_runs()
        entries = instance.all_logs(run.run_id, of_type=CHECKED)
    found = [entry.dagster_event for entry in entries if entry.dagster_event]
    shown = {
        one.check_name: one
        for one in (event.asset_check_evaluation_data for event in found)
        if one.asset_key.path[0] == "checks"
    }
    assert shown.keys() == {definition.check for definition in definitions.values()}
    for definition in definitions.values():
        one = shown[definition.check]
        assert one.asset_key == asset_key(definition.asset)
        words = {name: value.value for name, value in one.metadata.items()}
        assert (words["title"], words["remedy"]) == (definition.title, definition.remedy)
        assert words["message"] == one.description
        assert words["status"] in {"pass", "warn", "error", "insufficient_data"}
        assert one.passed == (words["status"] in {"pass", "insufficient_data"})
        numbers = {"value", "warn_threshold", "error_threshold", "effect"} & words.keys()
        assert all(isinstance(words[name], float) for name in numbers)
        assert len(str(words.get("subjects", ""))) < 1_000
    assert sum("value" in one.metadata for one in shown.values()) > len(shown) / 2


def test_a_check_is_described_in_four_parts_and_stops_no_run(
    sample_shop: Installation, definitions: dict[str, Definition]
) -> None:
    config, settings = sample_shop.config, sample_shop.settings
    assets = check_assets(config, settings, business_days(config), set(), definitions)
    specs = {spec.name: spec for spec in assets.check_specs}
    assert len(specs) == len(definitions)
    for definition in definitions.values():
        spec = specs[definition.check]
        for part in (definition.title, definition.measures, definition.why, definition.remedy):
            assert part in (spec.description or "")
        assert not spec.blocking
        assert spec.asset_key == asset_key(definition.asset)
    assert {spec.key for spec in assets.specs} == {*map(asset_key, ASSETS), VERDICT_KEY}


def test_the_sample_shop_as_it_ships_is_well(sample_shop: Installation) -> None:
    told = status(sample_shop)
    assert told.verdict in {"pass", "warn"}
    assert not told.is_held
    with open_database(sample_shop.settings.warehouse_path, read_only=True) as session:
        failing = session.fetch(
            "select check_name, subject, message from checks.check_results"
            " where blocks in ('publication', 'activation')"
            " and (status = 'error' or status = 'insufficient_data' and is_required)"
        )
    assert failing == []


def test_a_run_that_gets_no_turn_says_what_it_waited_for(
    shop: Installation, history: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "WAIT_FOR_LOCK_SECONDS", 0)
    with only_writer(shop.settings.home):
        result = judged(shop, history)
    assert not result.success
    assert first_failure(result.all_events) == (
        "another run still holds the warehouse: wait for it or end it"
    )


def test_a_publication_launched_alone_reads_the_verdict(
    shop: Installation, history: dg.DagsterInstance
) -> None:
    before = status(shop)
    assert published(shop, history) is None
    assert status(shop) == before

    change(shop, "delete from checks.verdicts")
    reason = published(shop, history)
    assert reason is not None
    assert "there is no verdict on the tables as of 2026-06-30: run `lifestage refresh`" in reason
    told = status(shop)
    assert told.is_held
    assert told.held_as_of == DAY
    assert reason == f"publication held: {told.held_reason}"
    assert told.generation == before.generation


def test_a_row_that_changed_after_the_verdict_holds_the_tables(
    shop: Installation, history: dg.DagsterInstance
) -> None:
    change(shop, "update raw.orders set channel = 'other' where _line = 2")
    reason = published(shop, history)
    assert reason is not None
    assert "changed after the verdict on 2026-06-30" in reason
    again = judged(shop, history)
    assert not again.success, "the tables are still those of the rows before"


def test_a_rule_that_changed_after_the_verdict_holds_the_tables(
    shop: Installation, history: dg.DagsterInstance
) -> None:
    table = REPOSITORY / "seeds" / "rules" / "segments.csv"
    (shop.root / "rules").mkdir()
    (shop.root / "rules" / "segments.csv").write_text(
        table.read_text().replace("Champions", "Best")
    )
    config = shop.root / "lifestage.yml"
    config.write_text(f"{config.read_text()}rules: rules\n")
    reason = published(shop, history)
    assert reason is not None
    assert "changed after the verdict on 2026-06-30" in reason
    again = judged(shop, history)
    assert not again.success, "the tables are still those of the old rules"


def test_a_check_that_raises_holds_until_a_person_accepts_it(
    shop: Installation, history: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(night: object, definition: object) -> list[Measurement]:
        raise ZeroDivisionError("a value of somebody")

    monkeypatch.setitem(JUDGES, NOT_REQUIRED, raises)
    night = judged(shop, history)
    assert night.success
    shown = evaluations(night)["volume_weekday"]
    assert not shown.passed
    assert shown.severity == dg.AssetCheckSeverity.ERROR
    assert "ZeroDivisionError" in str(shown.description)
    assert "somebody" not in str(shown)

    reason = published(shop, history)
    assert reason is not None
    assert "volume_weekday holds the tables as of 2026-06-30" in reason
    assert status(shop).held_by == "volume_weekday"

    with open_database(shop.settings.warehouse_path, read_only=False) as session:
        gate.approve(session, "volume_weekday", DAY, by="Ann", reason="a known gap", until=DAY)
    assert published(shop, history) is None
    told = status(shop)
    assert (told.verdict, told.approved_checks) == ("approved", "volume_weekday")
    assert not told.is_held


def test_a_required_check_is_never_accepted(
    shop: Installation, history: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    finds(monkeypatch, REQUIRED, Measurement("all", float("nan"), says="no number"))
    shown = evaluations(judged(shop, history))["recompute_identity"]
    assert not shown.passed
    with (
        open_database(shop.settings.warehouse_path, read_only=False) as session,
        pytest.raises(gate.GateError, match="is required and cannot be approved"),
    ):
        gate.approve(session, REQUIRED, DAY, by="Ann", reason="please", until=DAY)
    assert "recompute_identity" in (published(shop, history) or "")


def test_a_warning_is_published_and_told(
    shop: Installation, history: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Measurement("all", 5.0, decided="warn", says="too many of something")
    finds(monkeypatch, NOT_REQUIRED, found, replace(found, subject="web", decided="pass"))
    shown = evaluations(judged(shop, history))["volume_weekday"]
    assert not shown.passed
    assert shown.severity == dg.AssetCheckSeverity.WARN
    assert shown.metadata["subject"].value == "all"
    assert "web" in str(shown.metadata["subjects"].value)
    assert published(shop, history) is None
    assert status(shop).verdict == "warn"


def test_too_little_data_is_shown_and_holds_nothing_that_is_not_required(
    shop: Installation, history: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    finds(monkeypatch, NOT_REQUIRED, Measurement("all", None, is_sufficient=False, says="too few"))
    shown = evaluations(judged(shop, history))["volume_weekday"]
    assert shown.passed
    assert shown.metadata["status"].value == "insufficient_data"
    assert published(shop, history) is None


def test_a_table_that_cannot_be_read_is_no_pass(
    shop: Installation, history: dg.DagsterInstance
) -> None:
    change(shop, "drop table quality.quality_recompute")
    shown = evaluations(judged(shop, history))["recompute_identity"]
    assert not shown.passed
    assert "recompute_identity" in (published(shop, history) or "")
