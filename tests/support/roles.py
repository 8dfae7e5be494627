"""The role policies of docs/roles, an evaluator of such policies, and what a request to S3 asks for in their words.

The evaluator knows what these policies use: Allow and Deny, globs of actions and resources, four kinds of conditions.
Anything else is an error, so that no statement is passed over in silence.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

FOLDER = Path(__file__).parents[2] / "docs/roles"
ROLES = ("uploader", "runner", "dispatcher", "reviewer", "releaser")
BUCKETS = {"DATA_BUCKET": "data", "MODELS_BUCKET": "models", "LORAS_BUCKET": "loras"}
ARN = "arn:aws:s3:::"
ON_BUCKETS = ("s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads")
ON_OBJECTS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
# What a subresource in the query makes of a method; "" is a plain request.
BUCKET_ACTIONS = {
    ("HEAD", ""): "s3:ListBucket",
    ("GET", ""): "s3:ListBucket",
    ("GET", "uploads"): "s3:ListBucketMultipartUploads",
    ("GET", "location"): "s3:GetBucketLocation",
}
OBJECT_ACTIONS = {
    ("HEAD", ""): "s3:GetObject",
    ("GET", ""): "s3:GetObject",
    ("PUT", ""): "s3:PutObject",
    ("POST", "uploads"): "s3:PutObject",
    ("PUT", "uploadId"): "s3:PutObject",
    ("POST", "uploadId"): "s3:PutObject",
    ("DELETE", "uploadId"): "s3:AbortMultipartUpload",
    ("DELETE", ""): "s3:DeleteObject",
}
SUBRESOURCES = ("uploads", "uploadId", "location")
CREATING = (("PUT", ""), ("POST", "uploadId"))  # an object comes into being


@dataclass(frozen=True)
class Asked:
    """What one request asks leave for."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> str:
        """The object's key; "" for a bucket."""
        return self.resource.removeprefix(ARN).partition("/")[2]


def policy_text(name: str, buckets: Mapping[str, str] = BUCKETS) -> str:
    """A file of docs/roles with real names in the place of its placeholders."""
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    for placeholder, bucket in buckets.items():
        text = text.replace(placeholder, bucket)
    return text


def policy(name: str) -> dict[str, Any]:
    """The same, parsed."""
    document: dict[str, Any] = json.loads(policy_text(name))
    return document


def asked(method: str, path: str, headers: Mapping[str, str]) -> Asked:
    """What a path-style request asks for; raises KeyError for one that no role should need."""
    parts = urlsplit(path)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
    kind = method, next((name for name in SUBRESOURCES if name in query), "")
    context = {"aws:SecureTransport": "true"}
    if not key:
        context |= {"s3:prefix": query["prefix"]} if "prefix" in query else {}
        return Asked(BUCKET_ACTIONS[kind], f"{ARN}{bucket}", context)
    if OBJECT_ACTIONS[kind] == "s3:PutObject":
        context["s3:ObjectCreationOperation"] = str(kind in CREATING).lower()
    if "if-none-match" in headers:
        context["s3:if-none-match"] = headers["if-none-match"]
    return Asked(OBJECT_ACTIONS[kind], f"{ARN}{bucket}/{key}", context)


def allowed(policies: Sequence[Mapping[str, Any]], wanted: Asked) -> bool:
    """Whether some statement allows it and none denies it: what is not allowed is denied."""
    effects = [each["Effect"] for one in policies for each in one["Statement"] if _applies(each, wanted)]
    return "Allow" in effects and "Deny" not in effects


def denied_by(one: Mapping[str, Any], wanted: Asked) -> list[str]:
    """The names of the statements of a policy that deny it."""
    return [each["Sid"] for each in one["Statement"] if each["Effect"] == "Deny" and _applies(each, wanted)]


def _applies(statement: Mapping[str, Any], wanted: Asked) -> bool:
    if unknown := set(statement) - {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}:
        raise ValueError(f"the evaluator does not know {unknown}")
    return (
        any(_matches(pattern, wanted.action) for pattern in statement["Action"])
        and any(_matches(pattern, wanted.resource) for pattern in statement["Resource"])
        and all(
            _holds(kind, wanted.context.get(key), expected)
            for kind, keys in statement.get("Condition", {}).items()
            for key, expected in keys.items()
        )
    )


def _holds(kind: str, value: str | None, expected: str) -> bool:
    """One line of a condition; a key that the request lacks holds in Null alone."""
    if kind == "Null":
        return (value is None) == (expected == "true")
    if kind in ("Bool", "StringEquals"):
        return value == expected
    if kind == "StringLike":
        return value is not None and _matches(expected, value)
    raise ValueError(f"the evaluator does not know the condition {kind}")


def _matches(pattern: str, text: str) -> bool:
    """IAM's globs: ``*`` and ``?`` stand for slashes too."""
    if "${" in pattern:
        raise ValueError(f"{pattern}: the evaluator knows no variables")
    translated = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(translated, text, flags=re.DOTALL) is not None
