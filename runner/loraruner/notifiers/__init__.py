"""Who is told how a run goes: found by the ``kind`` of an entry of ``notify``."""

from importlib import import_module

from loraruner.notifiers.base import Notifier, RunFacts
from loraruner.settings import Settings
from loraruner.spec.model import Notice

MODULES = {
    "clickup": "loraruner.notifiers.clickup",
    "smartsheet": "loraruner.notifiers.smartsheet",
    "webhook": "loraruner.notifiers.webhook",
}


def open_notifier(entry: Notice, run: RunFacts, settings: Settings) -> Notifier:
    """The notifier of one entry (each module has ``open_notifier(entry, run, settings)``). Opening asks no server.

    Raises EnvironmentUnfit (78) where a token or a package is missing, NoPermission (77) for a host that the operator
    doesn't allow.
    """
    notifier: Notifier = import_module(MODULES[entry.kind]).open_notifier(entry, run, settings)
    return notifier
