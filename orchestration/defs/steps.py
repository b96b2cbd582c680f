"""What all steps of a run share: one at a time, and when to try again.

A refusal (of a file, a rule, a publication) will be the same refusal a minute later, so only
trouble of the machine is retried.
"""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from orchestration.settings import Settings
from orchestration.warehouse import only_writer

WRITER_POOL = "warehouse"


def retry_policy() -> dg.RetryPolicy:
    """Try again twice, the second time later: a file in use, a machine short of memory."""
    return dg.RetryPolicy(max_retries=2, delay=20, backoff=dg.Backoff.EXPONENTIAL)


def refused(reason: str) -> dg.Failure:
    """Make the failure that is final: one line that says what and what to do."""
    return dg.Failure(description=reason, allow_retries=False)


@contextmanager
def alone(context: dg.AssetExecutionContext, settings: Settings) -> Generator[None]:
    """Hold the installation, also against runs that were started elsewhere."""
    with only_writer(settings.home, lambda: context.log.info("waiting for another run to finish")):
        yield
