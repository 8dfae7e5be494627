"""Configurations of other trainers to a job: what ``loraruner import`` does.

Nothing but the files given is looked at: the same files give the same job, on any machine.
"""

from loraruner.importers.conversion import Imported, convert
from loraruner.importers.dialects import DIALECTS
from loraruner.importers.draft import Request
from loraruner.importers.reading import Source
from loraruner.importers.verdicts import NotImported, Row

__all__ = ["DIALECTS", "Imported", "NotImported", "Request", "Row", "Source", "convert"]
