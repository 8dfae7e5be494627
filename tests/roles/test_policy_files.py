"""The policies of docs/roles, read as documents and judged by the evaluator: form, and who may do what."""

import itertools
import json
from typing import Any

import pytest

from tests.support.roles import ARN, BUCKETS, FOLDER, ON_BUCKETS, ON_OBJECTS, ROLES, Asked, allowed, policy

ALL = (*ROLES, "bucket-policy")
TIMES = "0123456789abcdef"
NAME = "loras/neon-style"
# Of each key in the layout: who may write it, and who may delete it.
LAYOUT = {
    f"{NAME}/runs/neon-style-0/job.json": ("runner", ""),
    f"{NAME}/runs/neon-style-0/lease.json": ("runner", ""),
    f"{NAME}/runs/neon-style-0/leases/e0001-nonce.json": ("runner", ""),
    f"{NAME}/runs/neon-style-0/checkpoints/e0001-step-000040/manifest.json": ("runner", "runner"),
    f"{NAME}/runs/neon-style-0/checkpoints/e0001-step-000040/adapter.safetensors": ("runner", "runner"),
    f"{NAME}/runs/neon-style-0/logs/attempt-1/train.log": ("runner", ""),
    f"{NAME}/runs/neon-style-0/adapter/adapter.safetensors": ("runner", ""),
    f"{NAME}/reservations/1.json": ("runner", ""),
    f"{NAME}/versions/1/neon-style.safetensors": ("runner", "runner"),
    f"{NAME}/versions/1/manifest.json": ("runner", ""),
    f"{NAME}/latest.json": ("runner", ""),
    f"{NAME}/probe-{TIMES}": ("runner dispatcher", "runner dispatcher"),
    f"loras/probe-{TIMES}": ("runner dispatcher", "runner dispatcher"),
    "loras/.dispatch/86c2x9k1p/0123.json": ("dispatcher", ""),
    "loras/team/.dispatch/86c2x9k1p/0123.json": ("dispatcher", ""),
    "loras/team/neon-style/versions/1/manifest.json": ("runner", ""),
    f"{NAME}/reviews/1/0001.json": ("reviewer", ""),
    f"{NAME}/promotions/1/0001.json": ("releaser", ""),
    f"{NAME}/anything-else": ("", ""),
    f"{NAME}/probe-model/versions/1/manifest.json": ("runner", ""),
    "data/neon_style_202611/01.png": ("uploader", ""),
    "models/sd15/model.safetensors": ("", ""),
}
READERS = {
    "data/neon_style_202611/01.png": {"uploader", "runner", "reviewer"},
    "models/sd15/model.safetensors": {"runner", "reviewer", "releaser"},
    f"{NAME}/versions/1/manifest.json": {"runner", "reviewer", "releaser"},
    f"{NAME}/runs/neon-style-0/status.json": {"runner", "dispatcher", "reviewer", "releaser"},
    "loras/.dispatch/86c2x9k1p/0123.json": {"runner", "dispatcher", "reviewer", "releaser"},
}
LISTERS = {
    "data": {"uploader", "runner", "reviewer"},
    "models": {"runner", "reviewer", "releaser"},
    "loras": {"runner", "dispatcher", "reviewer", "releaser"},
}


def may(role: str, action: str, key: str, **context: str) -> bool:
    return allowed([policy(role)], Asked(f"s3:{action}", f"{ARN}{key}", context))


def statements(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text())["Statement"]
    return found


def test_every_file_is_known() -> None:
    """The folder holds the five roles, the bucket's policy, the trust of a pod's role, and their page."""
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.json" for name in (*ALL, "irsa-trust")} | {"README.md"}


