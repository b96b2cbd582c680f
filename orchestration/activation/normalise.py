"""How each destination wants identifiers written before they are hashed, one set of rules each.

The rules differ on purpose: a shared one matches nobody at some of them. A hash without salt is
still personal data; what is done with it is the business of the callers. Nothing is guessed: what
cannot be read for certain gives None.

Sources of the rules:
    Google: developers.google.com/data-manager/api/devguides/concepts/formatting
    Meta: developers.facebook.com/docs/marketing-api/conversions-api/parameters
    Snap: developers.snap.com/api/marketing-api/Conversions-API/Parameters
    UID2: unifiedid.com/docs/getting-started/gs-normalization-encoding
    X: developer.x.com/en/docs/x-ads-api/audiences/api-reference/custom-audience-user
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import phonenumbers

Encoding = Literal["plain", "hex", "base64"]
# Text and, where it is known, the country of the customer (ISO 3166 alpha-2).
Rule: TypeAlias = Callable[[str, str | None], str | None]

GMAIL = frozenset({"gmail.com"})
GOOGLE_MAIL = frozenset({"gmail.com", "googlemail.com"})


@dataclass(frozen=True)
class Normaliser:
    """The rules of one destination.

    Attributes:
        name: As `destinations.csv` names it.
        rules: By kind of identifier (email, phone, ...), how it is written.
        encoding: How the SHA-256 is written; plain means that nothing is hashed.
    """

    name: str
    rules: Mapping[str, Rule]
    encoding: Encoding

    def normalised(self, kind: str, text: str | None, country: str | None = None) -> str | None:
        """Write an identifier as the destination wants it before it is hashed.

        Args:
            kind: The kind of identifier.
            text: As the shop knows it.
            country: Where the customer lives; only phones and countries need it.

        Returns:
            None when the destination does not know the kind, or the text is none of it.
        """
        rule = self.rules.get(kind)
        return None if rule is None or not text else rule(text, country)

    def key(self, kind: str, text: str | None, country: str | None = None) -> str | None:
        """Return what is sent to the destination; arguments as in `normalised`."""
        normalised = self.normalised(kind, text, country)
        return None if normalised is None else encoded(normalised, self.encoding)


def encoded(text: str, encoding: Encoding) -> str:
    """Hash a text with SHA-256; base64 is that of the raw bytes, not of the hexadecimal digits."""
    if encoding == "plain":
        return text
    digest = hashlib.sha256(text.encode()).digest()
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def e164(text: str, country: str | None = None) -> str | None:
    """Write a phone number in the international form: a plus sign and digits.

    Args:
        text: A number in any national or international form.
        country: Where a number without a plus sign belongs to; without it such a number is None.
    """
    try:
        number = phonenumbers.parse(text, country.strip().upper() if country else None)
    except phonenumbers.NumberParseException:
        return None
    possible = phonenumbers.is_possible_number_with_reason(number)
    # Who is behind an extension cannot be reached by the number alone.
    if possible != phonenumbers.ValidationResult.IS_POSSIBLE or number.extension:
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return written if _reads_as(written) == written else None


def _reads_as(written: str) -> str | None:
    """Read an international number once more: some have two readings, and are not guessed."""
    try:
        again = phonenumbers.parse(written, None)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(again, phonenumbers.PhoneNumberFormat.E164)


def _digits(text: str, country: str | None) -> str | None:
    """Write a phone number with its country code, without a plus sign or leading zeros."""
    written = e164(text, country)
    return written and written.removeprefix("+")


def _address(text: str) -> str | None:
    """Return what has the form of an e-mail address."""
    local, _, domain = text.partition("@")
    is_whole = local and domain and "@" not in domain and not any(map(str.isspace, text))
    return text if is_whole else None


def _email(text: str, _: str | None) -> str | None:
    return _address(text.strip().lower())


def _plain_email(text: str, _: str | None) -> str | None:
    return _address(text.strip())


def _email_without_aliases(domains: frozenset[str], *, keeps_inner_space: bool) -> Rule:
    """Make a rule under which dots and what follows a plus sign do not tell mailboxes apart.

    Args:
        domains: The only domains of which that is true.
        keeps_inner_space: Whether white space inside an address is left, and spoils it.
    """

    def rule(text: str, _: str | None) -> str | None:
        joined = text.strip() if keeps_inner_space else "".join(text.split())
        address = _address(joined.lower())
        if address is None:
            return None
        local, _, domain = address.partition("@")
        if domain in domains:
            local = local.partition("+")[0].replace(".", "")
        return f"{local}@{domain}" if local else None

    return rule


def _name(text: str, _: str | None) -> str | None:
    kept = [sign for sign in text.lower() if not unicodedata.category(sign).startswith("P")]
    return " ".join("".join(kept).split()) or None


def _country(text: str, _: str | None) -> str | None:
    code = text.strip().lower()
    return code if len(code) == 2 and code.isascii() and code.isalpha() else None


def _handle(text: str, _: str | None) -> str | None:
    return text.strip().lstrip("@").strip().lower() or None


NORMALISERS: Mapping[str, Normaliser] = {
    normaliser.name: normaliser
    for normaliser in (
        Normaliser("none", {"email": _plain_email, "phone": e164}, "plain"),
        Normaliser(
            "google",
            {"email": _email_without_aliases(GOOGLE_MAIL, keeps_inner_space=False), "phone": e164},
            "hex",
        ),
        Normaliser(
            "meta",
            {
                "email": _email,
                "phone": _digits,
                "first_name": _name,
                "last_name": _name,
                "country": _country,
            },
            "hex",
        ),
        Normaliser("snap", {"email": _email, "phone": _digits}, "hex"),
        Normaliser(
            "uid2",
            {"email": _email_without_aliases(GMAIL, keeps_inner_space=True), "phone": e164},
            "base64",
        ),
        Normaliser("x", {"username": _handle}, "hex"),
    )
}
