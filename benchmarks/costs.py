"""What a process costs, as the operating system accounts for it; and how costs grow with size.

No process of the project is described here: those are in `benchmarks.runs`.
"""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

ROOT = Path(__file__).parents[1]

Result = TypeVar("Result")


@dataclass(frozen=True)
class Cost:
    """CPU and wall seconds and the peak memory of one process, in MB."""

    cpu: float
    wall: float
    peak: float


def measure(command: list[str], home: Path) -> Cost:
    """Run a command to its end and return what it cost.

    Args:
        command: The command and its arguments.
        home: The folder of the warehouse, where the output of the command is kept, too.
    """
    environment = os.environ | {"LIFESTAGE_HOME": str(home)}
    log = home / "command.log"
    started = perf_counter()
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall = perf_counter() - started
    if status != 0:
        sys.exit(f"{' '.join(command[:4])} failed:\n{log.read_text()[-3000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def apart(work: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function in a process of its own, which takes its memory along when it ends.

    The peak of a process that is measured begins with that of the process which started it.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        return processes.submit(work, *arguments).result()


def growth(sizes: list[int], seconds: list[float]) -> float | None:
    """Return the exponent b of the law seconds = a x size^b that fits best; None of fewer than two.

    Args:
        sizes: Orders of each shop.
        seconds: CPU seconds of the same work on each.
    """
    points = [
        (math.log(size), math.log(cost))
        for size, cost in zip(sizes, seconds, strict=True)
        if cost > 0
    ]
    if len(points) < 2:
        return None
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
