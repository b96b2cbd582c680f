"""Audiences of the sample shop: who gets into a list is worked out again from the files by hand."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import pytest

from orchestration.audience_delivery import ActivationHeld, deliver, plan_deliveries
from orchestration.defs.deliveries import COMPLETE, GUARDED, LET_GO, deliveries_asset
from orchestration.defs.steps import RETRIES, TURN, turn_on_warehouse
from orchestration.measures.holdout import is_held_out
from orchestration.overlay import rules_dir
from orchestration.partitions import business_days
from orchestration.rules import read_audiences
from orchestration.warehouse import open_database
from tests.conftest import REPOSITORY, Installation, make_installation
from tests.fake_destination import TOKEN, Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = date(2026, 6, 30)
REASONS = (
    *("suppressed", "archived", "under_age", "no_consent", "no_key", "over_cap"),
    "held_out",
)


def ask(path: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(path, read_only=True) as connection:
        return connection.execute(query).fetchall()


def rows_of(shop: Installation, name: str) -> list[dict[str, str]]:
    path = shop.root / "seeds" / "sample" / f"raw_{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def shop(sample_shop: Installation, tmp_path: Path) -> Installation:
    made = sample_shop.copy(tmp_path / "shop")
    # As if nothing had been delivered yet, which the nightly job has done.
    shutil.rmtree(made.settings.home / "deliveries")
    change(made, "drop schema delivery cascade")
    return made


@pytest.fixture(scope="module")
def decided(sample_shop: Installation) -> list[dict[str, Any]]:
    """Every candidate of the day with the reason that keeps them out."""
    query = f"""
        select audience, customer_id, reason from activation.activation_decisions
        where as_of_date = date '{DAY}'
    """
    names = ("audience", "customer_id", "reason")
    return [
        dict(zip(names, row, strict=True))
        for row in ask(sample_shop.settings.warehouse_path, query)
    ]


@pytest.fixture(scope="module")
def consenting(sample_shop: Installation) -> dict[tuple[str, str], set[str]]:
    """Who has said yes, by purpose and channel, worked out from the files."""
    said: dict[tuple[str, str, str], list[tuple[str, bool]]] = defaultdict(list)
    for row in rows_of(sample_shop, "consents"):
        is_yes = row["status"] == "GRANT" and not (
            row["expires_at"] and date.fromisoformat(row["expires_at"]) <= DAY
        )
        key = (row["customer_id"], row["purpose"], row["channel"])
        said[key].append((row["given_at"], is_yes))
    for row in rows_of(sample_shop, "responses"):
        if row["kind"] == "unsubscribe":
            key = (row["customer_id"], "marketing", row["channel"])
            said[key].append((row["responded_at"], False))
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (customer, purpose, channel), statements in said.items():
        newest = max(day for day, _ in statements)
        if all(is_yes for day, is_yes in statements if day == newest):
            found[purpose, channel].add(customer)
    return found


@pytest.fixture(scope="module")
def suppressed(sample_shop: Installation) -> dict[str, set[str]]:
    """Who is on a suppression list, by purpose."""
    by_hash = {
        hashlib.sha256(row["email"].encode()).hexdigest(): row["customer_id"]
        for row in rows_of(sample_shop, "customers")
    }
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows_of(sample_shop, "suppressions"):
        customer = row["value"] if row["type"] == "customer_id" else by_hash[row["value"]]
        found[row["purpose"]].add(customer)
    return found


def test_everybody_described_is_a_member_or_kept_out_for_one_reason(
    sample_shop: Installation, decided: list[dict[str, Any]]
) -> None:
    published = sample_shop.settings.published_dir / "lifestage.duckdb"
    columns = ", ".join(REASONS)
    reach = ask(
        published,
        f"select audience, candidates, contactable, {columns} from published.audience_reach",
    )
    counted = Counter((row["audience"], row["reason"]) for row in decided)
    assert len(reach) == 9
    for audience, candidates, contactable, *kept_out in reach:
        assert candidates == contactable + sum(kept_out)
        assert contactable == counted[audience, None]
        assert kept_out == [counted[audience, reason] for reason in REASONS]
    # The sample shop shows every reason at least once.
    assert {row["reason"] for row in decided} == {None, *REASONS}


def test_nobody_is_a_member_without_being_allowed(
    sample_shop: Installation,
    decided: list[dict[str, Any]],
    consenting: dict[tuple[str, str], set[str]],
    suppressed: dict[str, set[str]],
) -> None:
    book = read_audiences(rules_dir(sample_shop.settings, sample_shop.config))
    audiences = {row.audience: row for row in book.audiences}
    week_ago = (DAY - timedelta(days=7)).isoformat()
    mails = Counter(
        row["customer_id"]
        for row in rows_of(sample_shop, "contacts")
        if week_ago < row["contacted_at"] <= DAY.isoformat()
    )
    with_mail = {row["customer_id"] for row in rows_of(sample_shop, "customers") if row["email"]}
    held = {row.audience: row for row in book.holdouts}
    for row in decided:
        customer, audience = row["customer_id"], audiences[row["audience"]]
        purpose = audience.purpose
        is_suppressed = customer in suppressed["all"] | suppressed[purpose]
        is_allowed = customer in consenting[purpose, audience.channel]
        assert (row["reason"] == "suppressed") == is_suppressed
        if row["reason"] == "no_consent":
            assert not is_allowed
        if row["reason"] in {None, "no_key", "over_cap", "held_out"}:
            assert is_allowed
        if audience.channel != "email" or row["reason"] not in {None, "held_out"}:
            continue
        assert customer in with_mail
        assert mails[customer] < 4
        is_control = any(
            is_held_out(held[name].salt, customer, held[name].share)
            for name in ("*", audience.audience)
        )
        assert (row["reason"] == "held_out") == is_control


def test_yesterday_with_its_changes_is_today(sample_shop: Installation) -> None:
    query = """
        select audience, customer_id from activation.activation_decisions
        where reason is null and as_of_date = date '{}'
    """
    warehouse = sample_shop.settings.warehouse_path
    before, today = (
        set(ask(warehouse, query.format(day))) for day in (DAY - timedelta(days=1), DAY)
    )
    changes = ask(
        warehouse, "select audience, customer_id, change from activation.audience_changes"
    )
    added = {row[:2] for row in changes if row[2] == "added"}
    removed = {row[:2] for row in changes if row[2] == "removed"}
    assert added or removed
    assert not added & before
    assert removed <= before
    assert before - removed | added == today


def lists_of(shop: Installation) -> dict[str, list[dict[str, str]]]:
    """The members of each list that was delivered to a folder."""
    found = {}
    for manifest in shop.settings.home.glob("deliveries/*/*/*/manifest.json"):
        with (manifest.parent / "members.csv").open(encoding="utf-8", newline="") as file:
            found[manifest.parents[1].name] = list(csv.DictReader(file))
        assert json.loads(manifest.read_text())["as_of_date"] == DAY.isoformat()
    return found


def test_lists_hold_the_members_once_and_nothing_is_sent_twice(
    shop: Installation, decided: list[dict[str, Any]]
) -> None:
    settings, config = shop.settings, shop.config
    with open_database(settings.warehouse_path, read_only=False) as session:
        planned = {row.audience: row for row in plan_deliveries(session, settings, config)}
        first = list(deliver(session, settings, config, {}))
    lists = lists_of(shop)
    members: dict[str, list[str]] = defaultdict(list)
    for row in decided:
        if row["reason"] is None:
            members[row["audience"]].append(row["customer_id"])
    for report in first:
        name = report.delivery.audience
        plan = planned[name]
        assert plan.decision.reasons == report.decision.reasons
        if plan.decision.is_stopped:
            assert name not in lists
            continue
        assert report.added == plan.counts.added == len(members[name])
        keys = sorted(row["member_key"] for row in lists[name])
        assert keys == sorted(members[name])
        assert all(row["email"].endswith("@example.com") for row in lists[name])
    assert {report.delivery.audience for report in first if report.decision.reasons} == {
        *("third_order", "lookalike_seed")
    }

    with open_database(settings.warehouse_path, read_only=False) as session:
        again = list(deliver(session, settings, config, {}))
    assert {report.status for report in again} == {"complete", "stopped"}
    assert lists_of(shop) == lists
    with open_database(settings.warehouse_path, read_only=False) as session:
        left = plan_deliveries(session, settings, config)
    assert {
        (row.counts.added, row.counts.removed) for row in left if not row.decision.is_stopped
    } == {(0, 0)}


def refused(shop: Installation) -> str:
    settings, config = shop.settings, shop.config
    with (
        open_database(settings.warehouse_path, read_only=False) as session,
        pytest.raises(ActivationHeld) as held,
    ):
        list(deliver(session, settings, config, {}))
    assert not (settings.home / "deliveries").exists()
    return str(held.value)


def change(shop: Installation, statement: str) -> None:
    with duckdb.connect(shop.settings.warehouse_path) as connection:
        connection.execute(statement)


def test_nothing_is_sent_before_anything_is_published(shop: Installation) -> None:
    shutil.rmtree(shop.settings.published_dir)
    assert "nothing is published" in refused(shop)


def test_nothing_is_sent_when_the_checks_hold_messages(shop: Installation) -> None:
    change(shop, "update checks.verdicts set allows_activation = false")
    assert "hold all messages" in refused(shop)


def test_nothing_is_sent_without_a_verdict_on_these_tables(shop: Installation) -> None:
    change(shop, "delete from checks.verdicts")
    assert "no verdict" in refused(shop)


def test_nothing_is_sent_that_was_not_published(shop: Installation) -> None:
    change(shop, "delete from activation.audience_memberships where audience = 'win_back'")
    assert "other members than were published" in refused(shop)


def test_nothing_is_sent_while_somebody_waits_to_be_forgotten(shop: Installation) -> None:
    done = shop.lifestage("erase", "--customer", "C0042")
    assert done.returncode == 0, done.stderr
    assert "somebody asked to be forgotten: run `lifestage refresh`" in refused(shop)
    for command in ("plan", "deliver"):
        done = shop.lifestage(command)
        assert done.returncode == 1
        assert done.stderr == (
            "lifestage: somebody asked to be forgotten: run `lifestage refresh`\n"
        )


@pytest.mark.parametrize("command", ["plan", "deliver"])
def test_before_the_first_refresh_no_empty_warehouse_is_made(tmp_path: Path, command: str) -> None:
    bare = make_installation(tmp_path / "bare")
    done = bare.lifestage(command)
    assert (done.returncode, done.stderr) == (
        *(1, "lifestage: nothing was judged yet: run `lifestage refresh` first\n"),
    )
    assert not bare.settings.warehouse_path.exists()


def in_the_way_of(shop: Installation, audience: str) -> Path:
    """Put a file where the folder of an audience belongs."""
    path = shop.settings.home / "deliveries" / "email_list" / audience
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way")
    return path


def test_one_broken_destination_keeps_no_other_list_waiting(shop: Installation) -> None:
    in_the_way_of(shop, "onboarding")
    done = shop.lifestage("deliver")
    assert done.returncode == 1
    assert done.stderr == (
        "lifestage: 1 deliveries are not complete, to email_list: run `lifestage deliver`\n"
    )
    assert "onboarding to email_list: incomplete, 0 added" in done.stdout
    assert "onboarding to email_list: the folder of email_list cannot be written" in done.stdout
    settings, config = shop.settings, shop.config
    with open_database(settings.warehouse_path, read_only=False) as session:
        reports = list(deliver(session, settings, config, {}))
    assert {row.delivery.audience: row.unknown for row in reports if row.trouble} == {
        "onboarding": 7
    }
    (settings.home / "deliveries" / "email_list" / "onboarding").unlink()
    assert shop.lifestage("deliver").returncode == 0
    assert len(lists_of(shop)) == 7


def launched(shop: Installation, history: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Launch the delivery alone."""
    settings = replace(shop.settings, retry_seconds=0)
    return dg.materialize(
        [deliveries_asset(shop.config, settings, business_days(shop.config))],
        resources={TURN: turn_on_warehouse(settings)},
        instance=history,
        partition_key=str(DAY),
        raise_on_error=False,
    )


