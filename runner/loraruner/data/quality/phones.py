"""Telephone numbers in a text, told from dates, prices, versions and other long numbers.

A number with a country code counts where libphonenumber's tables (the package phonenumbers) know it as valid. One
without needs more: a word such as "phone" before it, or the very grouping that its country writes.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

from loraruner.data.quality.words import IN_WORD

# Countries whose national notation is known, the most frequent first.
REGIONS = (
    *("US", "GB", "DE", "FR", "IT", "ES", "CN", "JP", "IN", "BR", "RU", "NL", "BE"),
    *("CH", "AT", "PL", "SE", "TR", "KR", "AU", "NZ", "ZA", "UA", "MX", "ID", "IL"),
)
MAX_CANDIDATES = 100  # of one text
MAX_DIGITS = 15  # E.164
MIN_DIGITS_UNGROUPED = 12  # of a number that begins with 00: shorter ones are padded with noughts
MIN_DIGITS_ASKED = 10  # of an ungrouped number after "call"
BEFORE_CHARS = 32

CANDIDATE = re.compile(
    rf"(?<!{IN_WORD})(?<![_#/\\.,*^@%&$€£¥₹+-])(?<![$€£¥₹] )"
    r"[+(]?\d(?:[ ./()\u2010\u2013-]{0,3}\d){6,17}"
    rf"(?!{IN_WORD}|[_@%°€£¥₹$*^=]|[ ./-]?[€£¥₹$]|[.,:/-]\w)"
)
LABEL = re.compile(
    r"(?:\b(?:phone|telephone|tel|tél|tlf|tfn|fax|telefax|faks|mobile|mob|cell|whatsapp|hotline|landline|telefon"
    r"|telefono|teléfono|telefone|téléphone|portable|handy|mobil|móvil|celular|cellulare|rufnummer|puh|puhelin"
    r"|телефон|тел|моб|τηλ|τηλέφωνο|फ़ोन|मोबाइल|هاتف|جوال|موبايل|تلفن|טלפון)"
    r"|电话|電話|手机|手機|联系方式|传真|携帯|전화|연락처|휴대폰|โทร|โทรศัพท์)"
    r"\W{0,3}(?:numbers?|no|nr|num|nummer|numero|número|numéro|号码|番号|번호)?"
    r"\W{0,3}(?:is|ist|est|es|è|at|under|unter|是|为|は)?\W{0,3}$",  # codespell:ignore ist,unter
    re.IGNORECASE,
)
ASKED_TO_CALL = re.compile(
    r"\b(?:call|ring|dial|text|reach|message|contact)\s+(?:me|us|him|her|them)\b[^\d\n]{0,24}$"
    r"|\b(?:call|ring|dial|ligue|llame|chiama|appelez)(?:\s+(?:on|at|to|al|le|au|il))?\W{0,2}$"
    r"|\b(?:rufen sie|erreichen sie|erreichbar|звоните)\b[^\d\n]{0,24}$"  # codespell:ignore sie
    r"|(?:致电|拨打|打给|联系|连絡|連絡)[^\d\n]{0,8}$",
    re.IGNORECASE,
)
OTHER_NUMBER = re.compile(
    r"(?:\b(?:order|invoice|isbn|issn|ean|gtin|upc|sku|tracking|account|acct|iban|bic|id|ref|reference|serial|part"
    r"|version|ticket|case|imei|build|batch|lot|model|parcel|customer|contract|article|patent|doi|pmid|vat|tax"
    r"|bestellung|bestellnummer|rechnung|kundennummer|konto|artikel|commande|facture|pedido|factura|ordine|timestamp"
    r"|population|coordinates|port|release|revision|barcode|asin|swift|policy|claim)"
    r"|订单|订单号|编号|单号|账号|序列号|发票|注文|番号|주문)[^\d\n]{0,12}$",
    re.IGNORECASE,
)
DATE = re.compile(
    r"(?:19|20)\d\d[ ./-]\d{1,2}[ ./-]\d{1,2}(?!\d)|\d{1,2}[ ./-]{1,2}\d{1,2}[ ./-]{1,2}(?:19|20)\d\d(?!\d)"
    r"|\d{1,2}([./-])\d{1,2}\1\d\d$|(?:19|20)\d\d ?[-/\u2010\u2013] ?(?:19|20)?\d\d(?!\d)"
)
DOTTED = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}$|\d+\.\d+$|\d{1,3}(?:\.\d{3})+$|0\.")
NUMBER_BEFORE = re.compile(r"\d(?: {0,8}|[.,/-])$|=$")  # one of a row of numbers, or a value
NUMBER_AFTER = re.compile(r"[ .,/-]?\d")
# All digits in order, a ZIP code or the like, two times of day, volume and year of a journal.
NO_PHONE = re.compile(r"^0?123456789|^\d{5}[-/]\d{4}$|^[0-2]\d[0-5]\d ?- ?[0-2]\d[0-5]\d$|\d{4,} ?\(?(?:19|20)\d\d\)?$")
AND_ANOTHER = re.compile(
    r"\s{0,2}(?:[,;/|&]|or|and|oder|und|ou|et|o|y|或|和)\s{0,2}"  # codespell:ignore oder
)
SIGNED_DECIMAL = re.compile(r"\+\d+\.\d{1,2}$")
THOUSANDS = re.compile(r"[1-9]\d{0,2}(?: \d{3})+$")
NORTH_AMERICA = re.compile(r"(?:1[ .-]?)?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4}$")
CHINESE_MOBILE = re.compile(r"1[3-9]\d{9}$|1[3-9]\d[ -]\d{4}[ -]\d{4}$")
RUSSIAN = re.compile(r"8 ?\(?9\d\d\)?[ -]?\d{3}-\d\d-\d\d$")


def phone_numbers(text: str) -> Iterator[str]:
    """The digits of every telephone number in ``text``, in order; at most MAX_CANDIDATES are looked at."""
    last_end = -1
    for found in islice(CANDIDATE.finditer(text), MAX_CANDIDATES):
        shown = found.group()
        if shown.count("(") != shown.count(")"):
            shown = shown.replace("(", "").replace(")", "")
        before = text[max(0, found.start() - BEFORE_CHARS) : found.start()]
        if last_end >= 0 and AND_ANOTHER.fullmatch(text, last_end, found.start()):
            before = "tel "  # what was said of the number before it holds for this one
        if _is_phone(shown, before, text[found.end() : found.end() + 2]):
            last_end = found.end()
            yield _digits(shown)


def _is_phone(shown: str, before: str, after: str) -> bool:
    digits = _digits(shown)
    if shown.startswith("+"):
        return not SIGNED_DECIMAL.match(shown) and _is_valid(shown, None)
    if shown.startswith("00") and (shown != digits or len(digits) >= MIN_DIGITS_UNGROUPED):
        return _is_valid("+" + shown[2:], None)
    if DATE.match(shown) or DOTTED.match(shown):
        return False
    if LABEL.search(before):
        return len(digits) <= MAX_DIGITS
    if OTHER_NUMBER.search(before) or NUMBER_BEFORE.search(before) or NUMBER_AFTER.match(after):
        return False
    if ASKED_TO_CALL.search(before) and (shown != digits or len(digits) >= MIN_DIGITS_ASKED):
        return any(_is_valid(shown, region) for region in REGIONS)
    return not NO_PHONE.search(shown) and _is_written_as_one(shown, digits)


def _digits(shown: str) -> str:
    return re.sub(r"\D", "", shown)


def _is_written_as_one(shown: str, digits: str) -> bool:
    """Whether a number that nothing is said of stands as its country writes telephone numbers, and is one."""
    if NORTH_AMERICA.match(shown):
        return _is_valid(shown, "US")
    if CHINESE_MOBILE.match(shown):
        return _is_valid(shown, "CN")
    if RUSSIAN.match(shown):
        return _is_valid(shown, "RU")
    if THOUSANDS.match(shown) or _is_isbn(shown, digits) or not shown.startswith(("0", "(")) or digits.startswith("00"):
        return False
    if shown == digits:
        return any(_is_mobile(shown, region) for region in REGIONS)
    return any(_is_valid(shown, region) and _is_grouped(shown, region) for region in REGIONS)


def _is_isbn(shown: str, digits: str) -> bool:
    """A valid ISBN: 13 digits by prefix and check digit, ten in four groups by the check digit."""
    if len(digits) == 13 and digits.startswith(("978", "979")):
        return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10 == 0
    if len(digits) == 10 and len(re.split("[ -]", shown)) == 4:
        return sum(int(digit) * (10 - place) for place, digit in enumerate(digits)) % 11 == 0
    return False


@cache
def _library() -> Any:
    import phonenumbers

    return phonenumbers


def _parsed(shown: str, region: str | None) -> Any:
    try:
        return _library().parse(shown, region)
    except _library().NumberParseException:
        return None


def _is_valid(shown: str, region: str | None) -> bool:
    number = _parsed(shown, region)
    return number is not None and bool(_library().is_valid_number(number))


def _is_mobile(shown: str, region: str) -> bool:
    number = _parsed(shown, region)
    mobile = _library().PhoneNumberType.MOBILE
    return number is not None and _library().number_type(number) == mobile


def _is_grouped(shown: str, region: str) -> bool:
    """Whether the groups of digits are those of the country's notation."""
    leniency = _library().Leniency.STRICT_GROUPING
    return any(True for _ in _library().PhoneNumberMatcher(shown, region, leniency=leniency, max_tries=1))
