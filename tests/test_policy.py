"""What the operator asks of jobs: prefixes, digests, outputs apart from inputs."""

import json
from pathlib import Path
from typing import Any

import pytest

from loraruner import policy, settings
from loraruner.errors import NoPermission, SpecInvalid
from loraruner.settings import Settings
from loraruner.spec import JobInvalid, Spec, load
from loraruner.stores import open_store
from tests.support.user import User, assert_refused, write_job

DIGEST = "5e" * 32


def operator(**variables: str) -> Settings:
    return settings.load({"HOME": "/nonexistent", **variables})


def allowing(*prefixes: str) -> Settings:
    return operator(LORARUNER_ALLOWED_PREFIXES=",".join(prefixes))


def spec(**sections: Any) -> Spec:
    job = {
        "name": "neon",
        "task": "text-to-image",
        "model": {"base": "s3://models/base.safetensors"},
        "data": {"uri": "s3://sets/neon/"},
        "output": {"uri": "s3://loras/team"},
        **sections,
    }
    return load(json.dumps(job).encode()).spec


@pytest.mark.parametrize(
    ("prefix", "uri"),
    [
        ("s3://loras", "s3://loras"),
        ("s3://loras", "s3://loras/"),
        ("s3://loras/", "s3://loras/x/y"),
        ("s3://loras/team", "s3://loras/team/x"),
        ("S3://loras/team/", "s3://loras/team"),
        ("s3://", "s3://any/x"),
        ("https://files.example", "https://FILES.example:443/x?sig=1"),
        ("https://files.example:8443/a%20b", "https://files.example:8443/a%20b/c"),
        ("https://files.example/pub/", "https://files.example/%70ub/x"),
        ("hf://org", "hf://org/name@main/x"),
        ("hf://org/name", "hf://org/name@main/x"),
        ("hf://org/name@v1", "hf://org/name@v1/x"),
        ("hf://datasets/org", "hf://datasets/org/rows"),
        ("hf://datasets/org/rows", "hf://datasets/org/rows@v1/part"),
        ("hf://org/name/data", "hf://org/name@v1/data/x"),
        ("hf://", "hf://org/name"),
        ("/data", "/data/x"),
        ("/data/", "file:///data/x%20y"),
        ("file:///data", "/other/../data/x"),
        ("/", "relative"),
    ],
)
def test_allowed(prefix: str, uri: str) -> None:
    """What lies below a prefix by whole parts, however both are spelled; one of several is enough."""
    policy.require_allowed(uri, allowing(prefix))
    policy.require_allowed(uri, allowing("s3://nothing", prefix))


@pytest.mark.parametrize(
    ("prefix", "uri"),
    [
        ("s3://loras", "s3://loras-evil/x"),
        ("s3://loras/team", "s3://loras/team-evil"),
        ("s3://loras/team", "s3://loras/tea"),
        ("s3://loras/team", "s3://loras"),
        ("s3://loras/team", "s3://loras/team/../other"),
        ("s3://loras/team", "s3://loras/other/../team/x"),
        ("s3://loras/team", "s3://loras//team"),
        ("s3://loras/team", "s3://loras/%74eam"),
        ("s3://loras", "hf://loras/x"),
        ("s3://loras", "/loras"),
        ("https://files.example", "https://files.example.evil/x"),
        ("https://files.example", "https://files.example:8443/x"),
        ("https://files.example/pub", "https://files.example/pub/%2e%2e/secret"),
        ("https://files.example/pub", "https://files.example/pub%2F..%2Fsecret"),
        ("https://files.example/pub", "https://files.example/pub/..\\secret"),
        ("https://files.example", "https://files.example@evil.example/x"),
        ("https://files.example", "https://[x/y"),
        ("hf://org/name@v1", "hf://org/name@v2"),
        ("hf://org/name@v1", "hf://org/name"),
        ("hf://org", "hf://org-evil/name"),
        ("hf://org/name", "hf://org/name-evil@main"),
        ("hf://org/name/data", "hf://org/name/data@evil"),
        ("hf://org/name/data", "hf://org/name@v1/data@evil"),
        ("hf://datasets/org/rows", "hf://datasets/org/rows-evil@v1"),
        ("/data", "/data-evil"),
        ("/data", "/data/../etc"),
        ("/data", "file:///data/%2e%2e/etc"),
        ("/data", "file:///data/x%00"),
    ],
)
def test_refused(prefix: str, uri: str) -> None:
    """Neighbours with longer names, ways up, other hosts, ports, revisions and schemes: 77."""
    with pytest.raises(NoPermission, match="LORARUNER_ALLOWED_PREFIXES"):
        policy.require_allowed(uri, allowing(prefix))


