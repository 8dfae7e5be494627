"""The evaluator of policies that the tests of roles rest on."""

from typing import Any

import pytest

from tests.support.roles import ARN, Asked, allowed, asked, denied_by


def statement(effect: str, action: str, resource: str, **more: Any) -> dict[str, Any]:
    return {"Sid": effect, "Effect": effect, "Action": [action], "Resource": [f"{ARN}{resource}"], **more}


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


@pytest.mark.parametrize(
    ("resource", "key", "expected"),
    [
        ("b/*", "b/x/y", True),
        ("b/*/runs/*", "b/team/neon/runs/r", True),
        ("b/*/runs/*", "b/runs/r", False),
        ("b/p-??", "b/p-12", True),
        ("b/p-??", "b/p-123", False),
        ("b/a.b", "b/axb", False),
        ("b", "b/x", False),
        ("B/*", "b/x", False),
    ],
)
def test_globs(resource: str, key: str, expected: bool) -> None:
    """A star is any text, a question mark one character; all else is itself."""
    wanted = Asked("s3:GetObject", f"{ARN}{key}")
    assert allowed([policy(statement("Allow", "s3:GetObject", resource))], wanted) is expected


def test_denied_by_default_and_by_word() -> None:
    """What nothing allows is denied, and a Deny in any policy is stronger than every Allow."""
    wanted = Asked("s3:PutObject", f"{ARN}b/x")
    yes, no = statement("Allow", "s3:Put*", "b/*"), statement("Deny", "s3:PutObject", "b/x")
    assert not allowed([], wanted)
    assert allowed([policy(yes)], wanted)
    assert not allowed([policy(yes), policy(no)], wanted)
    assert denied_by(policy(yes, no), wanted) == ["Deny"]


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        ({"Null": {"s3:if-none-match": "true"}}, {}, True),
        ({"Null": {"s3:if-none-match": "true"}}, {"s3:if-none-match": "*"}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, {}, False),
        ({"StringLike": {"s3:prefix": "team/*"}}, {"s3:prefix": "team/neon/"}, True),
        ({"StringLike": {"s3:prefix": "team/*"}}, {}, False),
        ({"StringEquals": {"s3:prefix": "team"}, "Bool": {"x": "true"}}, {"s3:prefix": "team"}, False),
    ],
)
def test_conditions(condition: dict[str, Any], context: dict[str, str], expected: bool) -> None:
    """All lines must hold; a key that the request lacks holds in Null alone."""
    wanted = Asked("s3:ListBucket", f"{ARN}b", context)
    assert allowed([policy(statement("Allow", "s3:ListBucket", "b", Condition=condition))], wanted) is expected


@pytest.mark.parametrize(
    "more", [{"NotAction": []}, {"Condition": {"IpAddress": {"aws:SourceIp": "1"}}}, {"Resource": ["${aws:username}"]}]
)
def test_what_it_does_not_know(more: dict[str, Any]) -> None:
    """Words of the language that the evaluator lacks are an error, never passed over."""
    with pytest.raises(ValueError, match="evaluator"):
        allowed([policy({**statement("Allow", "s3:ListBucket", "b"), **more})], Asked("s3:ListBucket", f"{ARN}b"))


@pytest.mark.parametrize(
    ("method", "path", "action", "resource"),
    [
        ("HEAD", "/b", "s3:ListBucket", "b"),
        ("GET", "/b?list-type=2&prefix=a%2Fb&encoding-type=url", "s3:ListBucket", "b"),
        ("GET", "/b?uploads&prefix=", "s3:ListBucketMultipartUploads", "b"),
        ("GET", "/b?location", "s3:GetBucketLocation", "b"),
        ("HEAD", "/b/a%20b/c", "s3:GetObject", "b/a b/c"),
        ("PUT", "/b/k", "s3:PutObject", "b/k"),
        ("POST", "/b/k?uploads", "s3:PutObject", "b/k"),
        ("PUT", "/b/k?uploadId=u&partNumber=1", "s3:PutObject", "b/k"),
        ("POST", "/b/k?uploadId=u", "s3:PutObject", "b/k"),
        ("DELETE", "/b/k?uploadId=u", "s3:AbortMultipartUpload", "b/k"),
        ("DELETE", "/b/k", "s3:DeleteObject", "b/k"),
    ],
)
def test_requests(method: str, path: str, action: str, resource: str) -> None:
    """Each kind of request that loraruner sends, in the words of a policy."""
    wanted = asked(method, path, {})
    assert (wanted.action, wanted.resource) == (action, f"{ARN}{resource}")


def test_contexts() -> None:
    """A list tells its prefix, a write its condition and whether it makes an object."""
    assert asked("GET", "/b?list-type=2&prefix=a", {}).context["s3:prefix"] == "a"
    whole = asked("PUT", "/b/k", {"if-none-match": "*"}).context
    assert (whole["s3:if-none-match"], whole["s3:ObjectCreationOperation"]) == ("*", "true")
    assert asked("PUT", "/b/k?uploadId=u&partNumber=1", {}).context["s3:ObjectCreationOperation"] == "false"


def test_a_request_that_no_role_should_need() -> None:
    """Anything else, such as making a bucket, stops the test that met it."""
    with pytest.raises(KeyError):
        asked("PUT", "/b", {})
