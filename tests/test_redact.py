"""Secrets are struck out of text."""

import base64
import html
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

import pytest

from loraruner.redact import Redactor, guard_records

SECRET = "planted/secret+0123456789"
ODD = 'pa$$ (w0rd)[a-z]*\\d+ "quoted" <&\'> \N{SNOWMAN} {"json": 1}'
LINES = "-----BEGIN OF A SECRET-----\nMIIEfirst+line/0123\r\n  MIIEsecond=line4567\n-----END OF A SECRET-----"


@pytest.mark.parametrize(
    ("text", "struck"),
    [
        (f"key {SECRET} and {SECRET}", "key [secret] and [secret]"),
        ("https://ann:pass-w0rd@host/x", "https://[secret]@host/x"),
        ("https://ghp_token@host/x", "https://[secret]@host/x"),
        ("s3://id:key@bucket/x", "s3://[secret]@bucket/x"),
        ("https://h/o?X-Amz-Signature=abc&b=1", "https://h/o?X-Amz-Signature=[secret]&b=1"),
        ("https://h/o?a=1&x-amz-credential=AKIA%2F1 next", "https://h/o?a=1&x-amz-credential=[secret] next"),
        ("https://h/o?sig=abc'", "https://h/o?sig=[secret]'"),
        ("https://h/o?access_token=abc&api_key=def", "https://h/o?access_token=[secret]&api_key=[secret]"),
        ("https://ann:p@ss:w0rd@host/x", "https://[secret]@host/x"),
        ("proxy://ann:p@ss@host:8080/x", "proxy://[secret]@host:8080/x"),
        ('{"next": "https://h/o?b=1\\u0026sig=abc"}', '{"next": "https://h/o?b=1\\u0026sig=[secret]"}'),
        ("<a href='?a=1&amp;token=abc'>", "<a href='?a=1&amp;token=[secret]'>"),
        ("to=https%3A%2F%2Fh%2Fo%3Fsig%3Dabc%26b=1", "to=https%3A%2F%2Fh%2Fo%3Fsig%3D[secret]%26b=1"),
        ("Authorization: Bearer abc.def", "Authorization: [secret]"),
        ("{'Authorization': 'Basic YTpi', 'Host': 'h'}", "{'Authorization': '[secret]', 'Host': 'h'}"),
        ('{\\"authorization\\": \\"x y\\", \\"b\\": 1}', '{\\"authorization\\": \\"[secret]\\", \\"b\\": 1}'),
        ("b'Proxy-Authorization': b'Basic YTpi'", "b'Proxy-Authorization': b'[secret]'"),
        ("sent bearer abcdefgh12 there", "sent bearer [secret] there"),
        ("Credential=AK/2027, Signed=h, Signature=0f", "Credential=[secret], Signed=h, Signature=[secret]"),
        ("<AWSAccessKeyId>A</AWSAccessKeyId>", "<AWSAccessKeyId>[secret]</AWSAccessKeyId>"),
        ("<StringToSign>a\nb</StringToSign>", "<StringToSign>[secret]</StringToSign>"),
        ("id AKIAABCDEFGHIJKLMNOP of hf_abcdefghijklmnopqrstuv", "id [secret] of [secret]"),
        ("a\x1b[31mred\x00\r\x9b1m", "a [31mred   1m"),
    ],
)
def test_struck(text: str, struck: str) -> None:
    """Known values, users and signatures in URLs, and what a terminal would obey."""
    assert Redactor([SECRET]).text(text) == struck


@pytest.mark.parametrize(
    "text",
    [
        *("hf://org/name@main", "s3://bucket/a@b/c", "file:///x?y=1", "line\n\ttab", "ä ❤", "https://h/a@b"),
        *("https://h, mail ann@x", "the bearer of news", "a basic understanding", "its signature is fine", "monkey=1"),
    ],
)
def test_kept(text: str) -> None:
    """Addresses without a secret, line breaks and every other character."""
    assert Redactor([SECRET]).text(text) == text


