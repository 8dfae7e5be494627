"""The real Helm and kubectl, which ``make setup-tools`` puts beside the running Python."""

import sys
from pathlib import Path

_FOLDER = Path(sys.prefix, "tools")


def _tool(name: str) -> Path:
    """Where the tool lies; a test that runs without it says how to get it."""
    path = _FOLDER / name
    return path if path.exists() else Path(f"/run-make-setup-tools-to-get/{name}")


HELM, KUBECTL = _tool("helm"), _tool("kubectl")
