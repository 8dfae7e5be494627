"""Planted secrets are in no byte that a run writes or prints, with servers and libraries that tell them everywhere."""

import base64
import html
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from urllib.parse import quote, quote_plus

import pytest

from loraruner import settings
from loraruner.stores import open_store
from tests.support import echoing_proxy, web_server
from tests.support.echoing_proxy import Echo
from tests.support.user import ROOT, Told, write_job
from tests.support.web_server import Page

# Credentials of the server, so that they are used and not only set.
ACCESS_KEY = "AKIA0CANARY1KEY2ID34"
SECRET_KEY = "canary/Secret+Key.*$(x)=0123"
TOKEN = "hf_canary-token[0-9]{3}\\d"
HUB_TOKEN = "-----BEGIN CANARY-----\nfirst+canary/line+0123\nsecond\"canary'line&4567\n-----END CANARY-----"
PROXY_PASSWORD = "canary%2Fproxy%40pass"
CANARIES = (ACCESS_KEY, SECRET_KEY, TOKEN, PROXY_PASSWORD, *HUB_TOKEN.splitlines())
QUICK = ("sampling.prompts=[]", "training.max_steps=2", 'output.formats=["peft"]', "checkpoint.every_steps=1")


@dataclass
class Place:
    """A job on stores whose answers echo, with everything that its runs leave."""

    folder: Path
    s3: Echo
    hub: Echo
    direct: dict[str, str]  # the way to S3 past the proxy, for looking
    said: dict[str, bytes] = field(default_factory=dict)

    def run(self, *arguments: str, leaking: str = "") -> Told:
        """A command in a process of its own, at debug level."""
        number = len(self.said)
        (self.folder / "secret-key").write_text(f"{SECRET_KEY}\n")
        (self.folder / "token").write_text(TOKEN)
        variables = {
            **self.direct,
            "AWS_ENDPOINT_URL_S3": self.s3.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY_FILE": str(self.folder / "secret-key"),
            "HF_ENDPOINT": self.hub.url,
            "HF_TOKEN_FILE": str(self.folder / "token"),
            "HTTPS_PROXY": f"http://ann:{PROXY_PASSWORD}@127.0.0.1:9",
            "LORARUNER_CACHE": str(self.folder / "state" / "cache"),
            "LORARUNER_WORKDIR": str(self.folder / "state" / "work"),
            "LORARUNER_TERMINATION_LOG": str(self.folder / "state" / f"termination-{number}"),
            "LORARUNER_LEASE_S": "2",
        }
        (self.folder / "state").mkdir(exist_ok=True)
        variables.pop("AWS_SECRET_ACCESS_KEY")
        module = ["tests.support.leaking_run", leaking] if leaking else ["loraruner"]
        command = [sys.executable, "-m", *module, "--log-level", "debug", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, timeout=300
        )
        self.said[f"{number} {' '.join(arguments[:2])}"] = (done.stdout + done.stderr).encode()
        return Told(done.returncode, done.stdout, done.stderr)

    def left(self) -> Iterator[tuple[str, bytes]]:
        """Every byte that was printed, and of every file in the cache, the workspace and the output."""
        yield from self.said.items()
        for path in sorted((self.folder / "state").rglob("*")):
            yield str(path), str(path).encode()
            if path.is_file():
                yield str(path), path.read_bytes()
        store = open_store("s3://loras/", settings.load(self.direct | dict(os.environ)))
        for info in store.list("out/"):
            yield f"s3: {info.key}", info.key.encode()
            yield f"s3: {info.key}", store.read(info.key, limit_bytes=1 << 30)[0]


def spellings(secret: str) -> set[bytes]:
    """What to look for: made here, not by the code under test."""
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
    forms |= {html.escape(secret), repr(secret)[1:-1], json.dumps(json.dumps(secret)[1:-1])[1:-1]}
    found = {form.encode() for form in forms}
    for offset in range(3):
        whole = base64.b64encode(bytes(offset) + secret.encode())
        found.add(whole[4 if offset else 0 : -4])
    return found


def leaks(place: Place) -> list[str]:
    """Where a canary stands."""
    wanted = {form for secret in CANARIES for form in spellings(secret)}
    return [f"{name}: {form!r}" for name, data in place.left() for form in wanted if form in data]


def hub_pages(base: Path) -> dict[str, Page]:
    """The base model as a hub repository."""
    files = {path.relative_to(base).as_posix(): path.read_bytes() for path in base.rglob("*") if path.is_file()}
    listing = [{"type": "file", "path": name, "oid": "a" * 40, "size": len(data)} for name, data in files.items()]
    pages = {f"/org/base/resolve/main/{name}": Page(data) for name, data in files.items()}
    return {"/api/models/org/base/tree/main?recursive=true": Page(json.dumps(listing).encode()), **pages}


