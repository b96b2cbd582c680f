"""The command line on the sample shop: what it prints, when it refuses, with which exit code."""

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from orchestration import cli
from tests.conftest import REPOSITORY, Installation, make_installation

# People of the sample shop of whom something can be said that does not change.
ONE_ORDER = "C0042"
APPROVE = (
    *("approve", "--as-of", "2026-06-30", "--until", "2026-06-30"),
    *("--by", "Ann", "--reason", "a strike"),
)


@pytest.fixture
def shop(sample_shop: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """The sample shop as the installation of this process."""
    for name in ("LIFESTAGE_CONFIG", "LIFESTAGE_HOME", "COLUMNS"):
        monkeypatch.setenv(name, sample_shop.environment[name])
    return sample_shop


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_help_is_quick_to_import() -> None:
    heavy = (
        "import orchestration.cli, sys;"
        "print({'apprise', 'dagster', 'dbt', 'plotly', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_status_says_how_far_everything_is(shop: Installation) -> None:
    said = run("status")
    assert "tables     as of 2026-06-30" in said
    assert "published  as of 2026-06-30" in said
    with duckdb.connect(shop.settings.warehouse_path, read_only=True) as connection:
        rejected = connection.execute("select count(*) from staging.rejected_rows").fetchall()
    assert rejected[0][0] == 6
    assert "UNKNOWN_CURRENCY" in said
    assert "C0" not in said


def test_status_says_what_was_found_and_what_is_served(shop: Installation) -> None:
    said = run("status")
    assert "published  as of 2026-06-30, warn, generation" in said
    assert "held" not in said.replace("tables may be published", "").split("source ")[0]
    assert "verdict    as of 2026-06-30:" in said
    assert "warning    key_integrity, orders: repeated: 3 rows" in said


def test_checks_are_shown_worst_first(shop: Installation) -> None:
    lines = run("checks").splitlines()
    assert lines[0].startswith("verdict    as of 2026-06-30:")
    ranks = ["error", "warning", "no data", "well"]
    found = [rank for line in lines[1:] for rank in ranks if line.startswith(rank)]
    assert len(found) == len(lines) - 1
    assert found == sorted(found, key=ranks.index)
    with duckdb.connect(shop.settings.warehouse_path, read_only=True) as connection:
        checks, results = connection.execute(
            "select count(distinct check_id), count(*) from checks.check_results"
            " where as_of_date = date '2026-06-30'"
        ).fetchall()[0]
    assert len(found) == checks
    assert len(run("checks", "--all").splitlines()) == results + 1


def test_generations_are_listed(shop: Installation) -> None:
    (header, *rows) = run("rollback", "--list").splitlines()
    assert header.split() == ["generation", "as", "of"]
    assert sum(row.rstrip().endswith("is served") for row in rows) == 1


def test_explain_shows_the_evidence(shop: Installation) -> None:
    said = run("explain", ONE_ORDER)
    assert said.startswith("hibernating, lost, on 2026-06-30")
    assert "904 days" in said
    assert "cut points of 2026-03-31" in said
    assert "of preset default, in force since" in said
    assert "S10019" in said
    assert "2024-07-07  hibernating          lost" in said
    assert "nothing changes any more" in said


def test_explain_knows_the_past(shop: Installation) -> None:
    with duckdb.connect(shop.settings.warehouse_path, read_only=True) as connection:
        segment, stage = connection.execute(
            "select segment, lifecycle_stage from marts.customer_timeline where customer_id = ?"
            " and date '2024-02-20' >= valid_from and date '2024-02-20' < valid_to",
            [ONE_ORDER],
        ).fetchall()[0]
    said = run("explain", ONE_ORDER, "--as-of", "2024-02-20")
    assert said.startswith(f"{segment}, {stage}, on 2024-02-20")
    assert "43 days" in said
    assert "2024-07-07  hibernating" in said.split("what comes next")[1]


def test_explain_agrees_with_the_published_tables(shop: Installation) -> None:
    database = shop.settings.published_dir / "lifestage.duckdb"
    with duckdb.connect(database, read_only=True) as connection:
        rows = connection.execute(
            "select customer_id, segment, lifecycle_stage, next_segment, next_segment_on"
            " from published.customers where next_segment is not null"
            " qualify row_number() over (partition by segment order by customer_id) = 1"
        ).fetchall()
    assert len(rows) >= 4
    for customer, segment, stage, upcoming, day in rows:
        said = run("explain", customer)
        assert said.startswith(f"{segment}, {stage}, on 2026-06-30")
        ahead = said.split("what comes next")[1].splitlines()
        assert any(str(day) in line and upcoming in line for line in ahead)


def test_what_if_the_rules_stay_nobody_moves(shop: Installation) -> None:
    said = run("what-if", str(REPOSITORY / "seeds" / "rules" / "segment_rules.csv"))
    assert said.startswith("0 of 598 customers would move (0.0%)")


def test_what_if_counts_people_and_money(shop: Installation, tmp_path: Path) -> None:
    candidate = tmp_path / "candidate.csv"
    header = "preset,valid_from,priority,segment,r_min,r_max,f_min,f_max,m_min,m_max"
    candidate.write_text(
        f"{header}\nmine,2024-01-01,1,champions,4,5,4,5,1,5\nmine,2024-01-01,2,rest,1,5,1,5,1,5\n"
    )
    said = run("what-if", str(candidate))
    with duckdb.connect(shop.settings.warehouse_path, read_only=True) as connection:
        customers, money = connection.execute(
            "select count(*), sum(monetary) from marts.customers where segment <>"
            " case when r_score >= 4 and f_score >= 4 then 'champions' else 'rest' end"
        ).fetchall()[0]
    assert said.startswith(f"{customers:,} of 598 customers would move")
    assert f"with {money:,.2f} USD" in said


def test_lint_rules_is_content_with_the_shipped_rules(shop: Installation) -> None:
    assert "The rules are sound." in run("lint-rules")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("explain", "nobody"), "no customer of that id has an order up to 2026-06-30"),
        (("refresh", "--as-of", "2999-01-01"), "AS_OF_IN_FUTURE as_of: ask for"),
        (("refresh", "--as-of", "2023-12-31"), "history starts on 2024-01-01"),
        (("refresh", "--as-of", "2024-02-01", "--from", "2024-02-02"), "OUT_OF_RANGE from"),
        (("what-if", "missing.csv"), "missing.csv is missing"),
        ((*APPROVE, "conservation"), "conservation is required and cannot be approved"),
        ((*APPROVE, "unheard_of"), "no check of that name"),
        ((*APPROVE, "churn_30d"), "churn_30d has no error as of 2026-06-30"),
        ((*APPROVE[:4], "2026-06-29", *APPROVE[5:], "C30"), "an approval until 2026-06-29"),
        (("rollback", "0123456789abcdef"), "there is no such older generation"),
    ],
)
def test_a_refusal_is_one_line_and_an_exit_code(
    shop: Installation,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["lifestage", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = [line for line in capsys.readouterr().err.splitlines() if not line.endswith("...")]
    assert ended.value.code == 1
    assert len(said) == 1
    assert said[0].startswith("lifestage: ")
    assert message in said[0]


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    fresh = make_installation(tmp_path / "fresh")
    assert "none yet: run `lifestage refresh`" in fresh.lifestage("status").stdout
    assert "run `lifestage refresh` first" in fresh.lifestage("checks").stderr
    done = fresh.lifestage("explain", ONE_ORDER)
    assert done.returncode == 1
    assert "run `lifestage refresh` first" in done.stderr


def test_a_broken_table_of_thresholds_is_one_line(tmp_path: Path) -> None:
    shop = make_installation(tmp_path / "thresholds")
    (shop.root / "rules").mkdir()
    own = (REPOSITORY / "seeds" / "rules" / "quality_thresholds.csv").read_text()
    (shop.root / "rules" / "quality_thresholds.csv").write_text(own.replace("C02,", "C01,", 1))
    config = shop.root / "lifestage.yml"
    config.write_text(f"{config.read_text()}rules: rules\n")
    done = shop.lifestage("refresh")
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if not line.endswith("...")]
    assert said == ["lifestage: quality_thresholds.csv: C01 stands there twice; remove one row"]


def test_a_rule_gap_stops_before_anything_is_computed(tmp_path: Path) -> None:
    shop = make_installation(tmp_path / "gap")
    rules = shop.root / "rules"
    rules.mkdir()
    shutil.copy(REPOSITORY / "seeds" / "rules" / "segment_rules.csv", rules)
    table = rules / "segment_rules.csv"
    lines = table.read_text().splitlines()
    hibernating = [line for line in lines if line.startswith("default,") and "hibernating" in line]
    table.write_text("\n".join(line for line in lines if line not in hibernating) + "\n")
    (shop.root / "lifestage.yml").write_text(
        (shop.root / "lifestage.yml").read_text() + "rules: rules\n"
    )

    linted = shop.lifestage("lint-rules")
    assert linted.returncode == 1
    assert "must be put right" in linted.stderr
    done = shop.lifestage("refresh")
    assert done.returncode == 1
    assert "the rules are refused" in done.stderr
    assert "gap" in done.stderr.lower()
    with duckdb.connect(shop.settings.warehouse_path, read_only=True) as connection:
        tables = connection.execute(
            "select distinct table_schema from information_schema.tables"
        ).fetchall()
    assert tables == [("raw",)]
    assert not (shop.settings.published_dir / "lifestage.duckdb").exists()
