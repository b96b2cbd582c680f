"""The only place that knows engines: opening and closing them, statements, small results.

What is asked and what is made of the answers is the business of the callers. Rows of customers stay
where they are.
"""

from orchestration.warehouse.duckdb_files import (
    DuckdbSession,
    attach,
    is_locked,
    open_database,
    open_scratch,
    read_parquet,
    why_not_open,
    write_parquet,
)
from orchestration.warehouse.opening import (
    DUCKDB,
    POSTGRES,
    SPARK,
    has_warehouse,
    open_server,
    open_warehouse,
)
from orchestration.warehouse.server import ServerSession, relation_of
from orchestration.warehouse.session import (
    SMALL_RESULT,
    EngineError,
    Parameters,
    Session,
    UnreachableError,
    WarehouseError,
    describe_table,
    keep_table,
    literal,
    may_pass,
    quoted,
    transaction,
)
from orchestration.warehouse.turns import only_run, only_writer

__all__ = [
    "DUCKDB",
    "POSTGRES",
    "SMALL_RESULT",
    "SPARK",
    "DuckdbSession",
    "EngineError",
    "Parameters",
    "ServerSession",
    "Session",
    "UnreachableError",
    "WarehouseError",
    "attach",
    "describe_table",
    "has_warehouse",
    "is_locked",
    "keep_table",
    "literal",
    "may_pass",
    "only_run",
    "only_writer",
    "open_database",
    "open_scratch",
    "open_server",
    "open_warehouse",
    "quoted",
    "read_parquet",
    "relation_of",
    "transaction",
    "why_not_open",
    "write_parquet",
]
