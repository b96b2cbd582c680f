"""Delivery through drt: what arrives is what was let go, once, and nothing is kept or told."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.activation import drt_sync
from orchestration.activation.destinations import DestinationError
from orchestration.activation.drt_files import drt_project
from orchestration.activation.drt_sync import DrtSync, read_sync
from orchestration.config import ConfigError, parse_config
from orchestration.defs.deliveries import DELIVERIES_KEY
from orchestration.defs.drt import drt_assets
from orchestration.measures.audience_rules import audiences_in_force
from orchestration.measures.delivery_guards import Limits
from orchestration.overlay import SEEDS_DIR, seeds_root
from orchestration.rules import read_audiences
from orchestration.settings import Settings
from orchestration.warehouse import Session, open_scratch
from tests.fake_destination import DAY, LAX, TOKEN, Endpoint, Server, Shop, people, respond

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    import dagster as dg

BOOK = read_audiences(SEEDS_DIR / "rules")
THROUGH_DRT = replace(
    BOOK,
    destinations=tuple(
        replace(row, kind="drt") if row.channel == "email" else row for row in BOOK.destinations
    ),
)
VALUES = ("city", "spent")


class Crm(Endpoint):
    """A tool that takes one member per request, as drt sends them, and repeats them in errors."""

    def answer(self, handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        server = self.server
        fault = server.faults.pop(0) if server.faults else ""
        if fault == "500":
            respond(handler, 500, b"{}")
            return
        assert request["is_member"] is (request["operation"] != "remove")
        row = {
            "key": request["idempotency_key"],
            "operation": request["operation"],
            "member": request["member_key"],
            "values": {name: request[name] for name in VALUES if name in request},
        }
        (result,) = server.take({"rows": [row]})
        if fault == "lost":
            return
        if result["status"] == "accepted":
            respond(handler, 200, b"{}")
        else:
            respond(handler, 422, f"{row['member']} is not welcome".encode())


@pytest.fixture(scope="module")
def port() -> Iterator[Crm]:
    crm = Crm()
    yield crm
    crm.close()


@pytest.fixture
def crm(port: Crm) -> Crm:
    port.server = Server()
    return port


@pytest.fixture
def session() -> Iterator[Session]:
    with open_scratch() as scratch:
        yield scratch


@pytest.fixture
def shop(session: Session) -> Shop:
    return Shop(session)


@pytest.fixture
def project(tmp_path: Path, crm: Crm, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A drt project as the command writes it, with an audience of the test."""
    monkeypatch.setenv("LIFESTAGE_DEST_CRM_URL", crm.url)
    monkeypatch.setenv("LIFESTAGE_DEST_CRM_TOKEN", TOKEN)
    return written(tmp_path / "drt")


def written(folder: Path) -> Path:
    vip = replace(BOOK.audiences[0], audience="vip", destination="crm")
    crm = replace(BOOK.destinations[0], destination="crm", kind="drt")
    for name, text in drt_project([vip], [crm]).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def patched(project: Path, **changes: Any) -> Path:
    """Change parts of the sync, by their way: `sync__mode`."""
    path = project / "syncs" / "vip.yml"
    sync = yaml.safe_load(path.read_text(encoding="utf-8"))
    for way, value in changes.items():
        *parts, last = way.split("__")
        place = sync
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = value
    path.write_text(yaml.safe_dump(sync), encoding="utf-8")
    return project


def quick(project: Path, **changes: Any) -> DrtSync:
    """A sync that does not wait."""
    changes = {"sync__retry": {"max_attempts": 1}, "sync__batch_size": 2} | changes
    rate = {"requests_per_second": 10_000}
    return read_sync(patched(project, sync__rate_limit=rate, **changes), "vip")


