"""The laws of the house, read from dbt's manifest and from the Python sources."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.runs import FOR_CHECKS_ALONE
from orchestration.config import Config
from orchestration.measures.audience_rules import audiences_in_force
from orchestration.publication import PUBLIC_TABLES
from orchestration.rules import read_audiences

REPOSITORY = Path(__file__).parents[1]
SOURCES = sorted((REPOSITORY / "orchestration").rglob("*.py"))
LAYERS = ("sample", "rules", "staging", "intermediate", "marts", "quality", "activation")
# Which layers a model of a layer may read. Staging reads rules for statuses and currencies.
MAY_READ = {
    "staging": {"sample", "rules", "staging", "source"},
    "intermediate": {"staging", "intermediate", "rules"},
    "marts": {"intermediate", "marts", "rules"},
    "quality": {"staging", "intermediate", "marts", "quality", "rules"},
    "activation": {"staging", "intermediate", "marts", "activation", "rules"},
}
# Prospects have no order, so no step between staging and the mart knows them. That a run begins is
# noted before staging, too, trusts what an earlier one left.
DECLARED = {
    ("customers", "stg_shop__customers"),
    ("stg_shop__order_batches_changed", "int_run_begun"),
}
NAMES = {
    "staging": r"(base|stg)_[a-z]+__[a-z_]+s(_[a-z]+)*|rejected_rows|row_warnings|order_intake",
    "intermediate": r"int_[a-z_]+",
    "marts": r"[a-z]+(_[a-z]+)*",
    "quality": r"quality_[a-z_]+",
    "activation": r"[a-z]+(_[a-z]+)*",
}
CLOCKS = re.compile(
    r"\b(current_date|current_timestamp|now\(\)|getdate|localtimestamp|today\(\)|run_started_at)\b"
)
PYTHON_CLOCKS = {"today", "now", "utcnow", "time", "time_ns"}
# Who may import whom inside the package; a name stands for a module or a folder.
PURE = {"measures"}
FOUNDATION = {"settings", "contract", "config", "dbt_vars", "csv_text", "rules", "overlay"}
COMMAND_LINE = {"cli", "cli_checks", "cli_delivery", "cli_erasure", "console"}
# Modules that may name a schema other than those of the marts and the rules, and why.
READERS_OF_PRIVATE_SCHEMAS = {
    "explain.py",  # shows the single orders behind a label
    "public_tables.py",  # publishes what was rejected and received
    "provenance.py",  # asks which run built the tables, and as of which day
    "cli.py",  # prints what was rejected and received
    "evidence.py",  # asks the suppression list and the definitions once more before sending
    "lists.py",  # asks which accounts were merged into another
    "history.py",  # counts the rows of what it built, and asks which day was reached
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What dbt understands of the project when it is started by hand."""
    target = tmp_path_factory.mktemp("target")
    subprocess.run(
        [
            *(Path(sys.executable).parent / "dbt", "--quiet", "parse"),
            *("--project-dir", REPOSITORY / "dbt_project"),
            *("--profiles-dir", REPOSITORY / "profiles"),
            *("--target-path", target, "--log-path", target),
        ],
        env={name: value for name, value in os.environ.items() if name != "LIFESTAGE_SEEDS"},
        check=True,
    )
    return json.loads((target / "manifest.json").read_text())


def resources(manifest: dict[str, Any], *kinds: str) -> list[dict[str, Any]]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] in kinds]


def layer(node: dict[str, Any]) -> str:
    return "source" if node["resource_type"] == "source" else node["fqn"][1]


def test_layers_read_in_one_direction(manifest: dict[str, Any]) -> None:
    everything = manifest["nodes"] | manifest["sources"]
    wrong = [
        (model["name"], everything[parent]["name"])
        for model in resources(manifest, "model")
        for parent in model["depends_on"]["nodes"]
        if layer(everything[parent]) not in MAY_READ[layer(model)]
    ]
    assert set(wrong) <= DECLARED


def test_every_model_and_seed_says_what_a_row_is(manifest: dict[str, Any]) -> None:
    silent = [
        node["name"]
        for node in resources(manifest, "model", "seed")
        if not re.search(r"One row per [^.]+\.$", " ".join((node["description"] or "").split()))
    ]
    assert silent == []


def test_every_column_of_a_public_table_is_described(manifest: dict[str, Any]) -> None:
    public = {table.name for table in PUBLIC_TABLES}
    silent = [
        f"{node['name']}.{name}"
        for node in resources(manifest, "model")
        if node["name"] in public
        for name, column in node["columns"].items()
        if not column["description"]
    ]
    assert silent == []


def test_names_follow_their_layer(manifest: dict[str, Any]) -> None:
    odd = [
        node["name"]
        for node in resources(manifest, "model")
        if not re.fullmatch(NAMES[layer(node)], node["name"])
    ]
    assert odd == []
    tests = {
        Path(node["path"]).stem
        for node in resources(manifest, "test")
        if node["path"].endswith(".sql") and not node.get("test_metadata")
    }
    assert {name for name in tests if not name.startswith("assert_")} == set()
    units = {unit["name"] for unit in manifest["unit_tests"].values()}
    assert {name for name in units if not name.startswith("test_")} == set()


def test_what_leaves_the_house_is_under_contract(manifest: dict[str, Any]) -> None:
    marts = [node for node in resources(manifest, "model") if layer(node) == "marts"]
    assert marts
    assert [node["name"] for node in marts if not node["contract"]["enforced"]] == []
    assert {node["access"] for node in marts} == {"public"}
    private = [node for node in resources(manifest, "model") if layer(node) == "intermediate"]
    assert "public" not in {node["access"] for node in private}