@pytest.fixture
def history(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "history").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "history")) as instance:
        yield instance


def test_the_step_fails_after_it_has_told_what_the_others_achieved(
    shop: Installation, history: dg.DagsterInstance
) -> None:
    in_the_way_of(shop, "onboarding")
    result = launched(shop, history)
    assert not result.success
    failures = result.filter_events(lambda event: event.is_step_failure)
    assert "onboarding to email_list: the folder" in str(failures[-1].event_specific_data)
    retries = result.filter_events(lambda event: event.is_step_up_for_retry)
    assert len(retries) == RETRIES
    shown = result.asset_materializations_for_node("delivery__audiences")[0].metadata["lists"]
    assert "| win_back | email_list | complete | 30 |" in str(shown.value)
    passed = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert passed[LET_GO]
    assert not passed[COMPLETE]


def test_no_check_passes_that_nobody_judged(
    shop: Installation, history: dg.DagsterInstance
) -> None:
    change(shop, "update checks.verdicts set allows_activation = false")
    result = launched(shop, history)
    assert result.success
    told = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert [told[name].passed for name in (LET_GO, GUARDED, COMPLETE)] == [False] * 3
    for name in (GUARDED, COMPLETE):
        assert told[name].metadata["reason"].value == "nothing was judged"


