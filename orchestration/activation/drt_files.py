"""A project for drt: one sync per audience that goes to a destination of kind `drt`.

Only what has to be said about the connection is left for a person to fill in. How a sync is used,
and which ones are refused, is the business of `orchestration.activation.drt_sync`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from orchestration.activation.drt_sync import SYNCS_DIR
from orchestration.measures.audience_tables import DRT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestration.measures.audience_tables import Audience, Destination

PROJECT_FILE = "drt_project.yml"
PROJECT = """\
# The connections through which `lifestage deliver` reaches destinations of kind drt.
#
# To fill in: the part `destination` of each file in syncs/, see `drt destinations`, and the
# variables of the environment that it names. `drt validate` checks the files.
# Send with `lifestage deliver` only: by itself drt has nothing to read, on purpose, because who may
# be written to is decided there.
name: lifestage
version: "0.1"
profile: fed_by_lifestage
history: {enabled: false}
query_tagging: {enabled: false}
"""
SYNC = """\
# To fill in: destination. What arrives of a member who joins or changes:
#   audience, member_key, is_member (true), operation (add, update), idempotency_key, as_of_date,
#   email, phone
# and of one who leaves, without e-mail and phone:
#   audience, member_key, is_member (false), operation (remove), idempotency_key, as_of_date
# The destination has to find a member by member_key and to take is_member = false as leaving.
# A row may arrive twice, with the same idempotency_key.
"""


def drt_project(
    audiences: Iterable[Audience], destinations: Sequence[Destination]
) -> dict[str, str]:
    """Write a project.

    Args:
        audiences: Those in force.
        destinations: All of them; audiences that go elsewhere are left out.

    Returns:
        The text of each file by its path in the project; empty if no audience goes through drt.
    """
    places = {row.destination for row in destinations if row.kind == DRT}
    syncs = {
        f"{SYNCS_DIR}/{row.audience}.yml": SYNC + _sync(row)
        for row in audiences
        if row.destination in places
    }
    return {PROJECT_FILE: PROJECT, **syncs} if syncs else {}


def _sync(row: Audience) -> str:
    variable = f"LIFESTAGE_DEST_{row.destination.upper()}"
    described = {
        "name": row.audience,
        # Braces would be read as a variable or a template.
        "description": re.sub("[{}]", "", " ".join(f"{row.name}: {row.description}".split())),
        "tags": [row.channel, row.destination],
        "model": "delivery",
        "destination": {
            "type": "rest_api",
            "url": f"${{{variable}_URL}}",
            "method": "POST",
            "auth": {"type": "bearer", "token_env": f"{variable}_TOKEN"},
            "native_idempotency_key": "{{ row.idempotency_key }}",
        },
        "sync": {
            "mode": "upsert",
            "batch_size": 25,
            "rate_limit": {"requests_per_second": 10},
            "retry": {"max_attempts": 2},
        },
    }
    return yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=100)
