"""``loraruner data``: look after a data set before it is trained on."""

import click

from loraruner.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "check": Lazy("loraruner.cli.data_check:check", "Find what is wrong with a data set."),
    "label": Lazy("loraruner.cli.data_label:label", "Caption the pictures that have no caption."),
    "review": Lazy("loraruner.cli.data_review:review", "Make a sheet on which people judge samples, and apply it."),
    "advise": Lazy("loraruner.cli.data_advise:advise", "Propose a job for this amount of data and this machine."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def data() -> None:
    """Check, caption and review data, and choose settings for it."""