def leave_behind(shop: Installation, audience: str, destination: str) -> None:
    """Make the list of `win_back` one that was delivered under another name."""
    for table in ("members", "attempts", "deliveries", "guards", "let_go"):
        change(
            shop,
            f"update delivery.{table} set audience = '{audience}', destination = '{destination}'"
            " where audience = 'win_back'",
        )
    home = shop.settings.home / "deliveries"
    (home / destination).mkdir(exist_ok=True)
    (home / "email_list" / "win_back").rename(home / destination / audience)


def members_of(shop: Installation, audience: str) -> set[str]:
    query = f"select customer_id from delivery.members where audience = '{audience}'"
    return {customer for (customer,) in ask(shop.settings.warehouse_path, query)}


def test_a_list_that_is_not_in_force_any_more_is_emptied_once_somebody_says_so(
    shop: Installation,
) -> None:
    assert shop.lifestage("deliver").returncode == 0
    leave_behind(shop, "autumn_sale", "email_list")
    before = members_of(shop, "autumn_sale")
    objecting, gone = sorted(before)[:2]
    change(
        shop,
        "insert into activation.activation_suppressed values"
        f" ('{objecting}', 'marketing', date '2026-06-01')",
    )
    change(
        shop,
        "update delivery.members set customer_id = 'C-GONE' where audience = 'autumn_sale'"
        f" and customer_id = '{gone}'",
    )
    done = shop.lifestage("deliver", "--audience", "autumn_sale")
    assert done.returncode == 0, done.stderr
    assert "autumn_sale to email_list: stopped (G04), 30 added, 2 removed" in done.stdout
    assert members_of(shop, "autumn_sale") == before - {objecting, gone}
    told = ("--audience", "autumn_sale", "--as-of", DAY.isoformat(), "--by", "ann@example.com")
    done = shop.lifestage("approve", "G04", *told, "--reason", "the sale is over")
    assert done.returncode == 0, done.stderr
    folder = shop.settings.home / "deliveries" / "email_list" / "autumn_sale"
    for removed in (28, 0):
        done = shop.lifestage("deliver", "--audience", "autumn_sale")
        assert done.returncode == 0, done.stderr
        (removals,) = folder.glob("*/removals.csv")
        assert len(removals.read_text(encoding="utf-8").splitlines()) == removed + 1
    assert members_of(shop, "autumn_sale") == set()
    done = shop.lifestage("plan")
    assert "win_back" in done.stdout
    assert "autumn_sale" not in done.stdout


