"""What captioners that write sentences have in common: greedy decoding, and a limit of tokens."""

from pathlib import Path
from typing import Any

from loraruner.errors import DataInvalid
from loraruner.spec.model import Caption

# Whatever the model's own generation settings say: the likeliest token each time, so that a caption can be had again.
GREEDY: dict[str, Any] = {"do_sample": False, "num_beams": 1}


def require_room(folder: Path, num_tokens: int, settings: Caption, limit: int) -> None:
    """Raise DataInvalid when ``num_tokens`` of a prompt and ``max_new_tokens`` are more than the model can hold."""
    if num_tokens + settings.max_new_tokens > limit:
        raise DataInvalid(
            f"{folder}: holds {limit} tokens, and the prompt's {num_tokens} with max_new_tokens = "
            f"{settings.max_new_tokens} are more; shorten the prompt or lower max_new_tokens"
        )