def test_what_tells_who_somebody_is_stays_in_the_house(manifest: dict[str, Any]) -> None:
    models = resources(manifest, "model")
    personal = {
        name
        for node in [*models, *manifest["sources"].values()]
        for name, column in node["columns"].items()
        if column["meta"].get("personal")
    }
    public = {table.name for table in PUBLIC_TABLES}
    assert {"email", "phone", "first_name", "last_name", "birth_date", "gender"} <= personal
    shown = [
        f"{node['name']}.{name}"
        for node in models
        if node["name"] in public
        for name in node["columns"].keys() & (personal - {"value"})
    ]
    assert shown == []


def test_every_mart_is_published(manifest: dict[str, Any]) -> None:
    marts = {node["name"] for node in resources(manifest, "model") if layer(node) == "marts"}
    assert marts == {table.name for table in PUBLIC_TABLES if table.schema == "marts"}


def test_every_audience_is_an_exposure_with_an_owner(manifest: dict[str, Any]) -> None:
    book = read_audiences(REPOSITORY / "seeds" / "rules")
    told = {
        node["name"]: (
            *(node["owner"]["email"], node["label"], node["type"]),
            *(node["meta"][name] for name in ("channel", "destination", "objective")),
        )
        for node in manifest["exposures"].values()
    }
    assert told == {
        row.audience: (
            *(row.owner, row.name, "application"),
            *(row.channel, row.destination, row.objective),
        )
        for row in audiences_in_force(book, Config().segment_preset)
    }
    parents = {f"model.lifestage.{name}" for name in ("audience_memberships", "audience_catalogue")}
    assert all(
        set(node["depends_on"]["nodes"]) == parents for node in manifest["exposures"].values()
    )
    assert all(node["maturity"] and node["description"] for node in manifest["exposures"].values())


def test_sql_reads_no_clock() -> None:
    files = [
        *(REPOSITORY / "dbt_project" / "models").rglob("*.sql"),
        *(REPOSITORY / "dbt_project" / "macros").rglob("*.sql"),
    ]
    assert files
    guilty = [path.name for path in files if CLOCKS.search(code_of(path).lower())]
    assert guilty == []


def code_of(path: Path) -> str:
    """SQL without its comments."""
    return re.sub(r"\{#.*?#\}|--[^\n]*", "", path.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_python_reads_no_clock_and_says_what_lives_where(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "a module opens with what lives here and what does not"
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    clocks = [
        call.attr
        for call in calls
        if isinstance(call, ast.Attribute) and call.attr in PYTHON_CLOCKS
    ]
    assert clocks == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_python_imports_in_one_direction(path: Path) -> None:
    own = place(path)
    wanted = imports(ast.parse(path.read_text()))
    inner = {name.split(".")[1] for name in wanted if name.startswith("orchestration.")}
    outer = {name.split(".")[0] for name in wanted}
    if own in PURE:
        assert inner <= PURE
        assert not outer & {"dagster", "dagster_dbt", "dbt", "duckdb"}
    if own in FOUNDATION:
        assert inner <= FOUNDATION | PURE
        assert not outer & {"dagster", "dagster_dbt", "dbt", "duckdb"}
    if own not in COMMAND_LINE:
        assert not inner & {*COMMAND_LINE, "refresh"}
    if own not in {"definitions", "refresh", "defs"}:
        assert "defs" not in inner
    if own not in {"warehouse", "feeds"}:
        assert "duckdb" not in outer, "the engine is known in one place, and to the loader"


def place(path: Path) -> str:
    """The module, or the folder that it lies in."""
    return path.relative_to(REPOSITORY / "orchestration").with_suffix("").parts[0]


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_private_schemas_are_read_where_it_is_declared() -> None:
    private = re.compile(r"\b(staging|intermediate)\.[a-z_]+|'(staging|intermediate)'")
    readers = {path.name for path in SOURCES if private.search(path.read_text())}
    assert readers <= READERS_OF_PRIVATE_SCHEMAS


def test_the_environment_is_read_in_one_place() -> None:
    readers = {path.name for path in SOURCES if "os.environ" in path.read_text()}
    # project.py writes what dbt reads; run_history.py honours Dagster's own variable.
    assert readers <= {"settings.py", "project.py", "run_history.py"}


def test_documents_point_to_what_exists() -> None:
    documents = [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]
    dead = [
        (document.name, target)
        for document in documents
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:", target) and not (document.parent / target).exists()
    ]
    assert dead == []


def test_benchmark_counts_with_the_checks_what_they_alone_read(manifest: dict[str, Any]) -> None:
    layers = {node["unique_id"]: layer(node) for node in resources(manifest, "model")}
    alone = {
        name.split(".")[-1]
        for name in layers
        if layers[name] == "intermediate"
        and {layers[reader] for reader in descendants(manifest, name)} - {"intermediate"}
        == {"quality"}
        # What a run remembers of itself is part of the run.
        and not any(reader.endswith("_applied") for reader in descendants(manifest, name))
    }

    assert alone == set(FOR_CHECKS_ALONE)


def descendants(manifest: dict[str, Any], name: str) -> set[str]:
    """The models that read a model, directly or through others."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for reader in manifest["child_map"].get(waiting.pop(), []):
            if reader.startswith("model.") and reader not in found:
                found.add(reader)
                waiting.append(reader)
    return found
