"""``metrics.jsonl`` and TensorBoard events of one attempt."""

import json
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

CHARTED = {"loss", "learning_rate", "grad_norm"}  # of a step; of a measurement all


class Metrics:
    """Appends one JSON object a line, and the numbers of it to TensorBoard."""

    def __init__(self, path: Path, tensorboard: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", buffering=1)  # whole lines, for whoever follows it
        self._events = SummaryWriter(log_dir=str(tensorboard), flush_secs=30)

    def write(self, step: int, values: dict[str, Any], group: str = "train") -> None:
        """One record; ``group`` (``train`` | ``evaluation``) becomes the TensorBoard tag's first part."""
        self._file.write(json.dumps({"step": step, "group": group, **values}) + "\n")
        for name in values.keys() if group == "evaluation" else CHARTED & values.keys():
            self._events.add_scalar(f"{group}/{name}", values[name], step)

    def flush(self) -> None:
        """Make everything written so far visible to readers of the files."""
        self._file.flush()
        self._events.flush()

    def close(self) -> None:
        """Flush and close both files."""
        self._file.close()
        self._events.close()
