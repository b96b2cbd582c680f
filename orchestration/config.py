"""The one configuration, `lifestage.yml`: its models, its validation and its JSON schema.

Nothing here opens a database or reads data. The translation into dbt vars is in
`orchestration.dbt_vars`; paths of the installation are in `orchestration.settings`.
Run `python -m orchestration.config` to rewrite `lifestage.schema.json`.
"""

import codecs
import difflib
import json
import re
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from orchestration.contract import INPUTS, column_names
from orchestration.settings import data_root_from_env

SCHEMA_FILE = Path(__file__).parents[1] / "lifestage.schema.json"
RESERVED_SCHEMAS = frozenset(
    {"sample", "rules", "staging", "intermediate", "marts", "quality", "checks", "published"}
    | {"main", "pg_catalog", "information_schema", "temp", "system"}
    | {"activation", "delivery", "erasure", "measurement"}
)
SECRET_KEY = re.compile(
    r"passw(or)?d|passphrase|secret|token|api_?key|access_?key|private_?key|credential",
    re.IGNORECASE,
)
GLOB_CHARACTERS = re.compile(r"[*?\[]")
# How a path says that it starts at the folder beside the project, wherever that is.
DATA_ROOT_PREFIX = "$LIFESTAGE_DATA_ROOT/"
SUFFIX_FORMATS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet"}
# Error types of pydantic that have a reason of their own; the rest are BAD_VALUE.
REASONS = {
    "extra_forbidden": "UNKNOWN_KEY",
    "missing": "MISSING_KEY",
    "greater_than": "OUT_OF_RANGE",
    "greater_than_equal": "OUT_OF_RANGE",
    "less_than": "OUT_OF_RANGE",
    "less_than_equal": "OUT_OF_RANGE",
}


class ConfigError(Exception):
    """A configuration that is refused: one line with reason, key and remedy, never the value."""

    def __init__(self, reason: str, key: str, message: str) -> None:
        self.reason = reason
        self.key = _printable(key)
        self.message = message
        super().__init__(f"{reason} {self.key}: {message}")


def _printable(text: str) -> str:
    """Shorten a key of a foreign file to something that fits a log line."""
    return re.sub(r"[^\w.\[\] -]", "?", text)[:120]


def _exact_date(value: object) -> object:
    """Accept a YAML date or an ISO day; anything else (also a time stamp) is no date."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise PydanticCustomError("BAD_DATE", "give a calendar day as YYYY-MM-DD")


def _known_timezone(value: str) -> str:
    if value not in available_timezones():
        raise PydanticCustomError(
            "UNKNOWN_TIMEZONE", "give a name of the IANA list, for instance Europe/Berlin"
        )
    return value


def _plain_identifier(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", value):
        return value
    raise PydanticCustomError(
        "BAD_IDENTIFIER", "use lower-case letters, digits and _ only, not starting with a digit"
    )


def _known_encoding(value: str) -> str:
    try:
        return codecs.lookup(value).name
    except LookupError as error:
        raise PydanticCustomError(
            "BAD_VALUE", "give an encoding that Python knows, for instance utf-8 or cp1252"
        ) from error


def _known_pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise PydanticCustomError("BAD_VALUE", "give a valid regular expression") from error
    return value


def _readable_format(value: str) -> str:
    """Accept a strptime pattern that gives back the day it was written with, and no zone."""
    written = datetime(2001, 2, 3, 4, 5, 6)  # noqa: DTZ001 - a pattern without a zone is tried
    try:
        read = datetime.strptime(written.strftime(value), value)  # noqa: DTZ007 - likewise
    except ValueError:
        read = None
    if read is None or read.date() != written.date() or re.search("%[zZ]|--", value):
        raise PydanticCustomError(
            "BAD_VALUE", "give a strptime pattern with day, month and year, for instance %d/%m/%Y"
        )
    return value


Day = Annotated[date, BeforeValidator(_exact_date)]
Timezone = Annotated[str, AfterValidator(_known_timezone)]
Identifier = Annotated[str, BeforeValidator(_plain_identifier)]
Encoding = Annotated[str, AfterValidator(_known_encoding)]
Pattern = Annotated[
    str, StringConstraints(min_length=1, max_length=500), AfterValidator(_known_pattern)
]
# Quotes, backslashes and control characters have no place in a strptime pattern.
DateFormat = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9%/.:, _-]{2,40}$"),
    AfterValidator(_readable_format),
]
FileColumn = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
InputName = Literal[
    "orders",
    "order_lines",
    "refunds",
    "customers",
    "customer_merges",
    "consents",
    "suppressions",
    "erasures",
    "contacts",
    "responses",
    "campaigns",
]


class Strict(BaseModel):
    """A part of the configuration: unknown keys are refused, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Scorecard(Strict):
    """How raw recency, frequency and money become scores 1 to 5."""

    method: Literal["quantile", "fixed"] = "quantile"
    calibrate: Literal["quarterly", "monthly", "yearly", "as_of", "once"] = "quarterly"
    min_calibration_customers: int = Field(default=100, ge=1)
    min_calibration_days: int = Field(default=180, ge=0)
    tie_rule: Literal["together", "rank_first"] = "together"
    cut_side: Literal["above", "at_or_above"] = "above"

    @model_validator(mode="after")
    def _rank_first_is_for_one_date(self) -> "Scorecard":
        if self.tie_rule == "rank_first" and (self.method, self.calibrate) != ("quantile", "as_of"):
            raise PydanticCustomError(
                "BAD_VALUE", "tie_rule rank_first needs method quantile and calibrate as_of"
            )
        return self


