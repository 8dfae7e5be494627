"""Patterns of personal data in a text: mail addresses, telephone numbers, card numbers; told without repeating them."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from loraruner.data.quality.phones import BEFORE_CHARS, OTHER_NUMBER, phone_numbers
from loraruner.data.quality.words import IN_WORD

MAX_CHARS = 100_000  # of a text that are looked at
MAX_LEFT_CHARS = 100  # before the @; a local part has 64 (RFC 5321)
MAX_SHOWN = 3
MAIL, CARD_NUMBER, PHONE = "mail address", "card number", "telephone number"
PLURALS = {MAIL: "mail addresses", CARD_NUMBER: "card numbers", PHONE: "telephone numbers"}
FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")

LOCAL_REVERSED = re.compile(r"[a-z0-9_+-](?:[a-z0-9._%+'-]{0,62}[a-z0-9_])?", re.IGNORECASE)
LOCAL_REVERSED_ANY = re.compile(r"[\w+-](?:[\w.%+'-]{0,62}\w)?")
DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}([a-z]{2,24})(?![a-z0-9_@(\[-])", re.IGNORECASE)
DOMAIN_ANY = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}([^\W\d_]{2,24})(?![\w@(\[-])")
RETINA = re.compile(r"\d(?:\.\d)?x\.", re.IGNORECASE)  # icon@2x.png
FILES = ("png", "jpg", "jpeg", "gif", "webp", "svg", "css", "js", "json", "txt", "html", "yaml", "csv", "pdf", "zip")

CARD = re.compile(rf"(?<!{IN_WORD})(?<![_.,/#-])\d(?:[ -]?\d){{12,18}}(?!{IN_WORD}|[_%]|[.,/-]\d)")
GROUPS = ((4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4))
# Issuer's first digits (ISO/IEC 7812), as a range, and the lengths of its numbers.
ISSUERS = (
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),  # Mastercard
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("6011", "6011", (16, 19)),  # Discover
    ("644", "659", (16, 19)),
    ("300", "305", (14,)),  # Diners Club
    ("36", "36", (14,)),
    ("38", "39", (14,)),
    ("3528", "3589", (16, 19)),  # JCB
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
)


@dataclass(frozen=True)
class Hit:
    """One thing that looks like personal data: its kind, and the little of it that may be repeated."""

    kind: str
    mask: str


def find_personal(text: str) -> tuple[Hit, ...]:
    """Mail addresses, card numbers and telephone numbers in the first MAX_CHARS of ``text``, each once."""
    plain = text[:MAX_CHARS]
    if not plain.isascii():
        plain = FOREIGN_DIGIT.sub(
            lambda digit: str(unicodedata.decimal(digit[0])), unicodedata.normalize("NFKC", plain)
        )
    mails = list(dict.fromkeys(_mails(plain)))
    cards = list(dict.fromkeys(_cards(plain)))
    for card in cards:  # or it would be searched for telephone numbers
        plain = plain.replace(card, "x" * len(card))
    phones = list(dict.fromkeys(phone_numbers(plain)))
    return (
        *(Hit(MAIL, f"{mail[0]}...@{mail.partition('@')[2][0]}...") for mail in mails),
        *(Hit(CARD_NUMBER, f"...{card[-2:]}") for card in cards),
        *(Hit(PHONE, f"...{digits[-2:]}") for digits in phones),
    )


def told(hits: tuple[Hit, ...]) -> str:
    """The hits in a few words: "a mail address (j...@e...), 2 telephone numbers (...34, ...56)"."""
    return ", ".join(_told(kind, hits) for kind in dict.fromkeys(hit.kind for hit in hits))


def _told(kind: str, hits: tuple[Hit, ...]) -> str:
    masks = [hit.mask for hit in hits if hit.kind == kind]
    shown = ", ".join(masks[:MAX_SHOWN]) + (", ..." if len(masks) > MAX_SHOWN else "")
    return f"a {kind} ({shown})" if len(masks) == 1 else f"{len(masks)} {PLURALS[kind]} ({shown})"


def _mails(text: str) -> Iterator[str]:
    place = text.find("@")
    while place != -1:
        if mail := _mail_at(text, place):
            yield mail
        place = text.find("@", place + 1)


def _mail_at(text: str, place: int) -> str:
    """The address around an @, or "" where there is none."""
    left = text[max(0, place - MAX_LEFT_CHARS) : place][::-1]
    domain = DOMAIN.match(text, place + 1) or DOMAIN_ANY.match(text, place + 1)
    local = LOCAL_REVERSED.match(left) or LOCAL_REVERSED_ANY.match(left)
    if domain is None or local is None or domain[1].lower() in FILES or RETINA.match(domain[0]):
        return ""
    before, after = left[local.end() :], text[domain.end() : domain.end() + 2]
    if before[:1] in ("/", "@") or "//:" in (before.split(maxsplit=1) or [""])[0]:  # the user of a URL; a handle
        return ""
    if len(after) == 2 and after[0] in ":/" and not after[1].isspace():  # git@host:path, user@host/path
        return ""
    return f"{local[0][::-1]}@{domain[0]}"


def _cards(text: str) -> Iterator[str]:
    for found in CARD.finditer(text):
        shown = found.group()
        if _is_card(shown) and not OTHER_NUMBER.search(text[max(0, found.start() - BEFORE_CHARS) : found.start()]):
            yield shown


def _is_card(shown: str) -> bool:
    groups = re.split("[ -]", shown)
    digits = "".join(groups)
    if len(groups) > 1 and tuple(map(len, groups)) not in GROUPS:
        return False
    if len(set(digits)) == 1 or not _has_issuer(digits):
        return False
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0  # Luhn, ISO/IEC 7812-1 annex B


def _has_issuer(digits: str) -> bool:
    return any(first <= digits[: len(first)] <= last and len(digits) in lengths for first, last, lengths in ISSUERS)
