"""A real S3 server that knows one user for each role of docs/roles and enforces that role's policy."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from tests.support.roles import BUCKETS, ROLES, policy_text


class ActAs(Protocol):
    """Sets the environment of a role's user."""

    def __call__(self, role: str | None, via: str = ...) -> None: ...


def secret(role: str) -> str:
    """The secret key of a role's user, whose access key is the role's name."""
    return f"{role}-secret-key"


@contextmanager
def serve(seaweedfs: ModuleType, folder: Path) -> Iterator[str]:
    """Run the server, with the buckets of ``BUCKETS`` in it, and yield its endpoint; ``seaweedfs`` starts it."""
    folder.mkdir(parents=True)
    config = folder / "s3.json"
    config.write_text(json.dumps(_identities(seaweedfs)), encoding="utf-8")
    process, ports = seaweedfs._start(folder, config)
    port = ports[2 * seaweedfs.SERVICES.index("s3")]
    try:
        assert seaweedfs._answers(process, port), (folder / "weed.log").read_text(errors="replace")[-2000:]
        endpoint = f"http://127.0.0.1:{port}"
        for bucket in BUCKETS.values():
            seaweedfs.create_bucket(endpoint, bucket)
        yield endpoint
    finally:
        process.kill()
        process.wait()
        seaweedfs._remove_sockets(ports)


def _identities(seaweedfs: ModuleType) -> dict[str, Any]:
    admin = {
        "name": "admin",
        "credentials": [{"accessKey": seaweedfs.ACCESS_KEY, "secretKey": seaweedfs.SECRET_KEY}],
        "actions": seaweedfs.ACTIONS,
    }
    users = [
        {"name": role, "credentials": [{"accessKey": role, "secretKey": secret(role)}], "policyNames": [role]}
        for role in ROLES
    ]
    policies = [{"name": role, "content": policy_text(role)} for role in ROLES]
    return {"identities": [admin, *users], "policies": policies}


def variables(seaweedfs: ModuleType, endpoint: str, role: str | None = None) -> dict[str, str]:
    """The AWS_* variables of a role's user; None is the administrator."""
    found: dict[str, str] = seaweedfs.environment(endpoint)
    return found | ({"AWS_ACCESS_KEY_ID": role, "AWS_SECRET_ACCESS_KEY": secret(role)} if role else {})


def client(found: dict[str, str]) -> Any:
    """A botocore client that asks once."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=found["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=found["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=found["AWS_SECRET_ACCESS_KEY"],
        region_name=found["AWS_REGION"],
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )


def granted(call: Callable[[], object]) -> bool:
    """Whether the server did what was asked; False for 403, any other error is raised."""
    from botocore.exceptions import ClientError

    try:
        call()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 403:
            return False
        raise
    return True


def objects(found: dict[str, str]) -> dict[str, str]:
    """Every object of every bucket with its ETag, as these variables may see it."""
    asker = client(found)
    listed: dict[str, str] = {}
    for bucket in BUCKETS.values():
        for page in asker.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            listed |= {f"{bucket}/{each['Key']}": str(each["ETag"]) for each in page.get("Contents", ())}
    return listed