def test_who_is_left_at_a_destination_without_a_row_is_told_about(shop: Installation) -> None:
    assert shop.lifestage("deliver").returncode == 0
    leave_behind(shop, "win_back", "old_shop")
    done = shop.lifestage("deliver")
    assert done.returncode == 1
    assert "win_back to email_list: complete, 30 added" in done.stdout
    why = (
        "win_back to old_shop: old_shop still holds members and is no row of destinations:"
        " put the row back until the list is empty"
    )
    assert why in done.stdout
    assert "not complete, to old_shop:" in done.stderr
    done = shop.lifestage("plan")
    assert (done.returncode, why in done.stdout) == (0, True)


def test_members_whom_a_destination_cannot_use_are_counted(shop: Installation) -> None:
    change(
        shop,
        "update activation.people set email = 'no address' where customer_id in (select customer_id"
        " from activation.audience_memberships where audience = 'win_back' limit 3)",
    )
    (header, *rows) = shop.lifestage("plan").stdout.splitlines()
    assert "unusable" in header
    (row,) = (row.split() for row in rows if row.startswith("win_back "))
    assert row[7] == "3"
    lines = shop.lifestage("deliver").stdout.splitlines()
    (line,) = (line for line in lines if line.startswith("win_back "))
    assert "complete, 27 added" in line
    assert line.endswith("0 not answered, 3 unusable")
    assert not any(", 0 unusable" in line for line in lines)