def test_links_are_seen_through(tmp_path: Path) -> None:
    """A link inside an allowed folder that leads out of it is refused; one that leads into it is not."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in/escape").symlink_to("../out")
    (tmp_path / "door").symlink_to("in")
    here = allowing(str(tmp_path / "in"))
    policy.require_allowed(str(tmp_path / "door/x"), here)
    with pytest.raises(NoPermission, match=rf"in/escape/x \(/.*{tmp_path.name}/out/x\) lies outside"):
        policy.require_allowed(str(tmp_path / "in/escape/x"), here)


def test_relative_paths_are_where_they_lead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They count from the working directory, in a job and in the variable."""
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    policy.require_allowed("in/x", allowing(str(tmp_path / "in")))
    policy.require_allowed(str(tmp_path / "in/x"), allowing("in"))
    with pytest.raises(NoPermission):
        policy.require_allowed("x", allowing("in"))


def test_every_store_is_opened_through_the_same_door() -> None:
    """No address can be opened past the prefixes, and the sentence says what, where and what is allowed."""
    with pytest.raises(NoPermission) as refused:
        open_store("https://h/file?sig=secret", allowing("s3://a", "s3://b"))
    assert str(refused.value) == (
        "https://h/file lies outside of what the operator of this machine allows; choose a place below s3://a, s3://b, "
        "or let the operator extend LORARUNER_ALLOWED_PREFIXES"
    )


@pytest.mark.parametrize(
    ("pointer", "sections"),
    [
        ("$.model.base", {"model": {"base": "s3://evil/base"}}),
        ("$.data.uri", {"data": {"uri": "s3://evil/set"}}),
        ("$.data.caption.model", {"data": {"uri": "s3://sets/x", "caption": {"model": "s3://evil/blip"}}}),
        ("$.evaluation.uri", {"evaluation": {"uri": "s3://evil/x"}}),
        ("$.checkpoint.resume", {"checkpoint": {"resume": "s3://evil/x"}}),
        ("$.output.uri", {"output": {"uri": "s3://evil/x"}}),
    ],
)
def test_every_address_of_a_job_is_looked_at(pointer: str, sections: dict[str, Any]) -> None:
    """The pointer stands first in the sentence."""
    here = allowing("s3://models", "s3://sets", "s3://loras")
    policy.require(spec(), here)
    with pytest.raises(NoPermission) as refused:
        policy.require(spec(**sections), here)
    assert str(refused.value).startswith(f"{pointer}: s3://evil/")


def test_no_address_of_the_schema_is_forgotten() -> None:
    """A new key that names an address must be added to the policy: every key that ends like one is known to it."""
    from loraruner.spec import catalog

    known = {pointer for pointer, _ in policy.addresses_of(spec(checkpoint={"resume": "s3://a/b"}))}
    known |= {"$.data.caption.model", "$.evaluation.uri", "$.evaluation.general_uri"}
    ends = ("uri", "base", "resume")
    named = {f"$.{'.'.join(key.path)}" for key in catalog.all_keys() if key.path[-1].endswith(ends)}
    assert "$.evaluation.general_uri" in named and named <= known