class Monetary(Strict):
    """Which money is M."""

    measure: Literal["net", "gross", "margin"] = "net"
    aggregate: Literal["total", "average"] = "total"


class ExcludeRule(Strict):
    """Rows to leave out on purpose: one column, exactly one condition."""

    column: FileColumn
    equals: str | None = None
    starts_with: str | None = Field(default=None, min_length=1)
    contains: str | None = Field(default=None, min_length=1)
    matches: Pattern | None = None
    at_most: int | float | None = None
    at_least: int | float | None = None
    is_empty: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_condition(self) -> "ExcludeRule":
        if len(self.model_fields_set - {"column"}) != 1 or self.condition[1] is None:
            raise PydanticCustomError(
                "BAD_VALUE",
                "give exactly one of equals, starts_with, contains, matches, at_most, at_least, "
                "is_empty",
            )
        return self

    @property
    def condition(self) -> tuple[str, str | float | None]:
        """The operator that was given and its value."""
        operator = next(iter(sorted(self.model_fields_set - {"column"})))
        return operator, getattr(self, operator)

    @property
    def label(self) -> str:
        """What the row is marked with: the rule in words."""
        operator, value = self.condition
        return f"{self.column} {operator}" if value is True else f"{self.column} {operator} {value}"


class InputReading(Strict):
    """How text of an input becomes dates, for feeds and tables alike."""

    date_formats: tuple[DateFormat, ...] = Field(default=(), strict=False, max_length=8)
    source_timezone: Timezone | None = None


class Table(InputReading):
    """A table or view of the user's own warehouse in `raw_schema`."""


class Feed(InputReading):
    """Files that the loader mirrors into `raw_schema`."""

    path: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,500}$")]
    format: Literal["csv", "parquet"] | None = None
    delimiter: Annotated[str, StringConstraints(pattern=r"^[^\r\n\"\x00]$")] = ","
    encoding: Encoding = "utf-8"
    columns: dict[str, FileColumn] = Field(default_factory=dict)
    constants: dict[str, Annotated[str, StringConstraints(max_length=200)]] = Field(
        default_factory=dict, description="Values for contract columns that a file does not have."
    )
    exclude: tuple[ExcludeRule, ...] = Field(default=(), strict=False)
    exact_floats: bool = False

    @property
    def file_format(self) -> str:
        """The format as given, or as the file name says."""
        name = self.path.lower().removesuffix(".gz")
        return self.format or SUFFIX_FORMATS.get(Path(name).suffix, "")

    @model_validator(mode="after")
    def _has_a_format(self) -> "Feed":
        if not self.file_format:
            raise PydanticCustomError(
                "BAD_VALUE", "the file name does not tell the format: add format csv or parquet"
            )
        return self


class Publication(Strict):
    """What may be put in place for readers."""

    max_removed_share: float = Field(
        default=0.2, gt=0, le=1, description="Share of customers that may vanish in one run."
    )
    parquet: bool = Field(default=True, description="Write Parquet files beside the database.")
    keep_generations: int = Field(
        default=7, ge=1, le=1000, description="How many generations stay on disk to go back to."
    )
    report: bool = Field(default=True, description="Write report.html beside the database.")


