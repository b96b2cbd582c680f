"""The configuration: what is accepted, what is refused and how that is said."""

from datetime import date
from pathlib import Path

import pytest

from orchestration.config import (
    SCHEMA_FILE,
    Config,
    ConfigError,
    check_as_of,
    json_schema,
    load_config,
    parse_config,
)
from orchestration.settings import Settings
from tests.warehouse import REPOSITORY


def test_shipped_configuration_is_valid_and_names_its_schema() -> None:
    path = REPOSITORY / "lifestage.yml"

    config = load_config(path)

    assert config.history_start == date(2024, 1, 1)
    assert path.read_text().startswith("# yaml-language-server: $schema=./lifestage.schema.json\n")


def test_published_schema_is_current() -> None:
    assert SCHEMA_FILE.read_text() == json_schema(), "run python -m orchestration.config"


def test_empty_file_is_all_defaults(tmp_path: Path) -> None:
    (tmp_path / "lifestage.yml").write_text("")

    assert load_config(tmp_path / "lifestage.yml") == Config()


@pytest.mark.parametrize(
    ("text", "reason", "key"),
    [
        ("buisness_timezone: UTC", "UNKNOWN_KEY", "buisness_timezone"),
        ("scorecard: {methd: fixed}", "UNKNOWN_KEY", "scorecard.methd"),
        ("tables: {oders: }", "UNKNOWN_KEY", "tables.oders"),
        ("scorecard: {calibrate: weekly}", "BAD_VALUE", "scorecard.calibrate"),
        ("rfm_window_days: '30'", "BAD_VALUE", "rfm_window_days"),
        ("rfm_window_days: 0", "OUT_OF_RANGE", "rfm_window_days"),
        ("currency: euro", "BAD_VALUE", "currency"),
        ("history_start: 2024-02-30", "BAD_DATE", "history_start"),
        ("history_start: 20240101", "BAD_DATE", "history_start"),
        ("currency: USD\ncurrency: EUR", "DUPLICATE_KEY", "currency"),
        ("feeds: {refunds: {path: r.csv}}", "BAD_VALUE", "lifestage.yml"),
        ("tables: {orders: , order_lines: }", "BAD_VALUE", "lifestage.yml"),
        ("tables: {orders: }\nfeeds: {orders: {path: o.csv}}", "BAD_VALUE", "lifestage.yml"),
        ("feeds: {orders: {path: orders}}", "BAD_VALUE", "feeds.orders"),
        ("feeds: {orders: {path: o.csv, columns: {total: a}}}", "UNKNOWN_KEY", "lifestage.yml"),
        ("feeds: {orders: {path: o.csv, encoding: klingon}}", "BAD_VALUE", "feeds.orders.encoding"),
        ("feeds: {orders: {path: o.csv, api_key: x}}", "PLAINTEXT_SECRET", "feeds.orders.api_key"),
        ("rules: ../elsewhere", "PATH_OUTSIDE_ROOT", "rules"),
        ("feeds: {orders: {path: in/../../*.csv}}", "PATH_OUTSIDE_ROOT", "feeds.orders.path"),
        ("scorecard: {tie_rule: rank_first}", "BAD_VALUE", "scorecard"),
        ("raw_schema: marts", "BAD_VALUE", "lifestage.yml"),
        ("raw_schema: measurement", "BAD_VALUE", "lifestage.yml"),
        ("- a\n- b", "BAD_VALUE", "lifestage.yml"),
        ("a: [", "BAD_YAML", "lifestage.yml"),
    ],
)
def test_refusal_names_the_key(tmp_path: Path, text: str, reason: str, key: str) -> None:
    (tmp_path / "lifestage.yml").write_text(text)

    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "lifestage.yml")

    assert (caught.value.reason, caught.value.key) == (reason, key)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "rule",
    [
        "{column: a}",
        "{column: a, equals: x, at_most: 3}",
        "{column: a, equals: null}",
        "{column: a, matches: '('}",
        "{column: a, starts_with: ''}",
        "{column: a, is_empty: false}",
    ],
)
def test_exclude_rule_has_exactly_one_condition(tmp_path: Path, rule: str) -> None:
    (tmp_path / "lifestage.yml").write_text(
        f"feeds: {{orders: {{path: o.csv, exclude: [{rule}]}}}}"
    )

    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "lifestage.yml")

    assert caught.value.key.startswith("feeds.orders.exclude.0")


def test_day_must_be_over() -> None:
    check_as_of(date(2024, 1, 31), date(2024, 1, 31))

    with pytest.raises(ConfigError, match="AS_OF_IN_FUTURE"):
        check_as_of(date(2024, 2, 1), date(2024, 1, 31))


def test_data_may_lie_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "data").mkdir()
    data = {"feeds": {"orders": {"path": "../data/*.csv"}}}
    with pytest.raises(ConfigError, match="PATH_OUTSIDE_ROOT"):
        parse_config(data, tmp_path / "project")

    monkeypatch.setenv("LIFESTAGE_DATA_ROOT", str(tmp_path / "data"))

    assert parse_config(data, tmp_path / "project").feeds["orders"].path == "../data/*.csv"


def test_path_may_start_at_the_folder_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "data").mkdir()
    data = {"feeds": {"orders": {"path": "$LIFESTAGE_DATA_ROOT/2024/*.csv"}}}
    monkeypatch.delenv("LIFESTAGE_DATA_ROOT", raising=False)
    with pytest.raises(ConfigError, match=r"feeds.orders.path: set LIFESTAGE_DATA_ROOT"):
        parse_config(data, tmp_path / "project")

    monkeypatch.setenv("LIFESTAGE_DATA_ROOT", str(tmp_path / "data"))

    parse_config(data, tmp_path / "project")
    for outside in ("../*.csv", "/etc/*.csv", "*/../../*.csv"):
        data = {"feeds": {"orders": {"path": f"$LIFESTAGE_DATA_ROOT/{outside}"}}}
        with pytest.raises(ConfigError, match="PATH_OUTSIDE_ROOT"):
            parse_config(data, tmp_path / "project")


def test_settings_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIFESTAGE_CONFIG", str(tmp_path / "shop" / "lifestage.yml"))
    monkeypatch.delenv("LIFESTAGE_HOME", raising=False)
    monkeypatch.setenv("LIFESTAGE_THREADS", "7")

    settings = Settings.from_env()

    assert settings.project_root == tmp_path / "shop"
    assert settings.warehouse_path == tmp_path / "shop" / ".lifestage" / "warehouse.duckdb"
    assert settings.threads == 7