def test_digests_are_asked_for() -> None:
    """64 names every digest that is missing; nothing is asked without the variable."""
    here = operator(LORARUNER_REQUIRE_DIGESTS="1")
    caption = {"caption": {"model": "s3://models/blip"}}
    policy.require(spec(), operator())
    full = spec(model={"base": "s3://m/b", "sha256": DIGEST}, data={"uri": "s3://sets/x", "sha256": DIGEST})
    policy.require(full, here)
    with pytest.raises(JobInvalid) as refused:
        policy.require(spec(data={"uri": "s3://sets/x", **caption}), here)
    assert [fault.pointer for fault in refused.value.faults] == [
        "$.model.sha256",
        "$.data.sha256",
        "$.data.caption.sha256",
    ]
    assert "LORARUNER_REQUIRE_DIGESTS" in str(refused.value)


@pytest.mark.parametrize(
    ("data", "output", "how"),
    [
        ("data", "data/out", "lies in"),
        ("out/neon", "out", "lies in"),
        ("out/neon/data", "out", "holds"),
        ("link", "data", "lies in"),
        ("link", "data/deep", "lies in"),
        ("data", "link", "lies in"),
        ("elsewhere/data", "data/..", ""),
        ("data", "data-out", ""),
        ("out/other", "out", ""),
    ],
)
def test_local_outputs_lie_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str, output: str, how: str
) -> None:
    """Links and relative paths followed, OUTPUT/NAME is not the data, not in it and not around it."""
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    monkeypatch.chdir(tmp_path)
    job = spec(data={"uri": str(tmp_path / data)}, output={"uri": output})
    if how:
        with pytest.raises(SpecInvalid, match=rf"\$\.output\.uri: .*{how} the input \$\.data\.uri"):
            policy.require(job, operator())
    else:
        policy.require(job, operator())


def test_a_checkpoint_of_the_same_name_may_be_resumed(tmp_path: Path) -> None:
    """It lies in OUTPUT/NAME by nature."""
    resume = f"{tmp_path}/neon/runs/r/checkpoints/e0001-step-000100"
    policy.require(spec(output={"uri": str(tmp_path)}, checkpoint={"resume": resume}), operator())


@pytest.mark.parametrize("command", ["train", "plan", "validate"])
def test_commands_refuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """77 with the pointer before anything is written; 64 for a missing digest."""
    job = write_job(tmp_path)
    remote = ["--remote"] if command == "validate" else []
    monkeypatch.setenv("LORARUNER_ALLOWED_PREFIXES", f"{tmp_path}/pictures {Path(__file__).parents[1]}/examples")
    told = User(capsys).run(command, job, *remote)
    assert_refused(told, 77, "NO_PERMISSION", "$.output.uri: ", "LORARUNER_ALLOWED_PREFIXES")
    assert not (tmp_path / "out").exists()
    monkeypatch.delenv("LORARUNER_ALLOWED_PREFIXES")
    monkeypatch.setenv("LORARUNER_REQUIRE_DIGESTS", "yes")
    told = User(capsys).run(command, job)
    assert told.code == 64 and "$.model.sha256: is missing" in told.err and "$.data.sha256: is missing" in told.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("validate", "s3://evil/job.json"),
        ("train", "s3://evil/job.json"),
        ("registry", "list", "s3://evil/"),
        ("registry", "show", "s3://evil/x"),
        ("adapter", "verify", "s3://evil/x"),
        ("adapter", "merge", "s3://evil/x", "--output", "merged"),
        ("infer", "s3://evil/x", "--prompt", "x", "--output", "tried"),
        ("data", "check", "s3://evil/x", "--task", "text-to-image"),
    ],
)
def test_addresses_on_the_command_line_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """JOB, SOURCE and versions go through the same door."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LORARUNER_ALLOWED_PREFIXES", "s3://loras")
    told = User(capsys).run(*arguments)
    assert told.code == 77 and "s3://evil" in told.last and "below s3://loras," in told.last, told.err
