"""The translation of the configuration into dbt vars: complete, equal to the defaults, harmless."""

import json
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestration.config import Config, ConfigError, parse_config
from orchestration.dbt_vars import dbt_vars
from tests.warehouse import REPOSITORY

ROOT = Path("/project")
DECLARED = yaml.safe_load((REPOSITORY / "dbt_project" / "dbt_project.yml").read_text())["vars"]


def test_defaults_are_those_of_the_dbt_project() -> None:
    assert dbt_vars(Config(), date.fromisoformat(DECLARED["as_of_date"])) == DECLARED


def test_feed_and_table_say_how_they_are_read() -> None:
    config = parse_config(
        {
            "business_timezone": "Europe/Berlin",
            "feeds": {"orders": {"path": "o.csv", "date_formats": ["%d.%m.%Y"]}},
            "tables": {"refunds": {"source_timezone": "UTC"}, "customers": None},
        },
        ROOT,
    )

    inputs = dbt_vars(config, date(2024, 1, 31))["inputs"]

    assert inputs == {
        "customers": _input("raw", text=False, zone="Europe/Berlin"),
        "orders": _input("raw", text=True, zone="Europe/Berlin", formats=["%d.%m.%Y"]),
        "refunds": _input("raw", text=False, zone="UTC"),
    }


def _input(relation: str, *, text: bool, zone: str, formats: list[str] | None = None) -> dict:
    return {
        "relation": relation,
        "text": text,
        "date_formats": formats or [],
        "source_timezone": zone,
    }


HOSTILE = st.sampled_from(["'", '"', ";", "--", "{{", "}}", "{%", "\\", "\n", "$$"])


@given(
    key=st.sampled_from(
        ["business_timezone", "currency", "raw_schema", "segment_preset", "source", "format"]
    ),
    before=st.text("ab%Y", max_size=3),
    sign=HOSTILE,
)
def test_hostile_text_does_not_reach_sql(key: str, before: str, sign: str) -> None:
    text = f"{before}{sign}drop"
    data: dict = {key: text}
    if key == "source":
        data = {"tables": {"orders": {"source_timezone": text}}}
    if key == "format":
        data = {"tables": {"orders": {"date_formats": [text]}}}

    with pytest.raises(ConfigError):
        parse_config(data, ROOT)


def test_vars_are_plain_json() -> None:
    variables = dbt_vars(Config(), date(2024, 2, 29))

    assert json.loads(json.dumps(variables)) == variables
