"""What a version was made with."""

import importlib.metadata
import re
from pathlib import Path

import pytest

from loraruner import __version__, provenance


def test_software() -> None:
    """Python, ourselves and the packages that shape a result."""
    found = provenance.software()
    assert found["loraruner"] == __version__
    assert {"torch", "diffusers", "peft", "safetensors"} <= found["packages"].keys()
    assert found["packages"]["torch"] == importlib.metadata.version("torch")


def test_bill_of_materials() -> None:
    """A CycloneDX document with a package address for every installed package, sorted, none twice."""
    found = provenance.bill_of_materials()
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.5")
    addresses = [component["purl"] for component in found["components"]]
    assert len(addresses) == len(set(addresses)) > 20
    assert all(re.fullmatch(r"pkg:pypi/[a-z0-9-]+@\S+", address) for address in addresses)


def test_a_torn_installation_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that an interrupted install left has no name, and is left out."""
    torn = tmp_path / "torn-1.0.dist-info"
    torn.mkdir()
    (torn / "METADATA").write_text("Metadata-Version: 2.1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert all(component["name"] for component in provenance.bill_of_materials()["components"])
    assert provenance.software()["packages"]