def test_an_unknown_audience_is_named_as_such(shop: Installation) -> None:
    settings, config = shop.settings, shop.config
    with (
        open_database(settings.warehouse_path, read_only=False) as session,
        pytest.raises(ActivationHeld, match="no such audience"),
    ):
        plan_deliveries(session, settings, config, "winback")


def test_who_objects_leaves_even_a_list_that_is_stopped(shop: Installation) -> None:
    settings, config = shop.settings, shop.config
    with open_database(settings.warehouse_path, read_only=False) as session:
        list(deliver(session, settings, config, {}))
    before = lists_of(shop)["cross_sell"]
    objecting = {row["member_key"] for row in before[:3]}
    consents = shop.root / "seeds" / "sample" / "raw_consents.csv"
    with consents.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(
            [customer, "marketing", "email", "REVOKED", "2026-06-30", ""] for customer in objecting
        )
    # A slip of the pen that would empty half the list.
    own = shop.root / "rules"
    own.mkdir()
    shipped = rules_dir(settings, config) / "audiences.csv"
    text = shipped.read_text(encoding="utf-8")
    assert ",active,2,,,,89,," in text
    (own / "audiences.csv").write_text(text.replace(",active,2,,,,89,,", ",active,9,,,,89,,"))
    # The lists of so small a shop are judged from 20 members on.
    destinations = (shipped.parent / "destinations.csv").read_text(encoding="utf-8")
    assert ",none,1,100," in destinations
    (own / "destinations.csv").write_text(destinations.replace(",none,1,100,", ",none,1,20,"))
    settings_file = shop.root / "lifestage.yml"
    settings_file.write_text(settings_file.read_text() + "rules: rules\n")
    done = shop.lifestage("refresh")
    assert done.returncode == 0, done.stderr
    done = shop.lifestage("deliver", "--audience", "cross_sell")
    assert done.returncode == 0, done.stderr
    assert "stopped (G01, G11)" in done.stdout
    left = {row["member_key"] for row in lists_of(shop)["cross_sell"]}
    assert left == {row["member_key"] for row in before} - objecting

    # Somebody looks at it and finds that it was meant.
    told = ("--audience", "cross_sell", "--as-of", DAY.isoformat(), "--by", "ann@example.com")
    refused = shop.lifestage("approve", "consent", *told, "--reason", "haste")
    assert refused.returncode == 1
    assert "cannot be approved" in refused.stderr
    for check, outcome in (("G01", "stopped (G11)"), ("rules_changed", "complete")):
        done = shop.lifestage("approve", check, *told, "--reason", "the rule is meant")
        assert done.returncode == 0, done.stderr
        done = shop.lifestage("deliver", "--audience", "cross_sell")
        assert f"cross_sell to email_list: {outcome}" in done.stdout
    meant = "select customer_id from activation.audience_memberships where audience = 'cross_sell'"
    members = {customer for (customer,) in ask(settings.warehouse_path, meant)}
    assert {row["member_key"] for row in lists_of(shop)["cross_sell"]} == members != left


def send_by_http(shop: Installation) -> None:
    """Let the lists of the shop go to a web address instead of a folder."""
    own = shop.root / "rules"
    own.mkdir(exist_ok=True)
    shipped = rules_dir(shop.settings, shop.config) / "destinations.csv"
    text = shipped.read_text(encoding="utf-8")
    assert "email_list,files," in text
    (own / "destinations.csv").write_text(text.replace("email_list,files,", "email_list,http,"))
    settings_file = shop.root / "lifestage.yml"
    settings_file.write_text(settings_file.read_text() + "rules: rules\n")