def test_the_longest_secret_goes_first() -> None:
    """A secret that holds another one leaves no rest."""
    assert Redactor(["secret01", "secret01-long"]).text("secret01-long") == "[secret]"


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda secret: secret,
    "in an address": lambda secret: quote(secret, safe=""),
    "in a path": quote,
    "in a form": quote_plus,
    "escaped in small letters": lambda secret: re.sub("%..", lambda found: found[0].lower(), quote(secret)),
    "in an address in an address": lambda secret: quote(quote(secret, safe=""), safe=""),
    "in small letters in an address": lambda secret: quote(
        re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")), safe=""
    ),
    "in JSON": json.dumps,
    "in JSON as it is": lambda secret: json.dumps(secret, ensure_ascii=False),
    "in JSON in JSON": lambda secret: json.dumps(json.dumps(secret)[1:-1]),
    "in Python": repr,
    "in Python's bytes": lambda secret: repr(secret.encode()),
    "in HTML": html.escape,
    "in base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "in base64 with a user": lambda secret: base64.b64encode(f"ann:{secret}".encode()).decode(),
    "in base64 with another user": lambda secret: base64.b64encode(f"b:{secret}!".encode()).decode(),
    "in base64 for addresses": lambda secret: base64.urlsafe_b64encode(f"jo:{secret}".encode()).decode(),
    "in hex": lambda secret: secret.encode().hex(),
    "in hex of large letters": lambda secret: secret.encode().hex().upper(),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("secret", [SECRET, ODD, LINES], ids=["path", "odd", "lines"])
def test_every_spelling_of_a_known_value(secret: str, spell: Callable[[str], str]) -> None:
    """However an address, JSON, Python, HTML or base64 spells it: no eight characters in a row are left."""
    spelled = spell(secret)
    struck = Redactor([secret]).text(f"before <{spelled}> after")
    assert struck.startswith("before <") and struck.endswith("> after") and "[secret]" in struck
    left = struck.replace("[secret]", "\0")
    assert not [start for start in range(len(spelled) - 7) if spelled[start : start + 8] in left], struck


def test_each_line_of_a_key() -> None:
    """A key of several lines is struck also where only one of them is told; what is shorter than 8 is no secret."""
    redactor = Redactor([LINES, "short"])
    assert redactor.text("bad line 'MIIEsecond=line4567' short") == "bad line '[secret]' short"


def test_values_of_any_depth() -> None:
    """Strings in lists and objects, and their keys; all else stays."""
    value = {SECRET: [1, None, (f"x {SECRET}", True)], "b": {"c": SECRET}}
    assert Redactor([SECRET]).values(value) == {"[secret]": [1, None, ["x [secret]", True]], "b": {"c": "[secret]"}}


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        *(("", piece) for piece in ("://a", "?a", "%26", "authorization:", "signature=", "bearer ", "<token")),
        *(("", piece) for piece in ("AKIA", "x@", "cookie ", "?key", "<stringtosign", "https://a:")),
        *(("<", "token"), ("?", "key"), ("?x-amz-", "a-"), ("cookie", "\n"), ("cookie:", "'"), ("://a:", "b:")),
    ],
)
def test_hostile_text_takes_linear_time(start: str, piece: str) -> None:
    """A text made to slow the patterns down: eight times as much takes far less than 64 times as long."""

    def measured(number: int) -> float:
        started = time.process_time()
        Redactor([]).text(start + piece * number)
        return time.process_time() - started

    measured(1000)
    assert measured(64_000) < 30 * measured(8_000) + 0.5


@pytest.fixture
def _own_records() -> Iterator[None]:
    factory = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(factory)


@pytest.mark.usefixtures("_own_records")
def test_no_handler_sees_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """A library's own handler, one without a formatter of ours: message, arguments, chained traceback, stack."""
    secrets = [SECRET]
    guard_records(lambda: secrets)
    logger = logging.getLogger("some.library")
    handler = logging.StreamHandler()
    logger.addHandler(handler)
    logger.propagate = False
    try:
        try:
            try:
                raise KeyError(SECRET)
            except KeyError as error:
                raise ValueError(f"https://ann:{SECRET}@host") from error
        except ValueError:
            logger.exception("read %s", {"Authorization": f"Basic {SECRET}"}, stack_info=True)
        logger.warning("%d does not fit", SECRET)
        secrets.append("known-only-later")
        logger.warning("known-only-later")
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    told = capsys.readouterr().err
    assert SECRET not in told and "known-only-later" not in told
    assert "KeyError" in told and "ValueError" in told and "Stack (most recent call last)" in told
    assert "does not fit ('[secret]',)" in told and "--- Logging error ---" not in told
