"""The stand-ins of ``examples/loop`` as modules; scripts are no package."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

LOOP = Path(__file__).parents[2] / "examples" / "loop"


def script(name: str) -> ModuleType:
    """A script of the example, loaded once."""
    known = f"examples_loop_{name}"
    if known not in sys.modules:
        specification = importlib.util.spec_from_file_location(known, LOOP / f"{name}.py")
        assert specification and specification.loader
        sys.modules[known] = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(sys.modules[known])
    return sys.modules[known]


if TYPE_CHECKING:
    from examples.loop.clickup_server import LIST_ID, ClickUpServer
    from examples.loop.smartsheet_server import SmartsheetServer
    from examples.loop.webhook_receiver import MAX_AGE_S, WebhookReceiver, verify
else:
    ClickUpServer, LIST_ID = script("clickup_server").ClickUpServer, script("clickup_server").LIST_ID
    SmartsheetServer, WebhookReceiver = (
        script("smartsheet_server").SmartsheetServer,
        script("webhook_receiver").WebhookReceiver,
    )
    MAX_AGE_S, verify = script("webhook_receiver").MAX_AGE_S, script("webhook_receiver").verify

__all__ = ["LIST_ID", "MAX_AGE_S", "ClickUpServer", "SmartsheetServer", "WebhookReceiver", "script", "verify"]