@pytest.mark.parametrize("name", ALL)
def test_form(name: str) -> None:
    """IAM's version, statements with unique names, known actions without a glob, each on resources of its kind."""
    assert policy(name)["Version"] == "2012-10-17"
    names = [each["Sid"] for each in statements(name)]
    assert len(set(names)) == len(names) and all(each.isalnum() for each in names)
    for each in statements(name):
        assert each["Effect"] in ("Allow", "Deny")
        assert set(each["Action"]) <= {*ON_BUCKETS, *ON_OBJECTS}
        for resource in each["Resource"]:
            bucket, slash, _ = resource.removeprefix(ARN).partition("/")
            assert resource.startswith(ARN) and bucket in BUCKETS
            if each["Effect"] == "Allow":
                assert set(each["Action"]) <= set(ON_OBJECTS if slash else ON_BUCKETS), each["Sid"]


@pytest.mark.parametrize("role", ROLES)
def test_what_both_kinds_of_servers_take(role: str) -> None:
    """A role's policy is one of an identity, without conditions: the same file suits AWS, MinIO and SeaweedFS."""
    assert all(set(each) == {"Sid", "Effect", "Action", "Resource"} for each in statements(role))


@pytest.mark.parametrize("role", ROLES)
def test_no_bucket_is_written_as_a_whole(role: str) -> None:
    """Only the uploader writes wherever it likes, and in the data alone; nobody deletes like that."""
    for each in statements(role):
        whole = {resource for resource in each["Resource"] if resource.endswith("_BUCKET/*")}
        if each["Effect"] == "Allow" and set(each["Action"]) - {"s3:GetObject"}:
            assert whole == ({f"{ARN}DATA_BUCKET/*"} if each["Sid"] == "ReadAndWriteData" else set())
            assert not whole or "s3:DeleteObject" not in each["Action"]


@pytest.mark.parametrize(("key", "writer", "deleter"), [(key, *who) for key, who in LAYOUT.items()])
def test_who_writes_and_deletes(key: str, writer: str, deleter: str) -> None:
    """Each key of the layout has one role that writes it, and one or none that deletes it; probes are anybody's own."""
    assert {role for role in ROLES if may(role, "PutObject", key)} == set(writer.split())
    assert {role for role in ROLES if may(role, "DeleteObject", key)} == set(deleter.split())


@pytest.mark.parametrize("key", ["loras/.registry/v1/07.jsonl", "loras/team/.registry/v1/complete.json"])
def test_who_keeps_the_index(key: str) -> None:
    """Whoever adds to an output keeps its index, which is a copy; nobody deletes it."""
    assert {role for role in ROLES if may(role, "PutObject", key)} == {"runner", "reviewer", "releaser"}
    assert {role for role in ROLES if may(role, "DeleteObject", key)} == set()


@pytest.mark.parametrize("outer", ["runs", "versions", "reservations", "reviews", "promotions"])
def test_an_index_is_no_way_in(outer: str) -> None:
    """A folder that is called like the index gives nobody more than he has where it lies."""
    owner = {"reviews": "reviewer", "promotions": "releaser"}.get(outer, "runner")
    key = f"{NAME}/{outer}/.registry/v1/manifest.json"
    assert {role for role in ROLES if may(role, "PutObject", key)} == {owner}


@pytest.mark.parametrize("outer", ["runs", "versions", "reservations", "reviews", "promotions", ".registry"])
def test_claims_are_no_way_in(outer: str) -> None:
    """A folder that is called like that of the claims gives the dispatcher nothing where somebody else's lie."""
    for action in ("PutObject", "DeleteObject"):
        assert not may("dispatcher", action, f"{NAME}/{outer}/.dispatch/86c2x9k1p/manifest.json")


@pytest.mark.parametrize(("key", "readers"), list(READERS.items()))
def test_who_reads(key: str, readers: set[str]) -> None:
    """Who may read an object may list its bucket too, as otherwise a missing object would read as denied."""
    assert {role for role in ROLES if may(role, "GetObject", key)} == readers
    assert (
        {role for role in ROLES if may(role, "ListBucket", key.split("/")[0])} == LISTERS[key.split("/")[0]] >= readers
    )


FOLDERS = ("runs", "versions", "reservations", "reviews", "promotions")


