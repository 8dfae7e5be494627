"""Published versions on a disk that rots: what is damaged is named, and nobody gets bytes of it."""

import json
from pathlib import Path

import pytest

from loraruner import registry
from loraruner.errors import DataInvalid, IntegrityError
from loraruner.settings import Settings
from tests.support import damage, published
from tests.support.damage import Damage


@pytest.fixture
def operator(tmp_path: Path) -> Settings:
    return published.settings(tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A version as it was published."""
    published.publish_version(tmp_path / "loras")
    return tmp_path / "loras/neon-style/versions/1"


@pytest.mark.parametrize("harm", damage.EVERY)
def test_every_file_in_every_way(folder: Path, operator: Settings, tmp_path: Path, harm: Damage) -> None:
    """Each damaged file is named by ``verify``, and a download ends with 74 without it."""
    names = [entry["name"] for entry in json.loads((folder / "manifest.json").read_text())["files"]]
    assert len(names) == 7
    for number, name in enumerate(names):
        whole = (folder / name).read_bytes()
        harm(folder / name)
        with pytest.raises(registry.VersionDamaged, match=r"1 file is not what manifest\.json says") as caught:
            registry.verify_version(str(folder), operator)
        kind = "missing" if harm is damage.remove else "different"
        assert caught.value.report[kind] == [name]
        with pytest.raises(IntegrityError, match=name.rsplit("/", 1)[-1]):
            registry.download_version(registry.find_version(str(folder), operator), tmp_path / f"copy-{number}")
        assert not (tmp_path / f"copy-{number}" / name).exists()
        (folder / name).write_bytes(whole)
    assert registry.verify_version(str(folder), operator)["verified"]


def test_a_manifest_with_a_flipped_bit(folder: Path, operator: Settings) -> None:
    """Wherever it is, it is found: 74, or 65 where the document is none any more."""
    path = folder / "manifest.json"
    whole = path.read_bytes()
    letters = [place for place in range(0, len(whole), 37) if not whole[place : place + 1].isspace()]
    assert len(letters) > 100
    for place in letters:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises((IntegrityError, DataInvalid)):
            registry.verify_version(str(folder), operator)
