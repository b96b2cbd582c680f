"""Identifiers as each destination wants them, by published vectors, and cells of spreadsheets."""

import base64
import csv
import io
import json
import string
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orchestration.activation.cells import safe_cell, write_csv
from orchestration.activation.normalise import NORMALISERS, e164

PUBLISHED = json.loads(
    (Path(__file__).parent / "fixtures" / "published_identifiers.json").read_text(encoding="utf-8")
)
VECTORS: list[dict[str, str]] = PUBLISHED["hashing"]
HASHING = ["google", "meta", "snap", "uid2"]
LOCALS = st.text(string.ascii_letters + string.digits + ".+_-", min_size=1, max_size=20)
DOMAINS = st.sampled_from(
    ["gmail.com", "GMail.com", "googlemail.com", "example.com", "mail.example.org"]
)
EMAILS = st.builds(lambda local, domain: f"{local}@{domain}", LOCALS, DOMAINS)
SPACE = st.text(" \t\n\u00a0\u2003", max_size=3)
COUNTRIES = st.sampled_from([None, "US", "GB", "DE", "IT", "BR", "AR", "MX", "RU", "JP", "us"])
PHONES = st.one_of(
    st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True),
    st.from_regex(r"\(?0?[0-9]{2,4}\)?[ /.-]?[0-9]{3,4}[ -]?[0-9]{3,4}", fullmatch=True),
    st.text(string.digits + "+()-/. x#", max_size=20),
)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: f"{one['dest']}-{one['in']}")
def test_published_vectors_are_met(vector: dict[str, str]) -> None:
    normaliser = NORMALISERS[vector["dest"]]
    given_as = (vector["field"], vector["in"], vector.get("country"))
    assert normaliser.normalised(*given_as) == vector["norm"]
    raw = bytes.fromhex(vector["sha256"])
    key = normaliser.key(*given_as)
    assert key == (vector["sha256"] if normaliser.encoding == "hex" else vector.get("b64", key))
    assert key is not None
    decode = bytes.fromhex if normaliser.encoding == "hex" else base64.b64decode
    assert decode(key) == raw


def test_every_published_vector_is_there() -> None:
    assert len(VECTORS) == 17
    assert {(one["dest"], one["field"]) for one in VECTORS} >= {
        *((name, "email") for name in HASHING),
        *((name, "phone") for name in HASHING),
    }
    assert any("b64" in one for one in VECTORS)


def test_destinations_differ_where_their_rules_do() -> None:
    def written(text: str) -> list[str | None]:
        return [NORMALISERS[name].normalised("email", text) for name in HASHING]

    assert written("Ann.Lee+x@gmail.com") == [
        *("annlee@gmail.com", "ann.lee+x@gmail.com", "ann.lee+x@gmail.com", "annlee@gmail.com"),
    ]
    assert written("Ann.Lee+x@googlemail.com") == [
        "annlee@googlemail.com",
        *["ann.lee+x@googlemail.com"] * 3,
    ]
    assert written("Ann.Lee+x@example.com") == ["ann.lee+x@example.com"] * 4
    assert written("ann lee@example.com") == ["annlee@example.com", None, None, None]
    phones = [NORMALISERS[name].normalised("phone", "+44 844 412 4653") for name in HASHING]
    assert phones == ["+448444124653", "448444124653", "448444124653", "+448444124653"]


def test_without_a_normaliser_the_address_stays_as_it_is() -> None:
    plain = NORMALISERS["none"]
    assert plain.key("email", " Ann.Lee+x@Gmail.com ") == "Ann.Lee+x@Gmail.com"
    assert plain.key("phone", "(650)555-1212", "US") == "+16505551212"


@pytest.mark.parametrize("name", NORMALISERS)
@pytest.mark.parametrize("text", [None, "", "  ", "ann", "@example.com", "ann@", "a@b@c", "+x@"])
def test_what_is_no_address_has_no_key(name: str, text: str | None) -> None:
    assert NORMALISERS[name].key("email", text) is None


def test_an_address_of_signs_that_do_not_count_has_no_key() -> None:
    assert NORMALISERS["google"].key("email", "..+sale@gmail.com") is None
    assert NORMALISERS["uid2"].key("email", "+sale@gmail.com") is None


@given(name=st.sampled_from(HASHING), email=EMAILS, before=SPACE, after=SPACE)
def test_case_and_outer_space_of_addresses_do_not_matter(
    name: str, email: str, before: str, after: str
) -> None:
    normaliser = NORMALISERS[name]
    once = normaliser.normalised("email", email)
    assert normaliser.normalised("email", before + email.upper() + after) == once
    assert normaliser.normalised("email", once) == once


