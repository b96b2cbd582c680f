"""The night end to end, through the command line: what a second run may change and what not."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orchestration import refresh
from orchestration.publication import published_generation
from orchestration.publication_status import PublicationStatus, read_status
from orchestration.run_history import run_history
from tests.conftest import Installation

RANGE = ("2026-03-01", "2026-03-05")


# What is told about the tables; it changes while they stay.
RECORDS = {"check_results", "segment_verdicts", "publication_status"}


def parquet_bytes(shop: Installation) -> dict[str, str]:
    files = sorted((shop.settings.published_dir / "parquet").glob("*.parquet"))
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.stem not in RECORDS
    }


def told(shop: Installation) -> PublicationStatus:
    return read_status(shop.settings.published_dir / "lifestage.duckdb")


def line_of(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refusal."""
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if not line.endswith("...")]
    return line


def starts_of_dbt(shop: Installation) -> int:
    logs = (shop.settings.home / "dbt" / "run").glob("dbt.log*")
    return sum(log.read_text().count("Running with dbt=") for log in logs)


def history(shop: Installation) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_config(str(shop.root / "dagster"))


def days_done(shop: Installation, asset: str) -> set[str]:
    with history(shop) as instance:
        return instance.get_materialized_partitions(dg.AssetKey.from_user_string(asset))


@pytest.fixture(scope="module")
def shop(sample_shop: Installation, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A copy of the refreshed sample shop, on which nights are added to one another."""
    return sample_shop.copy(tmp_path_factory.mktemp("nights") / "shop")


def test_the_sample_shop_shows_every_segment_and_stage(shop: Installation) -> None:
    with duckdb.connect(shop.settings.warehouse_path, read_only=True) as connection:
        segments = connection.execute(
            "select segment from rules.segments where preset = 'default' except"
            " select segment from marts.customers"
        ).fetchall()
        stages = connection.execute(
            "select stage from rules.lifecycle_stages where clock <> 'no_order' except"
            " select lifecycle_stage from marts.customers"
        ).fetchall()
    assert (segments, stages) == ([], [])


def test_a_run_shows_what_it_did(shop: Installation) -> None:
    with history(shop) as instance:
        runs = instance.get_runs()
        assert [run.status for run in runs][-1] is dg.DagsterRunStatus.SUCCESS
        shown = {}
        for name in (
            "marts/customers",
            "marts/segment_transitions",
            "raw/orders",
            "published/lifestage",
        ):
            event = instance.get_latest_materialization_event(dg.AssetKey.from_user_string(name))
            assert event is not None, name
            assert event.asset_materialization is not None
            shown[name] = event.asset_materialization
    assert shown["raw/orders"].metadata["dagster/row_count"].value == 3932
    assert shown["marts/customers"].metadata["dagster/row_count"].value == 600
    assert "█" in str(shown["marts/customers"].metadata["segments"].value)
    assert "bought" in str(shown["marts/segment_transitions"].metadata["moves"].value)
    assert {asset.partition for asset in shown.values()} == {"2026-06-30"}
    assert shown["published/lifestage"].metadata["generation"].value


def test_a_refused_file_leaves_everything_as_it_was(shop: Installation) -> None:
    feed = shop.root / "seeds" / "sample" / "raw_orders.csv"
    shipped, before = feed.read_text(), parquet_bytes(shop)
    try:
        feed.write_text(shipped.replace("customer_id", "client", 1))
        said = line_of(shop.lifestage("refresh"))
    finally:
        feed.write_text(shipped)
    assert "raw_orders.csv" in said
    assert "customer_id" in said
    assert parquet_bytes(shop) == before
    held = told(shop)
    assert held.is_held
    assert held.held_as_of == date(2026, 6, 30)
    assert held.held_reason is not None
    assert held.held_reason in said


def test_old_days_are_one_pass_and_change_only_what_came_late(shop: Installation) -> None:
    feed = shop.root / "seeds" / "sample" / "raw_orders.csv"
    shipped = feed.read_text()
    published, before, starts = parquet_bytes(shop), labels(shop), starts_of_dbt(shop)
    try:
        feed.write_text(f"{shipped}S99999,C0042,2026-03-03T12:00:00Z,12.00,completed,USD,,web\n")
        done = shop.lifestage("refresh", "--from", RANGE[0], "--as-of", RANGE[1])
    finally:
        feed.write_text(shipped)
    assert done.returncode == 0, done.stderr
    assert starts_of_dbt(shop) == starts + 1
    for asset in ("marts/customers", "raw/orders", "published/lifestage"):
        assert {f"2026-03-0{day}" for day in range(1, 6)} <= days_done(shop, asset)
    assert {row[0] for row in before ^ labels(shop)} == {"C0042"}

    done = shop.lifestage("refresh", "--as-of", RANGE[1])
    assert done.returncode == 0, done.stderr
    assert parquet_bytes(shop) == published
    now = published_generation(shop.settings.published_dir)
    assert now is not None
    assert now.as_of_date == date(2026, 6, 30)
    assert not told(shop).is_held  # by the file that was refused before


def labels(shop: Installation) -> set[tuple]:
    """The labels of everybody on a day soon after the late order and before the next cut."""
    with duckdb.connect(shop.settings.published_dir / "lifestage.duckdb", read_only=True) as reader:
        return set(
            reader.execute(
                "select customer_id, segment, lifecycle_stage, orders, monetary"
                " from published.customer_timeline"
                " where date '2026-03-31' >= valid_from and date '2026-03-31' < valid_to"
            ).fetchall()
        )


def test_a_killed_run_does_not_stand_in_the_way(
    shop: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = subprocess.Popen(
        [Path(sys.executable).parent / "lifestage", "refresh"],
        env=shop.environment,
        cwd=shop.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with history(shop) as instance:
        unfinished = dg.RunsFilter(statuses=refresh.UNFINISHED)
        deadline = time.monotonic() + 120
        while not instance.get_runs(unfinished):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait()
        assert instance.get_runs(unfinished)
        monkeypatch.setenv("DAGSTER_HOME", str(shop.root / "dagster"))
        with run_history() as same:
            refresh.end_dead_runs(same)
        assert not instance.get_runs(unfinished)