def test_members_arrive_once_and_a_second_run_sends_nothing(
    shop: Shop, crm: Crm, project: Path
) -> None:
    sync = quick(project)
    shop.wants(people("ann", "ben", "cem"))
    report = shop.delivers(sync)
    assert (report.status, report.added, report.unknown) == ("complete", 3, 0)
    assert dict(crm.server.rows)["ann"] == {"city": "Oslo", "spent": "12.50"}
    assert {key for key, _ in crm.server.rows} == set(shop.members()) == {"ann", "ben", "cem"}
    assert {headers["Authorization"] for headers in crm.server.headers} == {f"Bearer {TOKEN}"}
    assert all(headers["Idempotency-Key"] for headers in crm.server.headers)
    crm.server.sent()
    shop.delivers(quick(project), day=DAY + timedelta(days=1))
    assert crm.server.sent() == []


def test_who_leaves_is_told_of_by_the_key_alone_and_first(
    shop: Shop, crm: Crm, project: Path
) -> None:
    sync = quick(project)
    shop.wants(people("ann", "ben"))
    shop.delivers(sync)
    crm.server.sent()
    shop.wants(people("ben", city="Bonn") | people("dee"))
    report = shop.delivers(sync, day=DAY + timedelta(days=1))
    assert (report.added, report.removed, report.updated) == (1, 1, 1)
    first = crm.server.requests[0]["rows"][0]
    assert (first["operation"], first["member"], first["values"]) == ("remove", "ann", {})
    assert dict(crm.server.rows) == {
        "ben": {"city": "Bonn", "spent": "12.50"},
        "dee": {"city": "Oslo", "spent": "12.50"},
    }


@pytest.mark.parametrize("cause", ["suppression", "consent", "erasure"])
def test_who_objects_or_is_erased_leaves_a_stopped_list_and_does_not_come_again(
    shop: Shop, crm: Crm, project: Path, cause: str
) -> None:
    strict = Limits(2, 0.2, 1, 0.5, 0)
    sync = quick(project)
    shop.wants(people("ann", "ben", "cem", "dee", "eve"))
    shop.delivers(sync)
    crm.server.sent()
    shop.wants(people("ann", "ben"))
    shop.protects({"ann": cause})
    report = shop.delivers(sync, limits=strict, day=DAY + timedelta(days=1))
    assert report.status == "stopped"
    assert crm.server.sent() == [("remove", "ann")]
    shop.delivers(sync, limits=LAX, day=DAY + timedelta(days=2))
    assert "ann" not in dict(crm.server.rows)
    assert ("add", "ann") not in crm.server.sent()


def test_a_row_that_is_refused_is_kept_and_holds_up_nobody(
    shop: Shop, crm: Crm, project: Path
) -> None:
    sync = quick(project, sync__batch_size=10)
    shop.wants(people("ann", "ben", "cem"))
    crm.server.rejects = {"ben": "no"}
    report = shop.delivers(sync)
    assert (report.added, report.rejected) == (2, {"http_422": 1})
    assert "ben" not in shop.members()
    crm.server.rejects = {}
    crm.server.sent()
    assert shop.delivers(sync).status == "complete"
    assert crm.server.sent() == [("add", "ben")]


def test_an_answer_that_got_lost_adds_nobody_twice(shop: Shop, crm: Crm, project: Path) -> None:
    sync = quick(project)
    shop.wants(people("ann", "ben"))
    crm.server.faults = ["lost", "500"]
    report = shop.delivers(sync)
    assert report.unknown == 2
    shop.delivers(sync)
    assert sorted(key for key, _ in crm.server.rows) == ["ann", "ben"]
    assert crm.server.violations == []
    assert shop.members() == shop.wanted()


