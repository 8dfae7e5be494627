"""The operator's variables."""

import re
from pathlib import Path

import pytest

from loraruner.errors import EnvironmentUnfit
from loraruner.settings import adopt_secret_files, load, secrets, shown, termination_log

PASSWORD = "planted-secret-0123456789"


def test_defaults() -> None:
    """Folders lie below the user's cache; the hub is the public one; nothing is secret."""
    found = load({"HOME": "/home/ann"})
    assert found.cache == Path("/home/ann/.cache/loraruner/cache")
    assert found.workdir == Path("/home/ann/.cache/loraruner/work")
    assert (found.run_id, found.termination_log, found.hf_token, found.secrets) == (None, None, None, ())
    assert found.hf_endpoint == "https://huggingface.co"
    assert load({"XDG_CACHE_HOME": "/x"}).cache == Path("/x/loraruner/cache")


def test_what_is_set() -> None:
    """Each variable is read, relative folders become absolute; an empty one is one that is not set."""
    found = load(
        {
            "LORARUNER_CACHE": "c",
            "LORARUNER_WORKDIR": "/w",
            "LORARUNER_RUN_ID": "r",
            "LORARUNER_TERMINATION_LOG": "/t",
            "HF_ENDPOINT": "https://mirror/hf/",
            "HF_TOKEN": PASSWORD,
        }
    )
    assert found.cache == Path.cwd() / "c" and found.workdir == Path("/w")
    assert (found.run_id, found.termination_log) == ("r", Path("/t"))
    assert (found.hf_endpoint, found.hf_token, found.secrets) == ("https://mirror/hf", PASSWORD, (PASSWORD,))
    assert load({"HOME": "/h", "LORARUNER_RUN_ID": "", "LORARUNER_CACHE": ""}) == load({"HOME": "/h"})


def test_people_see_no_secret() -> None:
    """``doctor`` shows plain values, of secrets only that they are set, and no password inside an endpoint."""
    environment = {
        "AWS_SECRET_ACCESS_KEY": PASSWORD,
        "AWS_REGION": "eu-1",
        "HF_ENDPOINT": f"https://ann:{PASSWORD}@mirror/hf",
        "OTHER": "x",
    }
    assert shown(environment) == {
        "AWS_SECRET_ACCESS_KEY": "set",
        "AWS_REGION": "eu-1",
        "HF_ENDPOINT": "https://[secret]@mirror/hf",
    }


def test_passwords_with_slashes() -> None:
    """A password is all that stands between the user and the last @, with a scheme or without one."""
    assert secrets({"HTTPS_PROXY": f"http://ann:pa/ss/{PASSWORD}@proxy:3128"}) == (f"pa/ss/{PASSWORD}",)
    assert secrets({"https_proxy": f"ann:{PASSWORD}@proxy:3128"}) == (PASSWORD,)


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    """``NAME_FILE`` sets NAME to the file's content without its line end, so that it is struck from texts as well."""
    (tmp_path / "token").write_text("hf_0123456789\n")
    environment = {"HF_TOKEN_FILE": str(tmp_path / "token")}
    adopt_secret_files(environment)
    assert environment["HF_TOKEN"] == "hf_0123456789"
    assert load(environment).secrets == ("hf_0123456789",)


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    """78 and one sentence: the variable, the path, what to do."""
    with pytest.raises(EnvironmentUnfit, match=r"HF_TOKEN_FILE: .*gone cannot be read .*mount the file there"):
        adopt_secret_files({"HF_TOKEN_FILE": str(tmp_path / "gone")})