class Activation(Strict):
    """How audiences reach destinations that Lifestage does not reach itself."""

    drt_project: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        default=None, description="Directory of the drt project for destinations of kind drt."
    )


class Config(Strict):
    """Everything that decides what the tables contain."""

    business_timezone: Timezone = "UTC"
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"
    history_start: Day = date(2024, 1, 1)
    as_of: Day | None = Field(
        default=None, description="Fixed last day, for data that no longer grows."
    )
    segment_preset: Identifier = "default"
    rules: str | None = Field(
        default=None, description="Directory of rule tables that replace those of the same name."
    )
    raw_schema: Identifier = "raw"
    scorecard: Scorecard = Scorecard()
    rfm_window_days: int | None = Field(default=None, ge=1, le=36500)
    monetary: Monetary = Monetary()
    count_zero_value_orders: bool = False
    future_order_days: int = Field(default=31, ge=0, le=366)
    tables: dict[InputName, Table] = Field(default_factory=dict)
    feeds: dict[InputName, Feed] = Field(default_factory=dict)
    publication: Publication = Publication()
    activation: Activation = Activation()

    @model_validator(mode="before")
    @classmethod
    def _an_empty_part_is_its_default(cls, data: Any) -> Any:
        """`tables: {orders:}` says everything there is to say about a table."""
        if isinstance(data, dict) and isinstance(data.get("tables"), dict):
            tables = {name: {} if part is None else part for name, part in data["tables"].items()}
            return data | {"tables": tables}
        return data

    @model_validator(mode="after")
    def _inputs_fit_together(self) -> "Config":
        twice = sorted(self.tables.keys() & self.feeds.keys())
        if twice:
            raise PydanticCustomError(
                "BAD_VALUE", "{name} is both a table and a feed: keep one", {"name": twice[0]}
            )
        given = self.tables.keys() | self.feeds.keys()
        if given and len(given & {"orders", "order_lines"}) != 1:
            raise PydanticCustomError(
                "BAD_VALUE", "give exactly one of orders and order_lines, as a table or as a feed"
            )
        if self.raw_schema in RESERVED_SCHEMAS:
            raise PydanticCustomError("BAD_VALUE", "raw_schema is used by the pipeline itself")
        for name, feed in self.feeds.items():
            foreign = sorted(
                (feed.columns.keys() | feed.constants.keys()) - set(column_names(name))
            )
            if foreign:
                raise PydanticCustomError(
                    "UNKNOWN_KEY",
                    "feeds.{name} maps a column that the contract does not have; it knows {known}",
                    {"name": name, "known": ", ".join(column_names(name))},
                )
        return self


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice instead of keeping the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise ConfigError("DUPLICATE_KEY", str(key), "the key is given twice: keep one")
        return super().construct_mapping(node, deep)


