"""The vendors' OpenAPI documents: public data that this repository refers to and does not carry."""

import os
from pathlib import Path

import pytest

VARIABLE = "OPENAPI_DOCUMENTS"
BESIDE = Path(__file__).parents[3] / "shared" / "data" / "openapi"


def document(name: str) -> Path:
    """The document ``NAME.json``; the test is skipped, and says so, where it is not on this machine."""
    folder = Path(os.environ.get(VARIABLE) or BESIDE)
    path = folder / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"NOT HELD AGAINST THE VENDOR'S CONTRACT: no {path}; set {VARIABLE} to the folder with {name}.json")
    return path