NIGHT = st.tuples(
    st.sets(st.sampled_from("abcdef"), min_size=1),
    st.sampled_from(["Oslo", "Bonn"]),
    st.lists(st.sampled_from(["500", "lost", ""]), max_size=6),
    st.sets(st.sampled_from("abcdef"), max_size=2),
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(nights=st.lists(NIGHT, min_size=1, max_size=4))
def test_every_wanted_member_is_there_once_after_any_nights(
    port: Crm, tmp_path_factory: pytest.TempPathFactory, nights: list[Any]
) -> None:
    port.server = server = Server()
    with open_scratch() as scratch, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIFESTAGE_DEST_CRM_URL", port.url)
        patch.setenv("LIFESTAGE_DEST_CRM_TOKEN", TOKEN)
        sync = quick(written(tmp_path_factory.mktemp("drt")))
        shop = Shop(scratch)
        for number, (names, city, faults, rejects) in enumerate(nights):
            shop.wants(people(*sorted(names), city=city))
            server.faults, server.rejects = list(faults), dict.fromkeys(rejects, "no")
            shop.delivers(sync, day=DAY + timedelta(days=number))
            known = set(shop.members()) | {row["member_key"] for row in shop.attempts("unknown")}
            assert {key for key, _ in server.rows} <= known
        server.faults, server.rejects = [], {}
        assert shop.delivers(sync, day=DAY + timedelta(days=len(nights))).status == "complete"
        assert sorted(key for key, _ in server.rows) == sorted(nights[-1][0])
        assert {values["city"] for _, values in server.rows} <= {nights[-1][1]}
        assert server.violations == []


def test_nothing_of_people_is_kept_or_logged(  # noqa: PLR0917 - fixtures
    shop: Shop,
    crm: Crm,
    project: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    caplog.set_level(logging.DEBUG)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    sync = quick(project, sync__batch_size=10)
    crm.server.rejects = {"benedikta": "no"}
    shop.wants(people("anneliese", "benedikta", city="Reykholt"))
    shop.delivers(sync)
    said = caplog.text + "".join(capfd.readouterr())
    assert not [name for name in ("anneliese", "benedikta", "Reykholt", TOKEN) if name in said]
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_connector_that_breaks_says_nothing_of_people(
    shop: Shop, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drt.destinations.rest_api import RestApiDestination

    def broken(*_: object) -> None:
        raise RuntimeError("cannot insert (anneliese, Oslo)")

    monkeypatch.setattr(RestApiDestination, "load", broken)
    shop.wants(people("anneliese"))
    with pytest.raises(DestinationError, match="RuntimeError") as caught:
        shop.delivers(quick(project))
    assert "anneliese" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert [row["member_key"] for row in shop.attempts("unknown")] == ["anneliese"]


def test_drt_by_itself_has_nothing_to_send(shop: Shop, crm: Crm, project: Path) -> None:
    from drt.cli.main import app
    from typer.testing import CliRunner

    shop.wants(people("ann"))
    shop.delivers(quick(project))
    crm.server.sent()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        valid = CliRunner().invoke(app, ["validate"])
        ran = CliRunner().invoke(app, ["run", "--all"])
    assert valid.exit_code == 0, valid.output
    assert ran.exit_code != 0
    assert crm.server.sent() == []


def test_telemetry_of_drt_is_never_called(
    shop: Shop, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drt import telemetry

    def told(*_: object, **__: object) -> None:
        raise AssertionError("something is told")

    monkeypatch.setenv("DRT_TELEMETRY", "1")
    monkeypatch.setattr(telemetry, "track_sync_completed", told)
    monkeypatch.setattr(telemetry, "_send", told)
    shop.wants(people("ann"))
    assert shop.delivers(quick(project)).status == "complete"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sync__mode": "mirror"}, "only changes are sent"),
        ({"sync__mode": "replace"}, "only changes are sent"),
        ({"sync__match_policy": "create_only"}, "let every change through"),
        ({"sync__computed_fields": {"a": "{{ row.b }}"}}, "may leave out rows"),
        ({"sync__dlq": {"enabled": True}}, "would keep rows of people"),
        ({"alerts": {"on_failure": []}}, "would keep rows of people"),
        ({"destination__method": "GET"}, "found and changed by their member_key"),
        ({"destination__url": "http://crm.example.com/x"}, "must be reached by https"),
        ({"destination": {"type": "slack", "webhook_url": "https://a.b"}}, "must be one of"),
        ({"destination": {"type": "hubspot"}}, "found and changed by their member_key"),
        ({"destination__url": "${NOT_SET_ANYWHERE}"}, "NOT_SET_ANYWHERE"),
        ({"name": "other"}, "give name vip"),
    ],
)
def test_a_sync_that_is_not_safe_is_refused(
    project: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(DestinationError, match=r"syncs/vip\.yml") as caught:
        read_sync(patched(project, **changes), "vip")
    assert words in str(caught.value)


def test_a_missing_sync_or_a_missing_drt_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DestinationError, match="lifestage drt-config"):
        read_sync(project, "nobody")
    monkeypatch.setattr(drt_sync, "is_installed", lambda: False)
    with pytest.raises(DestinationError, match=r"lifestage\[drt\]"):
        read_sync(project, "vip")


def test_the_project_has_a_sync_per_audience_that_goes_through_drt(tmp_path: Path) -> None:
    audiences = audiences_in_force(THROUGH_DRT, "default")
    files = drt_project(audiences, THROUGH_DRT.destinations)
    wanted = {row.audience for row in audiences if row.channel == "email"}
    assert set(files) == {"drt_project.yml", *(f"syncs/{name}.yml" for name in wanted)}
    assert drt_project(audiences, BOOK.destinations) == {}
    for name, text in files.items():
        assert text.startswith("# "), name
        assert isinstance(yaml.safe_load(text), dict)


class TestDefinitions:
    """What Dagster shows of drt."""

    @pytest.fixture
    def installation(self, tmp_path: Path) -> Iterator[Settings]:
        rules = tmp_path / "rules"
        rules.mkdir()
        text = (SEEDS_DIR / "rules" / "destinations.csv").read_text(encoding="utf-8")
        changed = text.replace("email_list,files", "email_list,drt")
        assert changed != text
        (rules / "destinations.csv").write_text(changed, encoding="utf-8")
        made = Settings(tmp_path, tmp_path / "lifestage.yml", tmp_path / ".lifestage")
        yield made
        shutil.rmtree(seeds_root(made, parse_config({"rules": "rules"}, tmp_path)))

    def assets(self, settings: Settings, activation: dict[str, str]) -> list[dg.AssetSpec]:
        data = {"rules": "rules", "activation": activation}
        return drt_assets(parse_config(data, settings.project_root), settings, DELIVERIES_KEY)

    def test_each_audience_lies_behind_the_delivery(self, installation: Settings) -> None:
        assets = self.assets(installation, {"drt_project": "drt"})
        assert {spec.key.path[-1] for spec in assets} == {
            row.audience for row in audiences_in_force(BOOK, "default") if row.channel == "email"
        }
        assert all([dep.asset_key for dep in spec.deps] == [DELIVERIES_KEY] for spec in assets)
        assert all(spec.owners and spec.description for spec in assets)

    def test_without_a_project_nothing_changes(self, installation: Settings) -> None:
        assert self.assets(installation, {}) == []

    def test_without_drt_the_extra_is_named(
        self, installation: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("orchestration.defs.drt.is_installed", lambda: False)
        with pytest.raises(ConfigError, match=r"MISSING_EXTRA .*lifestage\[drt\]"):
            self.assets(installation, {"drt_project": "drt"})

    def test_a_folder_elsewhere_and_an_unknown_key_are_refused(
        self, installation: Settings
    ) -> None:
        for activation, reason in (
            ({"drt_project": "../drt"}, "PATH_OUTSIDE_ROOT"),
            ({"drt": "drt"}, "UNKNOWN_KEY"),
        ):
            with pytest.raises(ConfigError, match=reason):
                self.assets(installation, activation)
