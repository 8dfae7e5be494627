"""The operator's variables."""

from pathlib import Path

import pytest

from loraruner.errors import EnvironmentUnfit
from loraruner.settings import adopt_secret_files, load, shown

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