@pytest.mark.parametrize(("outer", "inner"), list(itertools.permutations(FOLDERS, 2)))
def test_no_way_in_by_a_folder_within(outer: str, inner: str) -> None:
    """A star stands for slashes too, and yet nobody writes in another role's folder by making his own inside it."""
    owner = {"reviews": "reviewer", "promotions": "releaser"}
    for tail in ("x", "checkpoints/x", "manifest.json"):
        key = f"{NAME}/{outer}/{inner}/{tail}"
        writers = {role for role in ROLES if may(role, "PutObject", key)}
        assert writers <= {owner.get(outer, "runner")}, key
        assert not ({role for role in ROLES if may(role, "DeleteObject", key)} - {"runner"}), key
        if outer in owner:
            assert not may("runner", "DeleteObject", key)


def test_a_name_like_a_probe() -> None:
    """An adapter called probe-... can't be deleted as if it were a probe's object: its length is fixed."""
    assert not may("runner", "DeleteObject", "loras/team/probe-model/latest.json")
    assert not may("runner", "DeleteObject", f"loras/probe-{TIMES}0")


@pytest.mark.parametrize(
    ("action", "key", "context", "denied"),
    [
        ("PutObject", f"{NAME}/versions/1/manifest.json", {"s3:if-none-match": "*"}, False),
        ("PutObject", f"{NAME}/versions/1/manifest.json", {}, True),
        ("PutObject", f"{NAME}/reservations/1.json", {}, True),
        ("PutObject", f"{NAME}/versions/1/neon-style.safetensors", {}, False),
        ("PutObject", f"{NAME}/runs/r/checkpoints/c/manifest.json", {}, False),
        ("DeleteObject", f"{NAME}/versions/1/manifest.json", {}, True),
        ("PutObject", "loras/.registry/v1/07.jsonl", {}, False),
        ("DeleteObject", f"{NAME}/runs/r/checkpoints/c/manifest.json", {}, False),
        ("GetObject", f"{NAME}/latest.json", {"aws:SecureTransport": "false"}, True),
        ("GetObject", f"{NAME}/latest.json", {}, False),
    ],
)
def test_the_bucket_policy(action: str, key: str, context: dict[str, str], denied: bool) -> None:
    """Over the roles: no manifest or reservation is written where one is, or deleted; nothing goes without TLS."""
    given = {"aws:SecureTransport": "true", "s3:ObjectCreationOperation": "true", **context}
    wanted = Asked(f"s3:{action}", f"{ARN}{key}", given)
    assert allowed([policy("bucket-policy"), policy("runner")], wanted) is not denied
    assert all(each["Effect"] == "Deny" and each["Principal"] == "*" for each in statements("bucket-policy"))


@pytest.mark.parametrize(("role", "folder"), [("reviewer", "reviews"), ("releaser", "promotions")])
def test_events_are_only_added(role: str, folder: str) -> None:
    """Over the roles: an event is written where none is, and never written over."""
    given = {"aws:SecureTransport": "true", "s3:ObjectCreationOperation": "true"}
    for context, expected in (({"s3:if-none-match": "*"}, True), ({}, False)):
        wanted = Asked("s3:PutObject", f"{ARN}{NAME}/{folder}/1/0001.json", {**given, **context})
        assert allowed([policy("bucket-policy"), policy(role)], wanted) is expected


def test_the_trust_of_a_pod() -> None:
    """The role of a pod is given to one service account of one namespace, by the audience of STS."""
    (statement,) = statements("irsa-trust")
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            "OIDC_PROVIDER:sub": "system:serviceaccount:NAMESPACE:SERVICE_ACCOUNT",
            "OIDC_PROVIDER:aud": "sts.amazonaws.com",
        }
    }


def test_the_page_names_every_file_and_placeholder() -> None:
    """README.md links each file and explains each placeholder."""
    text = (FOLDER / "README.md").read_text()
    names = [f"({path.name})" for path in FOLDER.glob("*.json")]
    placeholders = [*BUCKETS, "ACCOUNT_ID", "OIDC_PROVIDER", "NAMESPACE", "SERVICE_ACCOUNT"]
    assert [each for each in (*names, *placeholders) if each not in text] == []
