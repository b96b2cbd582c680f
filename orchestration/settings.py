"""Where things are: the only module that reads environment variables.

What the pipeline does is decided in `lifestage.yml` (see `orchestration.config`); the
environment decides only on which machine, in which folder and with how much of it.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_CONFIG = "lifestage.yml"
DEFAULT_HOME = ".lifestage"
WAREHOUSE_FILE = "warehouse.duckdb"
# Of the engine alone; the profile of dbt has the same default.
MEMORY_LIMIT = "3GB"
DESTINATION = "LIFESTAGE_DEST_"


def data_root_from_env() -> Path | None:
    """Return the directory beside the project from which feeds may be read, if one is named."""
    named = os.environ.get("LIFESTAGE_DATA_ROOT")
    return Path(named).expanduser().resolve() if named else None


def destination_variables() -> dict[str, str]:
    """Return the variables that say where audiences are delivered to and what opens the door."""
    return {name: value for name, value in os.environ.items() if name.startswith(DESTINATION)}


@dataclass(frozen=True)
class Server:
    """The server of the warehouse, if it is not a file."""

    host: str = ""
    port: int = 0
    user: str = ""
    # It is not part of what is printed.
    password: str = field(default="", repr=False)
    database: str = ""
    # The role that may read what is published, where the engine has roles.
    reader: str = ""

    @classmethod
    def from_env(cls, target: str) -> "Server":
        """Read what the profile of dbt reads."""
        if target == "postgres":
            return cls(
                host=os.environ.get("LIFESTAGE_POSTGRES_HOST", "localhost"),
                port=int(os.environ.get("LIFESTAGE_POSTGRES_PORT", "5432")),
                user=os.environ.get("LIFESTAGE_POSTGRES_USER", "lifestage"),
                password=os.environ.get("LIFESTAGE_POSTGRES_PASSWORD", ""),
                database=os.environ.get("LIFESTAGE_POSTGRES_DATABASE", "warehouse"),
                reader=os.environ.get("LIFESTAGE_POSTGRES_READER", "lifestage_reader"),
            )
        if target == "spark":
            return cls(
                host=os.environ.get("LIFESTAGE_SPARK_HOST", "127.0.0.1"),
                port=int(os.environ.get("LIFESTAGE_SPARK_PORT", "10000")),
                user=os.environ.get("LIFESTAGE_SPARK_USER", "lifestage"),
            )
        return cls()


@dataclass(frozen=True)
class Settings:
    """Paths and limits of one installation, all absolute."""

    project_root: Path
    config_path: Path
    home: Path
    target: str = "duckdb"
    server: Server = field(default_factory=Server)
    threads: int = 2
    memory_limit: str = MEMORY_LIMIT
    data_root: Path | None = None
    retry_seconds: float = 20
    # Addresses hold passwords: they are not part of what is printed of the settings.
    alert_urls: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def from_env(cls) -> "Settings":
        """Read the environment; relative paths start at the current directory."""
        config_path = (
            Path(os.environ.get("LIFESTAGE_CONFIG", DEFAULT_CONFIG)).expanduser().resolve()
        )
        project_root = config_path.parent
        home = os.environ.get("LIFESTAGE_HOME")
        target = os.environ.get("LIFESTAGE_TARGET", "duckdb")
        return cls(
            project_root=project_root,
            config_path=config_path,
            home=Path(home).expanduser().resolve() if home else project_root / DEFAULT_HOME,
            target=target,
            server=Server.from_env(target),
            threads=int(os.environ.get("LIFESTAGE_THREADS", "2")),
            memory_limit=os.environ.get("LIFESTAGE_MEMORY_LIMIT", MEMORY_LIMIT),
            data_root=data_root_from_env(),
            retry_seconds=float(os.environ.get("LIFESTAGE_RETRY_SECONDS", "20")),
            alert_urls=tuple(os.environ.get("LIFESTAGE_ALERT_URLS", "").split()),
        )

    @property
    def warehouse_path(self) -> Path:
        """The private database; readers never open it."""
        return self.home / WAREHOUSE_FILE

    @property
    def published_dir(self) -> Path:
        """What readers open."""
        return self.home / "published"
