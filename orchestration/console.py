"""What all commands of the command line share: the installation, tables, errors, progress.

What a command does is in `orchestration.cli` and `orchestration.cli_checks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from orchestration.config import Config, load_config
from orchestration.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime
    from decimal import Decimal


class CommandError(Exception):
    """Something the person at the keyboard can put right; one line."""


def installation() -> tuple[Config, Settings]:
    """Read the installation that the environment names."""
    settings = Settings.from_env()
    return load_config(settings.config_path), settings


def day_of(moment: datetime | None) -> date | None:
    """Take the day of an argument."""
    return None if moment is None else moment.date()


def output() -> Console:
    """Return where answers are printed."""
    return Console()


def errors() -> Console:
    """Return where refusals and progress are printed."""
    return Console(stderr=True, soft_wrap=True)


def money(amount: Decimal, currency: str) -> str:
    """Write an amount."""
    return f"{amount:,.2f} {currency}"


def print_table(columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    """Print a table; a column whose name ends in `>` holds numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        is_number = column.endswith(" >")
        table.add_column(
            column.removesuffix(" >"), justify="right" if is_number else "left", no_wrap=is_number
        )
    for row in rows:
        table.add_row(*row)
    output().print(table, highlight=False)


class Steps:
    """Shows what a refresh is doing: a line that moves on a terminal, a line per step elsewhere."""

    def __init__(self) -> None:
        self._console = errors()
        self._step = ""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("preparing", total=None)

    def __enter__(self) -> Steps:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, step: str, done: int, total: int) -> None:
        """Take what the run says about itself."""
        if step != self._step and not self._console.is_terminal:
            self._console.print(f"{step} ...", highlight=False)
        self._step = step
        self._progress.update(self._task, description=step, completed=done, total=total or None)
