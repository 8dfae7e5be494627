"""Secrets are struck out of text."""

import pytest

from loraruner.redact import Redactor

SECRET = "planted/secret+0123456789"


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
        ("a\x1b[31mred\x00\r\x9b1m", "a [31mred   1m"),
    ],
)
def test_struck(text: str, struck: str) -> None:
    """Known values, users and signatures in URLs, and what a terminal would obey."""
    assert Redactor([SECRET]).text(text) == struck


@pytest.mark.parametrize("text", ["hf://org/name@main", "s3://bucket/a@b/c", "file:///x?y=1", "line\n\ttab", "ä ❤"])
def test_kept(text: str) -> None:
    """Addresses without a secret, line breaks and every other character."""
    assert Redactor([SECRET]).text(text) == text


def test_the_longest_secret_goes_first() -> None:
    """A secret that holds another one leaves no rest."""
    assert Redactor(["secret01", "secret01-long"]).text("secret01-long") == "[secret]"
