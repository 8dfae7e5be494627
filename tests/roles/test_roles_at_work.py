"""Each role's own commands against a server that enforces its policy, and the requests that they really send."""

import itertools
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from loraruner import settings
from loraruner.faults import proxy
from loraruner.faults.proxy import Seen
from loraruner.stores import open_store
from loraruner.stores.s3 import S3Store
from loraruner.stores.s3_client import Tuning
from tests.support.attempts import Attempts
from tests.support.roles import ARN, BUCKETS, ROLES, Asked, allowed, asked, policy
from tests.support.roles_server import ActAs, client, granted, objects, variables
from tests.support.user import User, assert_refused

VERSION = "s3://loras/team/tiny/versions/1"
# What a job's commands ask of each bucket, in the words of a policy.
OF_A_JOB = {
    "data": {"s3:ListBucket", "s3:GetObject"},
    "models": {"s3:ListBucket", "s3:GetObject"},
    "loras": {
        "s3:ListBucket",
        "s3:ListBucketMultipartUploads",
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
    },
}


def requests(seen: Sequence[Seen]) -> set[Asked]:
    return {asked(each.method, each.path, each.headers) for each in seen}


def bucket_of(wanted: Asked) -> str:
    return wanted.resource.removeprefix(ARN).partition("/")[0]


def big_file(folder: Path) -> Path:
    path = folder / "big.bin"
    path.write_bytes(secrets.token_bytes(6 << 20))
    return path


def in_parts(uri: str) -> S3Store:
    store = open_store(uri, settings.load())
    assert isinstance(store, S3Store)
    return store.tuned(Tuning(part_bytes=5 << 20, largest_put_bytes=5 << 20))