# Days stay text until the model reads them, so that a wrong one is refused with its key.
_UniqueKeyLoader.yaml_implicit_resolvers = {
    first: [(tag, expression) for tag, expression in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_config(path: Path) -> Config:
    """Read and validate a configuration file.

    Args:
        path: `lifestage.yml`; feeds and rules are relative to its directory.

    Raises:
        ConfigError: The file is missing, is no YAML, or a key or value is refused.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "MISSING_FILE", Path(path).name, "no readable UTF-8 file: set LIFESTAGE_CONFIG"
        ) from error
    try:
        data = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "the file"
        raise ConfigError("BAD_YAML", Path(path).name, f"{where} is not valid YAML") from error
    return parse_config(data if data is not None else {}, Path(path).resolve().parent)


def parse_config(data: object, project_root: Path) -> Config:
    """Validate configuration data that is already parsed; see `load_config`."""
    if not isinstance(data, dict):
        raise ConfigError("BAD_VALUE", "lifestage.yml", "give a mapping of keys to values")
    _refuse_secrets(data, "")
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise _first_error(error) from None
    roots = [project_root.resolve()]
    data_root = data_root_from_env()
    if data_root:
        roots.append(data_root)
    for name, feed in config.feeds.items():
        key = f"feeds.{name}.path"
        if feed.path.startswith(DATA_ROOT_PREFIX) and data_root is None:
            raise ConfigError("BAD_VALUE", key, "set LIFESTAGE_DATA_ROOT to the folder of the data")
        start, pattern = starting_point(feed.path, roots[0], data_root)
        _refuse_outside(start, pattern, key, roots)
    if config.rules is not None:
        _refuse_outside(roots[0], config.rules, "rules", roots)
    if config.activation.drt_project is not None:
        _refuse_outside(roots[0], config.activation.drt_project, "activation.drt_project", roots)
    return config


def starting_point(pattern: str, project_root: Path, data_root: Path | None) -> tuple[Path, str]:
    """Split a path of a feed into the folder where it starts and the rest.

    Args:
        pattern: The path or glob as it is configured.
        project_root: Where paths start that do not say otherwise.
        data_root: Where paths start that begin with `$LIFESTAGE_DATA_ROOT/`, if it is set.
    """
    if data_root is not None and pattern.startswith(DATA_ROOT_PREFIX):
        return data_root, pattern.removeprefix(DATA_ROOT_PREFIX)
    return project_root, pattern


def check_as_of(as_of: date, last_complete_day: date) -> None:
    """Refuse a day that is not over yet.

    Args:
        as_of: The day asked for.
        last_complete_day: The newest day that is complete in the business time zone.
    """
    if as_of > last_complete_day:
        raise ConfigError(
            "AS_OF_IN_FUTURE",
            "as_of",
            f"ask for {last_complete_day} (complete) or earlier",
        )


def is_inside(path: Path, roots: list[Path]) -> bool:
    """Tell whether a path, with its links followed, lies under one of the roots, with theirs."""
    resolved = path.resolve()
    return any(resolved.is_relative_to(root.resolve()) for root in roots)


def _refuse_outside(start: Path, pattern: str, key: str, roots: list[Path]) -> None:
    """Refuse a path that leaves the allowed folders; of a glob the part before the first star."""
    fixed = Path(pattern)
    while GLOB_CHARACTERS.search(str(fixed)):
        fixed = fixed.parent
    if ".." in Path(pattern).parts[len(fixed.parts) :] or not is_inside(start / fixed, roots):
        raise ConfigError(
            "PATH_OUTSIDE_ROOT",
            key,
            "move the files under the project, or name their folder in LIFESTAGE_DATA_ROOT",
        )


def _refuse_secrets(data: object, prefix: str) -> None:
    """Refuse keys that look like a secret, at any depth, before anything else is said."""
    if isinstance(data, dict):
        for key, value in data.items():
            name = f"{prefix}.{key}" if prefix else str(key)
            if SECRET_KEY.search(str(key)):
                raise ConfigError(
                    "PLAINTEXT_SECRET", name, "secrets belong in the environment: remove the key"
                )
            _refuse_secrets(value, name)
    elif isinstance(data, list):
        for index, value in enumerate(data):
            _refuse_secrets(value, f"{prefix}[{index}]")


def _first_error(error: ValidationError) -> ConfigError:
    """Turn pydantic's first complaint into one line that does not repeat the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    # Pydantic marks a refused key of a mapping (an unknown input) by a last part "[key]".
    parts = [str(part) for part in first["loc"] if part != "[key]"]
    key = ".".join(parts) or "lifestage.yml"
    kind = "extra_forbidden" if first["loc"][-1:] == ("[key]",) else first["type"]
    reason = REASONS.get(kind, kind if kind.isupper() else "BAD_VALUE")
    message = first["msg"]
    if kind == "extra_forbidden":
        message = "the key is not known" + _close_key(parts)
    elif reason == "OUT_OF_RANGE":
        message = message.replace("Input should be", "the value must be")
    elif not kind.isupper():
        message = re.sub("^(Input|String) should", "the value should", message)
    return ConfigError(reason, key, message.replace("\n", " "))


def _close_key(parts: list[str]) -> str:
    """Suggest the known key nearest to an unknown one."""
    known = {name for part in _models() for name in part.model_fields} | set(INPUTS)
    close = difflib.get_close_matches(parts[-1], sorted(known), n=1)
    return f": did you mean {close[0]}?" if close else "; see docs/configuration.md"


def _models() -> tuple[type[BaseModel], ...]:
    return (Config, Scorecard, Monetary, Feed, Table, ExcludeRule, Publication, Activation)


def json_schema() -> str:
    """Return the JSON schema that editors use to complete and check `lifestage.yml`."""
    schema = Config.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "lifestage.yml"
    table = schema["properties"]["tables"]["additionalProperties"]
    schema["properties"]["tables"]["additionalProperties"] = {"anyOf": [table, {"type": "null"}]}
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(json_schema(), encoding="utf-8")