@pytest.fixture
def place(
    seaweedfs: ModuleType,
    tmp_path: Path,
    tiny_base: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    """A server that knows the canaries, data and a hub, each behind a proxy that echoes."""
    monkeypatch.setattr(seaweedfs, "ACCESS_KEY", ACCESS_KEY)
    monkeypatch.setattr(seaweedfs, "SECRET_KEY", SECRET_KEY)
    with ExitStack() as stack:
        endpoint = stack.enter_context(seaweedfs.serve(tmp_path / "weed"))
        seaweedfs.create_bucket(endpoint, "loras")
        hub = stack.enter_context(web_server.serve())
        hub.pages.update(hub_pages(tiny_base))
        secrets = [SECRET_KEY, TOKEN, ACCESS_KEY, HUB_TOKEN]
        place = Place(
            tmp_path,
            stack.enter_context(echoing_proxy.before(endpoint, secrets)),
            stack.enter_context(echoing_proxy.before(hub.url, secrets)),
            seaweedfs.environment(endpoint),
        )
        for name, value in place.direct.items():
            monkeypatch.setenv(name, value)
        output = {"uri": "s3://loras/out"}
        write_job(tmp_path, model={"base": "hf://org/base"}, data={"uri": "s3://loras/set/"}, output=output)
        store = open_store("s3://loras/set/", settings.load())
        for path in (tmp_path / "pictures").iterdir():
            store.upload(path, path.name)
        yield place


def failing(times: int, wanted: Callable[[str, str], bool], status: int) -> Callable[[str, str], int | None]:
    """The first requests that are ``wanted`` get ``status``."""
    left = [status] * times

    def choose(method: str, path: str) -> int | None:
        return left.pop() if left and wanted(method, path) else None

    return choose


@pytest.mark.slow
def test_no_byte_holds_a_secret(place: Place) -> None:
    """Published, denied, refused by the hub, ended by a fault of ours, and the commands that look: not one canary."""
    job = str(place.folder / "job.json")
    train = ("train", job, *(part for each in QUICK for part in ("--set", each)))
    place.s3.fault = lambda method, path: 403 if method in ("PUT", "POST") and "/checkpoints/" in path else None
    denied = place.run(*train)
    assert denied.code == 77 and place.s3.num_faults, denied.err
    place.s3.fault = lambda method, path: None
    place.hub.fault = lambda method, path: 401
    assert place.run(*train, "--fresh").code == 77
    place.hub.fault = failing(1, lambda method, path: "/resolve/" in path, 503)
    place.s3.fault = failing(1, lambda method, path: "versions/" in path or method == "PUT", 503)
    fault = place.run(*train, leaking="fault")
    assert fault.code == 70 and "error 70 INTERNAL" in fault.err and "RuntimeError: cannot use" in fault.err
    place.s3.fault = failing(2, lambda method, path: method in ("PUT", "POST"), 503)
    done = place.run(*train, leaking="quiet")
    assert done.code == 0, done.err
    assert "a.library" in done.err or "asked with" in done.err
    version = "s3://loras/out/tiny/versions/1"
    for command, code in {
        ("doctor", "--store", "s3://loras/out"): 0,
        ("validate", job, "--remote"): 0,
        ("registry", "list", "s3://loras/out"): 0,
        ("registry", "show", version): 0,
        ("adapter", "verify", version): 0,
        ("data", "check", "s3://loras/set", "--task", "text-to-image"): 0,
        ("plan", job): 0,
        ("registry", "list", "s3://loras/out?X-Amz-Signature=canary/Secret+Key.*$(x)=0123"): None,
        ("train", f"https://ann:{quote(SECRET_KEY, safe='')}@127.0.0.1/job.json"): 64,
        ("train", job, f"--set=labels.note=https://ann:{TOKEN}@h/"): 64,
        ("train", job, f"--strange={SECRET_KEY}"): 2,
    }.items():
        told = place.run(*command)
        assert code is None or told.code == code, (command, told.err)
    place.s3.fault = lambda method, path: 403
    assert place.run("registry", "list", "s3://loras/out").code == 77
    assert place.run("doctor", "--store", "s3://loras/out").code == 78
    names = [name for name, _ in place.left()]
    for wanted in ("train.log", "status.json", "manifest.json", "report.html", "README.md", "sbom.json", "tfevents"):
        assert any(wanted in name for name in names), wanted
    assert leaks(place) == []


def test_the_search_itself_finds(tmp_path: Path) -> None:
    """Each spelling of a canary in the midst of other bytes is seen: the search could fail."""
    for secret in CANARIES:
        for form in (
            secret,
            quote(secret, safe=""),
            json.dumps(secret),
            base64.b64encode(f"a:{secret}".encode()).decode(),
        ):
            assert any(each in f"before {form} after".encode() for each in spellings(secret)), form
