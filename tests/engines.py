"""Servers of other engines, started for the tests and stopped after them.

PostgreSQL is the one of the system. Spark is a standalone cluster from the wheel of pyspark: a
master, workers that are processes of their own, and the Thrift server that dbt talks to. What is
done on them is the business of the tests.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

SECONDS_TO_START = 300
# A process that lives for minutes never earns back what the second compiler takes. With one
# compiler Java keeps 48 MB for code, which a night fills: then threads end, and their clients wait.
SMALL = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"


def as_server(*command: str | Path) -> None:
    """Run a program of PostgreSQL, which refuses to be run by root."""
    prefix = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
    done = subprocess.run(
        [*prefix, *map(str, command)], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr + done.stdout


@contextlib.contextmanager
def postgres_server() -> Generator[Path]:
    """Run a server on a socket that nobody else knows; the folder of the socket is its host."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.fail("there is no PostgreSQL server: apt-get install postgresql")
    home = Path(tempfile.mkdtemp(prefix="lifestage-pg-"))
    if os.geteuid() == 0:
        shutil.chown(home, "postgres", "postgres")
    data, control = home / "data", programs[-1] / "pg_ctl"
    try:
        access = ("-A", "trust", "-U", "postgres")
        sorting = ("--locale", "C.UTF-8", "--encoding", "UTF8")
        as_server(programs[-1] / "initdb", "-D", data, "-N", *access, *sorting)
        options = f"-k {home} -c listen_addresses='' -c fsync=off"
        as_server(control, "-D", data, "-w", "-l", home / "log", "-o", options, "start")
        try:
            yield home
        finally:
            as_server(control, "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home)


@dataclass(frozen=True)
class SparkCluster:
    """A cluster on this machine.

    Attributes:
        port: Where the Thrift server listens.
        home: Where the cluster keeps its tables, logs and the log of its events.
    """

    port: int
    home: Path


@contextlib.contextmanager
def spark_cluster(
    workers: int = 2, memory: str = "1g", settings: Mapping[str, str] | None = None
) -> Generator[SparkCluster]:
    """Run a standalone cluster of processes and the Thrift server on it.

    Args:
        workers: How many processes do tasks, with a core each.
        memory: What each of them may take.
        settings: What is set otherwise than for tiny tables.
    """
    pyspark = _pyspark()
    if shutil.which("java") is None:
        pytest.fail("there is no Java: apt-get install default-jre-headless")
    home = Path(tempfile.mkdtemp(prefix="lifestage-spark-"))
    master, thrift = _free_port(), _free_port()
    (home / "conf").mkdir()
    (home / "events").mkdir()
    (home / "conf" / "log4j2.properties").write_text(
        "rootLogger.level = error\nrootLogger.appenderRef.file.ref = console\n"
        "appender.console.type = Console\nappender.console.name = console\n"
        "appender.console.layout.type = PatternLayout\n"
    )
    environment = os.environ | {
        "SPARK_HOME": str(pyspark),
        "SPARK_CONF_DIR": str(home / "conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(home / "scratch"),
    }
    # On a busy machine a worker may be silent for long; it is not given up, nor is the application.
    patient = f"-Dspark.worker.timeout={SECONDS_TO_START} -Dspark.deploy.maxExecutorRetries=-1"
    daemons = environment | {"SPARK_DAEMON_MEMORY": "256m", "SPARK_MASTER_OPTS": patient}
    url = f"spark://127.0.0.1:{master}"
    running: list[subprocess.Popen[bytes]] = []

    def start(name: str, command: list[str], env: dict[str, str]) -> None:
        with (home / f"{name}.log").open("wb") as log:
            running.append(
                subprocess.Popen(
                    command, env=env, stdout=log, stderr=log, cwd=home, start_new_session=True
                )
            )

    deploy = [str(pyspark / "bin" / "spark-class"), "org.apache.spark.deploy"]
    try:
        start(
            "master",
            [
                deploy[0],
                f"{deploy[1]}.master.Master",
                *("--host", "127.0.0.1", "--port", str(master), "--webui-port", "0"),
            ],
            daemons,
        )
        _wait_for(master, running, home)
        for number in range(workers):
            start(
                f"worker-{number}",
                [
                    deploy[0],
                    f"{deploy[1]}.worker.Worker",
                    *("--host", "127.0.0.1", "--cores", "1", "--memory", memory),
                    *("--webui-port", "0", "-d", str(home / f"worker-{number}"), url),
                ],
                daemons,
            )
        configured = {
            "spark.sql.catalogImplementation": "hive",
            "spark.sql.warehouse.dir": str(home / "warehouse"),
            "spark.hadoop.javax.jdo.option.ConnectionURL": (
                "jdbc:derby:memory:metastore;create=true"
            ),
            "spark.sql.session.timeZone": "UTC",
            "spark.network.timeout": f"{SECONDS_TO_START}s",
            "spark.sql.shuffle.partitions": "2",
            # Tables are small and statements many: what pays off on large ones costs more here.
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.sql.adaptive.enabled": "false",
            "spark.driver.extraJavaOptions": SMALL,
            "spark.executor.extraJavaOptions": SMALL,
            "spark.driver.extraClassPath": str(_missing_class(home)),
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "2g",
            "spark.executor.memory": memory,
            "spark.ui.enabled": "false",
            "spark.eventLog.enabled": "true",
            "spark.eventLog.compress": "false",
            "spark.eventLog.rolling.enabled": "false",
            "spark.eventLog.dir": (home / "events").as_uri(),
            "spark.hadoop.hive.server2.thrift.port": str(thrift),
            "spark.hadoop.hive.server2.thrift.bind.host": "127.0.0.1",
            # A new thread or user reads the whole configuration before it asks the metastore, which
            # is half of all the work: so there are few threads, and one user.
            "spark.hadoop.hive.server2.enable.doAs": "false",
            "spark.hadoop.hive.server2.async.exec.threads": "8",
            "spark.hadoop.hive.server2.async.exec.keepalive.time": "3600s",
        } | dict(settings or {})
        start(
            "thrift",
            [
                str(pyspark / "bin" / "spark-submit"),
                *("--master", url),
                *("--class", "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"),
                *(f"--conf={name}={value}" for name, value in configured.items()),
                "spark-internal",
            ],
            environment,
        )
        _wait_for(thrift, running, home)
        yield SparkCluster(thrift, home)
    except BaseException:
        # The folder goes with the cluster, and a server that died takes its reason with it.
        print(f"processes of Spark ended with {[one.poll() for one in running]}:\n{_said(home)}")
        raise
    finally:
        for process in reversed(running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(home, ignore_errors=True)


def _missing_class(home: Path) -> Path:
    """Make a library of one empty interface, without which a server may not answer.

    Spark leaves out a library of Hive that a class in its list of functions names. A session that
    reads this list when it is closed ends the thread that serves it, and its client waits for ever.
    """
    texts = [b"org/apache/hadoop/hive/llap/security/LlapSigner$Signable", b"java/lang/Object"]
    pool = b"".join(
        struct.pack(f">BH{len(text)}sBH", 1, len(text), text, 7, 2 * place + 1)
        for place, text in enumerate(texts)
    )
    # Of format 52 with four constants: a public interface, what it extends, and nothing in it.
    content = struct.pack(">IHHH", 0xCAFEBABE, 0, 52, 5) + pool
    content += struct.pack(">HHHHHHH", 0x0601, 2, 4, 0, 0, 0, 0)
    library = home / "missing.jar"
    with zipfile.ZipFile(library, "w") as jar:
        jar.writestr(f"{texts[0].decode()}.class", content)
    return library


def _pyspark() -> Path:
    """Find the Spark that the wheel of pyspark brings along."""
    try:
        import pyspark
    except ImportError:
        pytest.fail("there is no Spark: install the extra `spark`")
    return Path(pyspark.__file__).parent


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _wait_for(port: int, running: list[subprocess.Popen[bytes]], home: Path) -> None:
    """Wait until somebody listens; a process that has ended says why in its log."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        ended = [process for process in running if process.poll() is not None]
        if ended:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    pytest.fail(f"Spark did not start:\n{_said(home)}")


def _said(home: Path) -> str:
    """The ends of the logs of a cluster, with what a crashed Java left."""
    return "\n".join(path.read_text()[-2000:] for path in sorted(home.glob("*.log")))