@given(email=EMAILS, space=SPACE, data=st.data())
def test_inner_space_does_not_matter_to_google(email: str, space: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(email)))
    google = NORMALISERS["google"]
    assert google.key("email", email[:at] + space + email[at:]) == google.key("email", email)


@given(local=LOCALS, dots=st.integers(0, 3), suffix=LOCALS)
def test_dots_and_suffixes_count_everywhere_but_at_gmail(
    local: str, dots: int, suffix: str
) -> None:
    assume("+" not in local and local.strip("."))
    other = f"{'.' * dots}{local}+{suffix}"
    for name in ("google", "uid2"):
        key = NORMALISERS[name].key
        assert key("email", f"{other}@gmail.com") == key("email", f"{local}@gmail.com")
        assert key("email", f"{other}@example.com") != key("email", f"{local}@example.com")


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("(650)555-1212", None),  # whose country is not known
        ("0044 844 412 4653", None),  # 00 is not the way out of every country
        ("555-1212", "US"),  # lacks its area
        ("+1 650 555 12", "US"),
        ("call me", "US"),
        ("(650)555-1212", "XX"),
        ("(650)555-1212 ext. 12", "US"),
        ("", "US"),
    ],
)
def test_phones_are_not_guessed(text: str, country: str | None) -> None:
    assert all(NORMALISERS[name].key("phone", text, country) is None for name in HASHING)


def test_a_phone_may_be_written_in_many_ways() -> None:
    ways = [
        *("(0)30 901820", "030 901820", "030/901820", "+49 (0)30 901820", "0049 30 901820"),
        *("+4930901820", " 030\u00a0901820 ", "\uff10\uff13\uff10901820"),
    ]
    assert {e164(way, country) for way in ways for country in ("DE", "de")} == {"+4930901820"}


@given(text=PHONES, country=COUNTRIES, before=SPACE, after=SPACE)
def test_a_phone_in_its_form_stays_as_it_is(
    text: str, country: str | None, before: str, after: str
) -> None:
    once = e164(text, country)
    assert e164(before + text + after, country) == once
    assume(once is not None)
    assert once is not None
    assert e164(once, country) == e164(once, None) == once
    for name in ("meta", "snap"):
        digits = NORMALISERS[name].normalised("phone", once)
        assert digits == once[1:]
        assert digits.isdigit()
        assert digits[0] != "0"


# Cells


@pytest.mark.parametrize(("text", "written"), PUBLISHED["csv_escape"])
def test_published_cells_are_met(text: str, written: str) -> None:
    assert safe_cell(text) == written


@pytest.mark.parametrize(
    "text",
    [
        "\uff1d1+1",  # wide forms
        "\uff0b1",
        "\uff20sum",
        "\ufe631",  # small ones
        "\u22121",
        "\u00a0=1+1",  # what is not seen
        "\u200b=1+1",
        "\ufeff=1+1",
        "\u2060\u202e=1+1",
        "\u3164=1+1",
        '"=1+1',
        ' "" =1+1',
        "\uff02=1+1",
        "\n=1+1",
        "\0x",
        "-10",
        "+491234",
    ],
)
def test_a_formula_in_disguise_is_a_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-10, -10.5, Decimal("-10.50"), 0])
def test_numbers_stay_numbers(value: Any) -> None:
    file = io.StringIO(newline="")
    assert write_csv(file, ["amount"], [[value]]) == 1
    assert file.getvalue() == f'"amount"\r\n{value}\r\n'


def test_names_of_columns_are_cells_too() -> None:
    file = io.StringIO(newline="")
    write_csv(file, ["=x"], [[None], [True]])
    assert file.getvalue() == '"\'=x"\r\n""\r\n"true"\r\n'


@given(
    st.text(
        st.one_of(
            st.sampled_from('=+-@|% \t\r\n\0"\u00a0\u200b\uff1d\uff0d;,'),
            st.characters(codec="utf-8"),
        ),
        max_size=8,
    )
)
def test_no_cell_begins_with_a_formula(text: str) -> None:
    written = safe_cell(text)
    assert written in {text, f"'{text}"}
    assert safe_cell(written) == written
    assert written.lstrip(' "\u00a0\u200b')[:1] not in set("=+-@|%\t\r\n\0\uff1d\uff0d")
    file = io.StringIO(newline="")
    write_csv(file, ["cell"], [[text]])
    assert list(csv.reader(io.StringIO(file.getvalue(), newline="")))[1] == [written]