@pytest.mark.slow
def test_the_runner(
    job: Path, act_as: ActAs, enforcing: str, seaweedfs: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped, resumed, published, found published: all of it with the runner's leave, and of that nothing is idle.

    A stray file of an attempt that was taken over is removed on the way; files in parts are sent and aborted.
    """
    with proxy.serve(enforcing) as before:
        act_as("runner", before.endpoint)
        attempts, user = Attempts(job), User(capsys)
        assert user.run("validate", job, "--remote").code == 0
        assert user.run("doctor", "--store", "s3://loras/").code == 0
        stopped = attempts.run("step 2")
        assert stopped.code == 85, stopped.err
        stray = client(variables(seaweedfs, enforcing))
        stray.put_object(Bucket="loras", Key="team/tiny/versions/1/stray.bin", Body=b"left by another attempt")
        published = attempts.run()
        assert published.code == 0, published.err
        assert user.train(job).result["already_published"] is True
        assert user.run("registry", "reindex", "s3://loras/").code == 0
        send_in_parts(job.parent)
    left = objects(variables(seaweedfs, enforcing))
    assert "loras/team/tiny/versions/1/manifest.json" in left and "loras/team/tiny/versions/1/stray.bin" not in left
    assert sum("/checkpoints/" in key and key.endswith("/manifest.json") for key in left) == 1
    assert not any("probe-" in key for key in left)
    wanted = requests(before.seen)
    assert {b: {each.action for each in wanted if bucket_of(each) == b} for b in BUCKETS.values()} == OF_A_JOB
    assert [each for each in wanted if not allowed([policy("runner")], each)] == []
    assert [each for each in wanted if not allowed([policy("runner"), policy("bucket-policy")], each)] == []
    assert idle_resources(wanted) == set()
    for role in ("uploader", "reviewer", "releaser"):
        writes = [each for each in wanted if each.action not in ("s3:GetObject", "s3:ListBucket")]
        writes = [each for each in writes if ".registry/" not in each.key or role == "uploader"]
        assert [each for each in writes if allowed([policy(role)], each)] == []


def send_in_parts(folder: Path) -> None:
    """Send a large file below a run, and throw away an upload that was begun."""
    store = in_parts("s3://loras/team/tiny")
    store.upload(big_file(folder), "runs/large/checkpoints/e0001-step-000001/adapter.safetensors")
    place = store._place("runs/large/checkpoints/e0001-step-000002/adapter.safetensors")
    store._client.create_multipart_upload(**place)
    store.abort_uploads()


def idle_resources(wanted: set[Asked]) -> set[tuple[str, str]]:
    """What the runner's policy allows and no request needed: pairs of action and resource.

    An upload in parts can break off wherever one is made: who may put may abort.
    """
    pairs = {
        (action, resource)
        for each in policy("runner")["Statement"]
        if each["Effect"] == "Allow"
        for action in each["Action"]
        for resource in each["Resource"]
        if action != "s3:AbortMultipartUpload"
    }
    return {pair for pair in pairs if not any(allowed([only(*pair)], each) for each in wanted)}


def only(action: str, resource: str) -> dict[str, object]:
    return {"Statement": [{"Sid": "Only", "Effect": "Allow", "Action": [action], "Resource": [resource]}]}


@pytest.fixture
def version(job: Path, act_as: ActAs, enforcing: str, seaweedfs: ModuleType, capsys: pytest.CaptureFixture[str]) -> str:
    """The address of a version that the runner has published."""
    act_as("runner")
    told = User(capsys).train(job)
    assert told.code == 0, told.err
    return VERSION


@pytest.mark.slow
def test_those_who_read(
    version: str,
    act_as: ActAs,
    enforcing: str,
    seaweedfs: ModuleType,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Reviewer and releaser list, show, verify and try versions, by reading alone; the uploader sees none of them."""
    user, kept = User(capsys), objects(variables(seaweedfs, enforcing))
    looking = [
        ["registry", "list", "s3://loras/team/"],
        ["registry", "show", "s3://loras/team/tiny"],
        ["adapter", "verify", version],
    ]
    for role in ("reviewer", "releaser"):
        with proxy.serve(enforcing) as before:
            act_as(role, before.endpoint)
            for command in [*looking, ["infer", version, "--prompt", "a circle", "--output", str(tmp_path / role)]]:
                told = user.run(*command)
                assert told.code == 0, told.err
        wanted = requests(before.seen)
        assert {each.action for each in wanted} <= {"s3:GetObject", "s3:ListBucket"}
        assert [each for each in wanted if not allowed([policy(role)], each)] == []
    act_as("uploader")
    for command in looking:
        assert_refused(user.run(*command), 77, "NO_PERMISSION", "s3://loras/team", "access denied")
    assert objects(variables(seaweedfs, enforcing)) == kept


@pytest.mark.slow
def test_those_who_judge(
    version: str, act_as: ActAs, enforcing: str, seaweedfs: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reviewer reviews, the releaser releases, neither does the other's part, and the index tells of both."""
    user = User(capsys)
    review = ["registry", "review", version, "--approve", "--score", "5", "--by", "ada", "--comment", "crisp"]
    promote = ["registry", "promote", version, "released", "--by", "grace"]
    for role, own, others in (("reviewer", review, promote), ("releaser", promote, review)):
        with proxy.serve(enforcing) as before:
            act_as(role, before.endpoint)
            told = user.run(*own)
            assert told.code == 0, told.err
        wanted = requests(before.seen)
        assert [each for each in wanted if not allowed([policy(role)], each)] == []
        act_as(role)
        assert_refused(user.run(*others), 77, "NO_PERMISSION", "access denied")
    act_as("uploader")
    assert_refused(user.run(*review), 77, "NO_PERMISSION", "access denied")
    act_as("releaser")
    (row,) = user.run("registry", "list", "s3://loras/team/").result["versions"]
    assert (row["status"], row["score"], row["reviews"]) == ("released", 5.0, 1)
    keys = objects(variables(seaweedfs, enforcing))
    assert {key for key in keys if "/reviews/" in key or "/promotions/" in key} == {
        "loras/team/tiny/reviews/1/0001.json",
        "loras/team/tiny/promotions/1/0001.json",
    }


@pytest.mark.slow
def test_the_uploader(
    job: Path, act_as: ActAs, enforcing: str, seaweedfs: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """Uploads a data set, in parts too, and checks it where it lies."""
    with proxy.serve(enforcing) as before:
        act_as("uploader", before.endpoint)
        store = in_parts("s3://data/new_style/")
        for path in sorted((job.parent / "pictures").iterdir()):
            store.upload(path, path.name)
        store.upload(big_file(job.parent), "film.zip")
        told = User(capsys).run("data", "check", "s3://data/pictures/")
        assert told.code == 0, told.err
        assert told.result["samples"] == 12
    wanted = requests(before.seen)
    assert {bucket_of(each) for each in wanted} == {"data"}
    assert [each for each in wanted if not allowed([policy("uploader")], each)] == []


@pytest.mark.slow
@pytest.mark.parametrize("role", ["uploader", "dispatcher", "reviewer", "releaser"])
def test_who_is_no_runner(
    role: str, job: Path, act_as: ActAs, enforcing: str, seaweedfs: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job with another role's credentials ends with 77 in one sentence, and not a byte in the store has changed."""
    kept = objects(variables(seaweedfs, enforcing))
    act_as(role)
    told = User(capsys).train(job)
    assert_refused(told, 77, "NO_PERMISSION", "access denied")
    assert objects(variables(seaweedfs, enforcing)) == kept


KEYS = (
    "data/p/01.png",
    "models/m/a",
    "loras/n/runs/r/job.json",
    "loras/n/runs/r/status.json",
    "loras/.dispatch/86c2x9k1p/0123.json",
    "loras/n/versions/.dispatch/0123.json",
    "loras/n/runs/r/checkpoints/c/manifest.json",
    "loras/n/versions/1/manifest.json",
    "loras/n/versions/1/a",
    "loras/n/reservations/1.json",
    "loras/n/latest.json",
    "loras/n/reviews/1/0001.json",
    "loras/n/promotions/1/0001.json",
    "loras/.registry/v1/00.jsonl",
    "loras/team/.registry/v1/00.jsonl",
    "loras/n/promotions/.registry/v1/00.jsonl",
    "loras/n/reviews/versions/1/a",
    "loras/n/probe-0123456789abcdef",
    "loras/n/probe-0123456789abcdef0",
    "loras/probe-0123456789abcdef",
)
OBJECT_CALLS: dict[str, Callable[[Any, str, str], object]] = {
    "GetObject": lambda asker, bucket, key: asker.get_object(Bucket=bucket, Key=key),
    "PutObject": lambda asker, bucket, key: asker.put_object(Bucket=bucket, Key=key, Body=b"2"),
    "DeleteObject": lambda asker, bucket, key: asker.delete_object(Bucket=bucket, Key=key),
}
BUCKET_CALLS: dict[str, Callable[[Any, str], object]] = {
    "ListBucket": lambda asker, bucket: asker.list_objects_v2(Bucket=bucket),
    "ListBucketMultipartUploads": lambda asker, bucket: asker.list_multipart_uploads(Bucket=bucket),
}


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_the_server_and_the_evaluator_agree(role: str, enforcing: str, seaweedfs: ModuleType) -> None:
    """What the tests believe of a policy is what a real server does with it: every action on every kind of key."""
    admin, user = (client(variables(seaweedfs, enforcing, who)) for who in (None, role))
    found, expected = {}, {}
    for place, (action, call) in itertools.product(KEYS, OBJECT_CALLS.items()):
        bucket, _, key = place.partition("/")
        admin.put_object(Bucket=bucket, Key=key, Body=b"1")
        found[action, place] = granted(partial(call, user, bucket, key))
        admin.delete_object(Bucket=bucket, Key=key)
        expected[action, place] = allowed([policy(role)], Asked(f"s3:{action}", f"{ARN}{place}"))
    for bucket, (action, listing) in itertools.product(BUCKETS.values(), BUCKET_CALLS.items()):
        found[action, bucket] = granted(partial(listing, user, bucket))
        expected[action, bucket] = allowed([policy(role)], Asked(f"s3:{action}", f"{ARN}{bucket}"))
    assert found == expected
