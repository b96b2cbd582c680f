"""Alerts: one message per change of state, told to a real receiver, whatever happens between."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.alerts import MOST_CHANGES, Memory, Sighting, noticed, receiver_id
from orchestration.cli_checks import try_alerts
from orchestration.console import CommandError
from orchestration.defs.alerts import alert_sensor
from orchestration.settings import Settings

REMEDY = "Ask the shop for the missing files."


class Receiver:
    """A web server that keeps what it is sent, and can be told to refuse."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.is_refusing = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(503 if receiver.is_refusing else 200)
                self.end_headers()
                if not receiver.is_refusing:
                    receiver.messages.append(sent)

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://user:topsecret@127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def taken(self) -> list[dict[str, Any]]:
        """Return the messages since the last time."""
        messages, self.messages = self.messages, []
        return messages


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()


class House:
    """A run history of its own, in which a table with two checks is built."""

    def __init__(self, home: Path, *urls: str) -> None:
        self.home = home
        self.cursor: str | None = None
        self.told(*urls)

    def told(self, *urls: str) -> None:
        """Name the receivers, as a restart with another environment does."""
        settings = Settings(self.home, self.home / "lifestage.yml", self.home)
        self.sensor = alert_sensor(replace(settings, alert_urls=urls))

    def night(self, volume: str = "ok", drift: str = "ok", fails: str = "") -> None:
        """Run the table as of a day; the checks come out as told, the run may fail."""

        def result(name: str, state: str) -> dg.AssetCheckResult:
            is_warning = state == "warn"
            return dg.AssetCheckResult(
                check_name=name,
                passed=state == "ok",
                severity=dg.AssetCheckSeverity.WARN if is_warning else dg.AssetCheckSeverity.ERROR,
                metadata={"title": f"The {name}", "message": f"It is {state}.", "remedy": REMEDY},
            )

        @dg.asset(
            name="table",
            partitions_def=dg.DailyPartitionsDefinition("2024-01-01"),
            check_specs=[dg.AssetCheckSpec(name, asset="table") for name in ("volume", "drift")],
        )
        def table() -> Iterator[Any]:
            yield dg.MaterializeResult(
                check_results=[result("volume", volume), result("drift", drift)]
            )
            if fails:
                raise dg.Failure(description=fails, allow_retries=False)

        with self.history() as instance:
            dg.materialize(
                [table], instance=instance, partition_key="2024-05-06", raise_on_error=False
            )

    def history(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.local_temp(str(self.home))

    def look(self) -> str:
        """Let the sensor look once, in a process that knows only the cursor."""
        with self.history() as instance:
            context = dg.build_sensor_context(instance=instance, cursor=self.cursor)
            data = self.sensor.evaluate_tick(context)
        self.cursor = data.cursor or self.cursor
        return data.skip_message or ""


def test_a_change_is_told_once_with_what_to_do(tmp_path: Path, receiver: Receiver) -> None:
    house = House(tmp_path, receiver.url)
    house.night()
    house.look()
    assert receiver.taken() == []

    house.night(volume="warn")
    house.look()
    (message,) = receiver.taken()
    assert message["title"] == "Lifestage: 1 warning (as of 2024-05-06)"
    assert message["message"] == f"WARNING: The volume\nIt is warn.\nWhat to do: {REMEDY}"
    assert message["type"] == "warning"

    house.look()
    house.night(volume="warn")
    house.look()
    assert receiver.taken() == []


def test_every_state_has_its_message_and_a_look_has_one(tmp_path: Path, receiver: Receiver) -> None:
    house = House(tmp_path, receiver.url)
    house.night(volume="error", drift="warn", fails="publication held: the volume")
    house.look()
    (message,) = receiver.taken()
    assert message["title"] == "Lifestage: 2 errors, 1 warning (as of 2024-05-06)"
    told = [part.splitlines()[0] for part in message["message"].split("\n\n")]
    assert told == ["ERROR: The volume", "ERROR: run of __ephemeral_asset_job__", told[2]]
    assert told[2] == "WARNING: The drift"
    assert "publication held: the volume" in message["message"]
    assert message["type"] == "failure"

    house.night(volume="warn", drift="warn")
    house.look()
    (message,) = receiver.taken()
    assert message["title"] == "Lifestage: 1 warning, 1 recovered (as of 2024-05-06)"
    assert "OK again: run of" in message["message"]
    assert "drift" not in message["message"]

    house.night()
    house.look()
    (message,) = receiver.taken()
    assert message["title"] == "Lifestage: 2 recovered (as of 2024-05-06)"
    assert REMEDY not in message["message"]
    assert message["type"] == "success"


def test_what_happened_between_two_looks_is_not_lost(tmp_path: Path, receiver: Receiver) -> None:
    house = House(tmp_path, receiver.url)
    house.night()
    house.look()
    house.night(volume="error")
    house.night()
    house.look()
    (message,) = receiver.taken()
    assert message["title"] == "Lifestage: 1 error, 1 recovered (as of 2024-05-06)"


def test_a_receiver_that_fails_is_told_later_and_the_other_only_once(
    tmp_path: Path, receiver: Receiver
) -> None:
    other = Receiver()
    house = House(tmp_path, receiver.url, other.url)
    house.night()
    house.look()
    receiver.is_refusing = True
    house.night(volume="error")
    assert "receiver 1 could not be reached" in house.look()
    assert len(other.taken()) == 1

    house.night()
    house.look()
    assert len(other.taken()) == 1
    receiver.is_refusing = False
    house.look()
    (message,) = receiver.taken()
    assert message["title"] == "Lifestage: 1 error, 1 recovered (as of 2024-05-06)"
    house.look()
    assert receiver.taken() == other.taken() == []
    other.close()


def test_a_restart_repeats_and_forgets_nothing(tmp_path: Path, receiver: Receiver) -> None:
    house = House(tmp_path, receiver.url)
    house.night(volume="error")
    house.look()
    assert len(receiver.taken()) == 1

    house.told(receiver.url)
    house.look()
    assert receiver.taken() == []
    house.night()
    house.told(receiver.url)
    house.look()
    assert [message["title"] for message in receiver.taken()] == [
        "Lifestage: 1 recovered (as of 2024-05-06)"
    ]


def test_the_first_look_tells_what_is_wrong_now(tmp_path: Path, receiver: Receiver) -> None:
    house = House(tmp_path)
    house.night(volume="error", drift="error", fails="broken")
    house.night(drift="warn")
    assert "set LIFESTAGE_ALERT_URLS" in house.look()
    assert house.cursor is None

    house.told(receiver.url)
    house.look()
    (message,) = receiver.taken()
    assert message["title"] == "Lifestage: 1 warning (as of 2024-05-06)"


def test_an_address_is_never_shown(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(tmp_path, receiver.url, "nonsense://topsecret")
    receiver.is_refusing = True
    house.night(volume="error")
    said = house.look()
    assert "receiver 1 could not be reached" in said
    assert "receiver 2 has an address that apprise does not know" in said
    shown = f"{said} {house.cursor} {caplog.text} {Settings(tmp_path, tmp_path, tmp_path)}"
    assert "topsecret" not in shown
    assert str(receiver.url.rsplit(":", 1)[1]) not in said


def test_receivers_can_be_tried(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lifestage.yml").write_text("currency: USD\n")
    monkeypatch.setenv("LIFESTAGE_CONFIG", str(tmp_path / "lifestage.yml"))
    monkeypatch.delenv("LIFESTAGE_ALERT_URLS", raising=False)
    with pytest.raises(CommandError, match="set LIFESTAGE_ALERT_URLS"):
        try_alerts()
    monkeypatch.setenv("LIFESTAGE_ALERT_URLS", receiver.url)
    try_alerts()
    (message,) = receiver.taken()
    assert message["message"] == "WARNING: a test of the alerts\nNothing is wrong."
    receiver.is_refusing = True
    with pytest.raises(CommandError, match=r"^receiver 1 could not be reached$"):
        try_alerts()


def test_the_addresses_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFESTAGE_ALERT_URLS", " json://one  mailto://a:b@c?to=x,y\n")
    settings = Settings.from_env()
    assert settings.alert_urls == ("json://one", "mailto://a:b@c?to=x,y")
    assert "json" not in repr(settings)


def test_a_silent_receiver_does_not_let_the_memory_grow() -> None:
    receiver = receiver_id("json://nobody")
    memory = Memory()
    for _ in range(MOST_CHANGES):
        memory = noticed(memory, [Sighting("a", "error", "A", "bad")], [receiver])
        memory = noticed(memory, [Sighting("a", "ok", "A", "good")], [receiver])
    assert len(memory.outbox[receiver]) == MOST_CHANGES
    assert Memory.from_text(memory.to_text()) == memory
    assert noticed(memory, [], ["somebody else"]).outbox == {}


def test_loading_the_sensor_does_not_load_the_sender() -> None:
    code = "import sys, orchestration.defs.alerts; print('apprise' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