def test_lists_reach_a_web_address_through_its_faults_and_its_secret_stands_nowhere(
    shop: Installation, monkeypatch: pytest.MonkeyPatch, decided: list[dict[str, Any]]
) -> None:
    """X48, X49, X83: rejects, errors, lost answers, and an address that is dead at first."""
    send_by_http(shop)
    monkeypatch.setenv("LIFESTAGE_DEST_EMAIL_LIST_TOKEN", TOKEN)
    monkeypatch.setenv("LIFESTAGE_DEST_EMAIL_LIST_URL", "http://127.0.0.1:9/topsecret")
    done = shop.lifestage("refresh")  # judges the new rules; its last step finds nobody there
    said = done.stdout + done.stderr
    members = Counter(row["audience"] for row in decided if row["reason"] is None)
    endpoint = Endpoint()
    try:
        rejected = sorted(
            row["customer_id"]
            for row in decided
            if (row["audience"], row["reason"]) == ("cross_sell", None)
        )[::33]
        endpoint.server.rejects = dict.fromkeys(rejected, "bounced")
        monkeypatch.setenv("LIFESTAGE_DEST_EMAIL_LIST_URL", endpoint.url)
        for faults in (["500", "lost"], ["lost_500", "partial"], []):
            endpoint.server.faults = list(faults)
            done = shop.lifestage("deliver", "--audience", "cross_sell")
            said += done.stdout + done.stderr
        assert f"{len(rejected)} rejected" in done.stdout
        reasons = (
            "select distinct member_key, reason from delivery.attempts where status = 'rejected'"
        )
        assert sorted(ask(shop.settings.warehouse_path, reasons)) == [
            (one, "bounced") for one in rejected
        ]
        endpoint.server.rejects = {}
        endpoint.server.requests.clear()
        done = shop.lifestage("deliver", "--audience", "cross_sell")
        assert done.returncode == 0, done.stderr
        assert [member for _, member in endpoint.server.sent()] == rejected
        there = [member for member, _ in endpoint.server.rows]
        assert len(there) == len(set(there)) == members["cross_sell"]
        assert endpoint.server.violations == []
        assert {one["Authorization"] for one in endpoint.server.headers} == {f"Bearer {TOKEN}"}
    finally:
        endpoint.close()
    assert TOKEN not in said
    assert "topsecret" not in said
    secrets = (TOKEN.encode(), b"/topsecret")
    for path in (path for path in shop.root.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not [one for one in secrets if one in content], path.name


def connect_as_documented(database: Path) -> duckdb.DuckDBPyConnection:
    """Open a database with the very lines that docs/bi.md gives to readers."""
    text = (REPOSITORY / "docs" / "bi.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import duckdb\n.*?)```", text, re.DOTALL)
    code = code[: code.index("print(")].replace(".lifestage/published/lifestage.duckdb", "{}")
    assert "{}" in code
    names: dict[str, Any] = {}
    exec(code.replace("{}", str(database)), names)
    return names["connection"]


@pytest.mark.parametrize(
    "statement",
    [
        "create table published.mine as select 1",
        "delete from published.customers",
        "copy (from published.customers) to '{folder}/out.csv'",
        "export database '{folder}/out'",
        "attach '{folder}/other.duckdb' as other",
        "from read_csv('{folder}/secret.csv')",
        "from read_parquet('{folder}/x.parquet')",
        "install httpfs",
        "set enable_external_access = true",
        "set lock_configuration = false",
    ],
)
def test_readers_can_read_and_nothing_else(
    sample_shop: Installation, tmp_path: Path, statement: str
) -> None:
    """X85."""
    (tmp_path / "secret.csv").write_text("a\n1\n")
    before = sorted(tmp_path.iterdir())
    published = sample_shop.settings.published_dir / "lifestage.duckdb"
    with connect_as_documented(published) as reader:
        assert reader.execute("select count(*) from published.customers").fetchall() == [(600,)]
        with pytest.raises(duckdb.Error):
            reader.execute(statement.format(folder=tmp_path)).fetchall()
    assert sorted(tmp_path.iterdir()) == before
