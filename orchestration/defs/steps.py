"""What all steps of a run share: one at a time, when to try again, and who learns of a refusal.

A refusal (of a file, a rule, a publication) will be the same refusal a minute later, so only
trouble of the machine is retried. When a step gives up, readers are told that the night was held.
"""

import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import dagster as dg

from orchestration.config import Config
from orchestration.erasure.published import redact_published
from orchestration.partitions import day_of_run
from orchestration.publication_status import PublicationHeld
from orchestration.settings import Settings
from orchestration.shelf import report_writer, shelf_of
from orchestration.warehouse import EngineError, UnreachableError, WarehouseError, only_run

TURN = "turn"
WAITING = "waiting for another run to finish"
RETRIES = 2


def retry_policy(settings: Settings) -> dg.RetryPolicy:
    """Try again twice, the second time later: a file in use, a machine short of memory."""
    return dg.RetryPolicy(
        max_retries=RETRIES, delay=settings.retry_seconds, backoff=dg.Backoff.EXPONENTIAL
    )


def refused(reason: str) -> dg.Failure:
    """Make the failure that is final: one line that says what and what to do."""
    return dg.Failure(description=reason, allow_retries=False)


def turn_on_warehouse(settings: Settings) -> dg.ResourceDefinition:
    """Build what a run holds from its first step to its last: the installation.

    Two runs that took turns step by step would build over each other's tables. The lock is that
    of the command line, so it also holds against runs that were started elsewhere.
    """

    @dg.resource(description="One run at a time on the warehouse; the next one waits.")
    def turn(context: dg.InitResourceContext) -> Generator[None]:
        def wait() -> None:
            if context.log is not None:
                context.log.info(WAITING)

        with ExitStack() as held:
            for attempt in range(RETRIES + 1):
                try:
                    held.enter_context(only_run(settings, wait))
                    break
                except UnreachableError:
                    # No step has begun, so none would try again.
                    if attempt == RETRIES:
                        raise
                    time.sleep(settings.retry_seconds * 2**attempt)
            yield

    return turn


@contextmanager
def telling_readers(
    context: dg.AssetExecutionContext, config: Config, settings: Settings
) -> Generator[None]:
    """Let readers know when the block gives up: that the night was held, and why."""
    try:
        yield
    except Exception as error:
        tell_readers(context, config, settings, error)
        raise


def tell_readers(
    context: dg.AssetExecutionContext, config: Config, settings: Settings, error: Exception
) -> None:
    """Write down for readers that the night was held, unless the step is tried again."""
    is_final = isinstance(error, dg.Failure) and not error.allow_retries
    if not is_final and context.retry_number < RETRIES:
        return
    held = error.__cause__ if isinstance(error.__cause__, PublicationHeld) else None
    reason = f"{type(error).__name__}: see the run in Dagster"
    if held is not None:
        reason = str(held)
    elif isinstance(error, dg.Failure) and error.description:
        reason = error.description
    try:
        shelf_of(settings).hold(
            day_of_run(context),
            reason,
            held_by=held.held_by if held is not None else (),
            report=report_writer(config),
        )
        # Who asked to be forgotten does not wait for a better night.
        redact_published(settings)
    except (WarehouseError, EngineError, OSError) as trouble:
        # The step has failed already, and its own reason is the one to be seen.
        context.log.warning(f"readers could not be told: {trouble}")
