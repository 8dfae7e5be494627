"""Sentences with and without personal data, drawn with a seed: what the figures in docs/quality.md are measured on."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

MAIL, PHONE, CARD = "mail address", "telephone number", "card number"
NUM_EACH = 300  # texts of every kind, and as many of each group of numbers that are none

# What people write: # is a digit, @ one from 2 to 9, the rest stands as it is.
PHONES = {
    "US": ("(212) @##-####", "415-@##-####", "312.@##.####", "+1 646 @## ####", "+1-305-@##-####", "1-702-@##-####"),
    "GB": ("020 7946 0###", "07700 900###", "+44 20 7946 0###", "+44 7911 123###", "0161 496 0###", "(0121) 496 0###"),
    "DE": ("030 9@####", "0151 @@######", "+49 30 9@####", "+49 (0)89 @######", "089/@@####", "0171-@######"),
    "FR": ("06 1# ## ## ##", "01 42 ## ## ##", "+33 6 2# ## ## ##", "06.3#.##.##.##", "+33 1 42 ## ## ##"),
    "IT": ("02 @@## ####", "347 @## ####", "+39 06 @@## ####", "+39 347 @## ####"),
    "ES": ("+34 612 @## ###", "+34 91 @## ## ##", "612 @## ###"),
    "CN": ("138 @### ####", "139@#######", "+86 137 @### ####", "010-@@## ####", "+86 10 @@## ####"),
    "JP": ("090-@###-####", "03-@###-####", "+81 90 @### ####", "080-@###-####"),
    "IN": ("+91 98@## #####", "98@## #####", "+91-97@##-#####"),
    "BR": ("(11) 9@###-####", "+55 11 9@###-####", "(21) 3@##-####"),
    "RU": ("8 (912) @##-##-##", "+7 912 @##-##-##", "+7 (495) @##-##-##"),
    "NL": ("06 1@######", "+31 6 2@######", "020 @## ####"),
    "CH": ("079 @## ## ##", "+41 79 @## ## ##", "044 6@# ## ##"),
    "KR": ("010-@###-####", "+82 10-@###-####"),
    "AU": ("0412 @## ###", "+61 412 @## ###", "(02) 9@## ####"),
}
BARE = ("Reach {} before noon: {}.", "{} has moved, {} still works.", "{}, {}, third floor.", "Signed {} / {}")
NAMED = ("{}'s phone number is {}.", "{}, mobile: {}", "Call {} back, tel. {}", "{}\nPhone {}\nMonday to Friday")
LABELS_IN = {
    "DE": "{}, Telefon {}",
    "FR": "{}, téléphone : {}",
    "ES": "{}, teléfono {}",
    "CN": "{}的手机号码是{}。",
    "JP": "{}の携帯番号は{}です。",
    "KR": "{} 전화번호 {}",
    "RU": "{}, тел. {}",
}
# Without a country code these say nothing by themselves: people write a word before them, and so do the sentences.
NEED_A_WORD = ("612 @## ###", "98@## #####", "347 @## ####")

PEOPLE = ("Mara Lind", "J. Okafor", "Wei", "the office", "Mr Brandt", "Ana", "support", "our plumber")
MAILS = (
    "{a}.{b}@{d}.{t}",
    "{a}{n}@{d}.{t}",
    "{a}_{b}@mail.{d}.{t}",
    "{a}+news@{d}.co.uk",
    "{A}.{B}@{D}.{t}",
    "info@{d}.{t}",
    "{a}-{b}@{d}-{c}.{t}",
)
AROUND_MAIL = (
    "Write to {} today.",
    "<{}>",
    "mailto:{}",
    "Contact: {}, or come by.",
    "请发邮件到{}谢谢。",
    '{{"email": "{}"}}',
    "({})",
    "Bitte an {}!",
)
CARDS = (("4", 16), ("4", 13), ("51", 16), ("55", 16), ("2300", 16), ("34", 15), ("37", 15), ("6011", 16), ("36", 14))
AROUND_CARD = ("Charge {} please.", "My card: {}, exp. 04/29", "Visa {} declined", "Karte {}", "卡号是{}。")

# Numbers that are nobody's: a group a line, each with its ways of writing.
OTHERS: dict[str, tuple[str, ...]] = {
    "dates": (
        "20@#-0@-1#",
        "1#.0@.20@#",
        "0@/1#/20@#",
        "20@#/0@/1# 1#:4#",
        "1#.0@.2#",
        "20@#年@月1#日",
        "20@#-0@-1#T1#:3#:5#Z",
    ),
    "spans": ("19@#-20##", "20## - 20##", "pp. 1##-1##", "1#:30-1#:45", "0@.0@.-1#.0@.20@#"),
    "order numbers": (
        "order 45########",
        "20@#-00#-####",
        "INV-20@#-0####",
        "Bestellung 0@## ######",
        "订单号@#########",
        "order no. 0@#-#######-#######",
    ),
    "codes": (
        "SKU 0@#####-###",
        "batch 0#######",
        "part no. 0@#-###-###",
        "tracking 00340@##############",
        "serial 0@##########",
        "ticket 00######",
    ),
    "books": (
        "ISBN 978-3-16-1@###0-#",
        "978-0-306-40615-7",
        "ISBN 0-306-40615-2",
        "0-306-40615-2",
        "ISSN 0317-84##",
        "9783161484100",
    ),
    "versions": ("v1.2#.30#.40##", "0.1#.3#4.@##1", "2.@#.0-rc#", "python 3.1#.@", "release 20@#.0@.1#", "1.0.0.@###"),
    "prices": (
        "$@,###,###",
        "@.###.###,00 EUR",
        "€ @## ### ###",
        "@#####0 USD",
        "£@#####.##",
        "USD @######",
        "@ ### ### €",
        "¥@######",
    ),
    "counts": (
        "@,###,### people",
        "@ ### ### people",
        "@.###.###",
        "population @#######",
        "@######## rows",
        "0.@#########",
    ),
    "places": ("52.5@####, 13.4@####", "4@.85####° N", "zip @####-####", "192.168.@#.@##", "10.@#.3#.4#"),
    "technical": (
        "17########",
        "0x@#######",
        "IMEI 35@############",
        "sha 3f@#####b4",
        "uuid 1@######-12#3-4#6b-9@#c-42661417#000",
        "id=0@########",
        "doi 10.10##/@##-@######",
    ),
    "sums": (
        "0.@### 0.@### 0.@###",
        "@## + @### = @####",
        "1 2 3 4 5 6 7 8 9",
        "3.14159265358979",
        "@e-0@ 1.@#####",
        "01 02 03 04 05 06",
    ),
}
AROUND_OTHER = (
    "It says {} there.",
    "{}",
    "See {} for more.",
    "The value is {}, as before.",
    "结果是 {}。",
    "Stand: {}",
)


@dataclass(frozen=True)
class Text:
    """One text, the kinds of personal data in it, the secrets themselves, and the group it was drawn from."""

    text: str
    kinds: frozenset[str]
    secrets: tuple[str, ...]
    group: str


def texts(seed: int = 7) -> list[Text]:
    """NUM_EACH texts of every kind of personal data, and NUM_EACH of every group of other numbers."""
    draw = random.Random(seed)
    makers: dict[str, Callable[[random.Random], tuple[str, str]]] = {MAIL: mail, PHONE: phone, CARD: card}
    made = []
    for kind, maker in makers.items():
        for _ in range(NUM_EACH):
            text, secret = maker(draw)
            made.append(Text(text, frozenset({kind}), (secret,), kind))
    for group, patterns in OTHERS.items():
        for _ in range(NUM_EACH):
            text = draw.choice(AROUND_OTHER).format(filled(draw, draw.choice(patterns)))
            made.append(Text(text, frozenset(), (), group))
    return made


def filled(draw: random.Random, pattern: str) -> str:
    """A pattern with its digits drawn."""
    digits = {"#": "0123456789", "@": "23456789"}
    return "".join(draw.choice(digits[sign]) if sign in digits else sign for sign in pattern)


def phone(draw: random.Random) -> tuple[str, str]:
    country = draw.choice(list(PHONES))
    pattern = draw.choice(PHONES[country])
    number = filled(draw, pattern)
    named = [*NAMED, LABELS_IN.get(country, NAMED[0])]
    around = draw.choice(named if pattern in NEED_A_WORD or draw.random() < 0.5 else BARE)
    return around.format(draw.choice(PEOPLE), number), number


def mail(draw: random.Random) -> tuple[str, str]:
    words = {key: draw.choice(("kim", "lea", "berg", "otto", "yusuf", "x", "nord", "tonkin")) for key in "abcd"}
    capitals = {key.upper(): word.title() for key, word in words.items()}
    ending = draw.choice(("com", "org", "de", "io", "museum", "cn", "info"))
    address = draw.choice(MAILS).format(**words, **capitals, n=draw.randrange(100), t=ending)
    return draw.choice(AROUND_MAIL).format(address), address


def card(draw: random.Random) -> tuple[str, str]:
    prefix, length = draw.choice(CARDS)
    body = prefix + "".join(draw.choice("0123456789") for _ in range(length - len(prefix) - 1))
    digits = body + check_digit(body)
    groups = {16: (4, 8, 12), 15: (4, 10), 14: (4, 10)}.get(length, ())
    separator = draw.choice(("", " ", "-")) if groups else ""
    edges = [0, *groups, length]
    shown = separator.join(digits[begin:end] for begin, end in pairwise(edges))
    return draw.choice(AROUND_CARD).format(shown), shown


def check_digit(body: str) -> str:
    """The last digit that makes a number pass the test of Luhn."""
    doubled = [int(digit) * (1 if place % 2 else 2) for place, digit in enumerate(reversed(body))]
    return str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)
