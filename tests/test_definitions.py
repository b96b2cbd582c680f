"""What Dagster sees: the graph, its checks, days and the nightly schedule."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph, AssetNode
from dagster._utils.schedules import schedule_execution_time_iterator

from orchestration.config import Config, parse_config
from orchestration.definitions import build_definitions
from orchestration.defs.checks import ASSETS
from orchestration.defs.history import build_args, history_assets
from orchestration.defs.nightly import CRON, nightly_job, nightly_schedule
from orchestration.measurement_tables import TABLES as MEASURED
from orchestration.partitions import business_days, last_complete_day
from orchestration.project import parsed_vars, prepared_project
from orchestration.publication import PUBLIC_TABLES
from tests.conftest import Installation

SCHEDULE = "nightly_refresh_schedule"
LAYERS = {
    *("raw", "rules", "staging", "intermediate", "marts"),
    *("quality", "activation", "checks", "measurement", "published", "delivery"),
}


@pytest.fixture(scope="module")
def definitions(sample_shop: Installation) -> Iterator[dg.Definitions]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LIFESTAGE_HOME", "LIFESTAGE_SEEDS"):
            patch.setenv(name, "set by the definitions")
        yield build_definitions(sample_shop.config, sample_shop.settings)


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> AssetGraph:
    return definitions.resolve_asset_graph()


def made(graph: AssetGraph) -> list[AssetNode]:
    nodes = [graph.get(asset) for asset in sorted(graph.materializable_asset_keys)]
    return [node for node in nodes if isinstance(node, AssetNode)]


def key(name: str) -> dg.AssetKey:
    return dg.AssetKey.from_user_string(name)


def test_definitions_can_be_loaded(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_every_asset_lies_in_its_layer(graph: AssetGraph) -> None:
    nodes = made(graph)
    assert {node.group_name for node in nodes} == LAYERS
    assert all(node.key.path[0] == node.group_name for node in nodes)
    assert all(node.kinds and node.description for node in nodes)
    assert all(node.owners for node in nodes if node.group_name != "rules")


def test_the_public_tables_are_there_and_lead_to_the_publication(graph: AssetGraph) -> None:
    public = {dg.AssetKey([table.schema, table.name]) for table in PUBLIC_TABLES}
    publication = graph.get(key("published/lifestage"))
    measured = {key(f"measurement/{name}") for name in MEASURED}
    assert publication.parent_keys == {*public, *measured, key("checks/verdict")}
    marts = {node.key for node in made(graph) if node.group_name == "marts"}
    assert marts <= public


def test_lineage_runs_from_the_feed_to_the_publication(graph: AssetGraph) -> None:
    upstream = graph.get_ancestor_asset_keys(key("published/lifestage"))
    assert key("raw/orders") in upstream
    assert graph.get(key("raw/orders")).is_materializable
    assert key("sample/raw_orders") not in graph.get_all_asset_keys()


def test_every_count_is_judged_and_every_judgement_leads_to_the_verdict(graph: AssetGraph) -> None:
    judged = [key(f"checks/{name}") for name, _ in ASSETS.values()]
    assert graph.get(key("checks/verdict")).parent_keys == set(judged)
    counts = {node.key for node in made(graph) if node.group_name == "quality"}
    read = {parent for asset in judged for parent in graph.get(asset).parent_keys}
    # The fingerprints are read by the gate, when it writes a verdict down and when it looks at it.
    assert counts - read == {key("quality/quality_input_fingerprints")}


def test_models_link_to_their_code(graph: AssetGraph) -> None:
    metadata = graph.get(key("marts/customers")).metadata
    assert "dagster/code_references" in metadata


def test_freshness_is_promised_for_what_people_read(graph: AssetGraph) -> None:
    promised = {node.group_name for node in made(graph) if node.freshness_policy is not None}
    assert promised == {"marts", "published"}


def test_tests_of_dbt_are_checks_and_errors_block(graph: AssetGraph) -> None:
    checked = {check.asset_key for check in graph.asset_check_keys}
    public = {
        dg.AssetKey(["marts", table.name]) for table in PUBLIC_TABLES if table.schema == "marts"
    }
    assert public <= checked
    blocking = [check for check in graph.asset_check_keys if graph.get(check).blocking]
    assert blocking


def test_all_assets_share_the_days_and_backfill_in_one_run(graph: AssetGraph) -> None:
    for node in made(graph):
        assert isinstance(node.partitions_def, dg.DailyPartitionsDefinition), node.key
        assert node.backfill_policy == dg.BackfillPolicy.single_run(), node.key


def test_the_job_runs_everything_in_one_process(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("nightly_refresh")
    assert [node.name for node in job.nodes_in_topological_order] == [
        "raw_feeds",
        "history",
        "checks",
        "measurement",
        "published__lifestage",
        "delivery__audiences",
    ]
    assert job.executor_def.name == "in_process"
    for node in job.nodes_in_topological_order:
        keys = node.definition.required_resource_keys  # ty: ignore[missing-attribute]
        assert "turn" in keys
        assert node.definition.retry_policy is not None  # ty: ignore[missing-attribute]


def test_the_arguments_of_dbt_are_those_of_one_build() -> None:
    args = build_args(Config(), full_refresh=False)
    assert args[0] == "build"
    assert "unit_test" in args
    assert json.loads(args[args.index("--vars") + 1]) == parsed_vars(Config())
    assert "--full-refresh" in build_args(Config(), full_refresh=True)


def test_without_feeds_the_sample_is_a_seed(sample_shop: Installation, tmp_path: Path) -> None:
    settings = sample_shop.settings
    project = prepared_project(settings, sample_shop.config)
    config = Config()
    assets = history_assets(config, settings, project, business_days(config))
    assert key("sample/raw_orders") in assets.keys
    feeds = history_assets(sample_shop.config, settings, project, business_days(config))
    assert key("sample/raw_orders") not in feeds.keys


def scheduled(config: Config) -> dg.Definitions:
    """The nightly job and its schedule over one table that costs nothing."""

    @dg.asset(partitions_def=business_days(config))
    def table() -> None: ...

    job = nightly_job(dg.AssetSelection.assets(table), business_days(config))
    return dg.Definitions(assets=[table], jobs=[job], schedules=[nightly_schedule(config, job)])


def requests(config: Config, first: datetime, days: int) -> list[tuple[str | None, str | None]]:
    """The runs that the scheduler asks for in a stretch of time: run key and partition."""
    definitions = scheduled(config)
    repository = definitions.get_repository_def()
    schedule = definitions.resolve_schedule_def(SCHEDULE)
    ticks = schedule_execution_time_iterator(
        first.timestamp(), schedule.cron_schedule, schedule.execution_timezone
    )
    asked = []
    with dg.DagsterInstance.ephemeral() as instance:
        for tick in takewhile(lambda tick: tick < first + timedelta(days=days), ticks):
            context = dg.build_schedule_context(
                instance, scheduled_execution_time=tick, repository_def=repository
            )
            data = schedule.evaluate_tick(context)
            asked += [(run.run_key, run.partition_key) for run in data.run_requests or []]
    return asked


@pytest.mark.parametrize(
    ("timezone", "around"),
    [
        ("America/New_York", date(2025, 3, 9)),
        ("America/New_York", date(2025, 11, 2)),
        ("Europe/Berlin", date(2025, 3, 30)),
        ("Europe/Berlin", date(2025, 10, 26)),
        ("Europe/Helsinki", date(2025, 3, 30)),  # the clocks skip 03:15
        ("Europe/Helsinki", date(2025, 10, 26)),  # the clocks pass 03:15 twice
        ("UTC", date(2024, 2, 29)),
    ],
)
def test_every_business_day_is_asked_for_once_when_the_clocks_change(
    timezone: str, around: date
) -> None:
    config = parse_config({"business_timezone": timezone}, Path.cwd())
    start = datetime(around.year, around.month, around.day, 12, tzinfo=UTC) - timedelta(days=3)
    asked = dict(requests(config, start, 5))  # one run per run key, as the scheduler keeps it
    days = sorted(day for day in asked.values() if day)
    first = date.fromisoformat(days[0])
    assert days == [(first + timedelta(days=i)).isoformat() for i in range(len(days))]
    assert around.isoformat() in days
    assert all(
        date.fromisoformat(night or "") - date.fromisoformat(day or "") == timedelta(days=1)
        for night, day in asked.items()
    )


def test_a_fixed_day_stays_and_nothing_runs_before_history() -> None:
    fixed = parse_config({"as_of": "2024-06-30"}, Path.cwd())
    night = datetime(2025, 5, 1, 0, tzinfo=UTC)
    assert requests(fixed, night, 2) == [("2025-05-01", "2024-06-30"), ("2025-05-02", "2024-06-30")]
    young = parse_config({"history_start": "2025-05-02"}, Path.cwd())
    assert requests(young, night, 3) == [("2025-05-03", "2025-05-02")]


def test_the_schedule_runs_by_itself_in_business_time() -> None:
    config = parse_config({"business_timezone": "Europe/Berlin"}, Path.cwd())
    schedule = scheduled(config).resolve_schedule_def(SCHEDULE)
    assert schedule.cron_schedule == CRON == "15 3 * * *"
    assert schedule.execution_timezone == "Europe/Berlin"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_people_are_told_by_a_sensor_that_runs_by_itself(definitions: dg.Definitions) -> None:
    sensor = definitions.get_repository_def().get_sensor_def("alerts")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_days_end_in_business_time() -> None:
    config = parse_config(
        {"business_timezone": "Pacific/Auckland", "history_start": "2024-01-01"}, Path.cwd()
    )
    days = business_days(config)
    assert days.get_partition_keys(datetime(2024, 1, 2, 10, 59, tzinfo=UTC)) == ["2024-01-01"]
    assert days.get_partition_keys(datetime(2024, 1, 2, 11, 1, tzinfo=UTC))[-1] == "2024-01-02"


def test_there_is_no_complete_day_before_history() -> None:
    assert last_complete_day(business_days(Config(history_start=date(9000, 1, 1)))) is None