@pytest.mark.parametrize("content", [b"planted-\xff-secret", b"planted-\0-secret"])
def test_a_secret_file_without_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """78 without a word of the content; the error behind it is not told either."""
    (tmp_path / "token").write_bytes(content)
    monkeypatch.setenv("HF_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(EnvironmentUnfit, match=r"cannot be read \(it holds no text\)") as refused:
        adopt_secret_files()
    assert "planted" not in str(refused.value) and refused.value.__suppress_context__


def test_passwords_in_addresses_are_secret() -> None:
    """Of proxies, the hub and the S3 endpoint, as written and as meant; a token in place of a user too."""
    environment = {
        "HTTPS_PROXY": f"http://ann:{PASSWORD}%2Fx@proxy:8080",
        "HF_ENDPOINT": "https://tokentoken@mirror/hf",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000",
    }
    assert set(secrets(environment)) == {f"{PASSWORD}%2Fx", f"{PASSWORD}/x", "tokentoken"}


def test_rules_for_jobs() -> None:
    """Prefixes and hosts stand between commas or spaces; hosts are told apart without case."""
    rules = {"LORARUNER_ALLOWED_PREFIXES": "s3://a, /Data  hf://", "LORARUNER_ALLOWED_HOSTS": "Mirror"}
    found = load({"HOME": "/h", **rules})
    assert found.allowed_prefixes == ("s3://a", "/Data", "hf://")
    assert found.allowed_hosts == ("mirror",)
    assert (load({"HOME": "/h"}).allowed_prefixes, load({"HOME": "/h"}).allowed_hosts) == ((), ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("LORARUNER_ALLOWED_PREFIXES", value)
            for value in ("S3://b/x:y", "/data/a:b", "data", "https://", "file:///x")
        ),
        *(
            ("LORARUNER_ALLOWED_HOSTS", value)
            for value in ("a.b:9000", ".corp", "10.0.0.1", "[::1]:443", "fd00::1", "h.")
        ),
    ],
)
def test_every_form_of_a_rule(name: str, value: str) -> None:
    """Addresses, folders, schemes alone; names, their ends, addresses with and without a port."""
    found = load({"HOME": "/h", name: value})
    assert value in (*found.allowed_prefixes, *found.allowed_hosts)


@pytest.mark.parametrize(("value", "wanted"), [("1", True), ("Yes", True), ("true", True), ("0", False), ("", False)])
def test_switches(value: str, wanted: bool) -> None:
    """Yes and no in the usual words."""
    assert load({"HOME": "/h", "LORARUNER_REQUIRE_DIGESTS": value}).require_digests is wanted


@pytest.mark.parametrize(
    ("name", "value", "attribute", "wanted"),
    [
        ("LORARUNER_LEASE_S", "2", "lease_s", 2.0),
        ("LORARUNER_LEASE_S", "", "lease_s", 60.0),
        ("LORARUNER_MAX_ATTEMPTS", "5", "max_attempts", 5),
        ("LORARUNER_MAX_ATTEMPTS", "", "max_attempts", 20),
    ],
)
def test_numbers(name: str, value: str, attribute: str, wanted: float) -> None:
    """What is set, else the default."""
    assert getattr(load({"HOME": "/h", name: value}), attribute) == wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("LORARUNER_LEASE_S", value) for value in ("x", "0", "-1", "nan", "inf", "1e9")),
        *(("LORARUNER_MAX_ATTEMPTS", value) for value in ("x", "0", "-1", "nan", "inf", "1.5", "1e9")),
        *(("LORARUNER_ALLOWED_PREFIXES", value) for value in (",", " ", "ftp://x", "s3:/loras", "S3:loras")),
        *(("LORARUNER_ALLOWED_HOSTS", value) for value in (" , ", "https://mirror/", "a:999999", "*", "ann@mirror")),
        ("LORARUNER_REQUIRE_DIGESTS", "perhaps"),
    ],
)
def test_what_a_variable_cannot_be(name: str, value: str) -> None:
    """78 and one sentence that names the variable and the value."""
    with pytest.raises(EnvironmentUnfit, match=f"{name}: '{re.escape(value)}' is "):
        load({"HOME": "/h", name: value})


def test_errors_can_be_told_whatever_is_set() -> None:
    """What printing an error needs never fails."""
    environment = {"HF_TOKEN": PASSWORD, "LORARUNER_LEASE_S": "x", "HTTPS_PROXY": "http://[broken@:x@@/"}
    assert PASSWORD in secrets(environment)
    assert termination_log({**environment, "LORARUNER_TERMINATION_LOG": "/t"}) == Path("/t")


@pytest.mark.parametrize(
    "value", ["loraruner:latest", "r@sha256:abc", f"r@sha256:{'g' * 64}", f"r r@sha256:{'0' * 64}"]
)
def test_an_image_without_its_digest(value: str) -> None:
    """What does not say which image it was is refused, as no manifest could hold it."""
    with pytest.raises(EnvironmentUnfit, match=r"LORARUNER_IMAGE: .* does not have the form REPOSITORY@sha256:"):
        load({"LORARUNER_IMAGE": value})
