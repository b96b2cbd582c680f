"""The command that notes an erasure; carrying it out is part of the next refresh.

Whom a request means, and what is taken out, is decided by `orchestration.erasure`. What was asked
for is never printed.
"""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.console import CommandError, errors, installation, output
from orchestration.erasure.people import would_forget
from orchestration.erasure.requests import Kind, RequestError, ask
from orchestration.warehouse import (
    only_run,
    open_warehouse,
)

Customer = Annotated[str | None, typer.Option("--customer", help="The customer id.")]
Email = Annotated[
    str | None, typer.Option("--email-sha256", help="SHA-256 of the address in small letters.")
]
Phone = Annotated[
    str | None, typer.Option("--phone-sha256", help="SHA-256 of the number as +, country, number.")
]


def erase(customer: Customer = None, email: Email = None, phone: Phone = None) -> None:
    """Note that a person is to be forgotten; the next refresh does it."""
    named: dict[Kind, str | None] = {
        "customer_id": customer,
        "email_sha256": email,
        "phone_sha256": phone,
    }
    given = [(kind, value) for kind, value in named.items() if value is not None]
    if len(given) != 1:
        raise CommandError("give one of --customer, --email-sha256 and --phone-sha256")
    config, settings = installation()
    with (
        only_run(settings, _say_that_it_waits),
        open_warehouse(settings, read_only=False) as session,
    ):
        try:
            is_new = ask(session, *given[0])
        except RequestError as error:
            raise CommandError(str(error)) from error
        accounts, rows = would_forget(session, config)
    console = output()
    noted = "noted" if is_new else "was noted before"
    console.print(f"The request {noted}.", highlight=False)
    console.print(
        f"All requests together mean {accounts:,} accounts with {rows:,} rows that are still here:"
        " run `lifestage refresh`.",
        highlight=False,
        soft_wrap=True,
    )


def _say_that_it_waits() -> None:
    errors().print("waiting for another run to finish ...", highlight=False)
