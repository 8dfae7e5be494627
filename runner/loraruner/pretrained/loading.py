"""What every base that transformers loads has in common: refusals in one sentence, no made-up weights, no dropout."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from loraruner.errors import DataInvalid, LoraRunerError
from loraruner.pretrained.hf_folder import check_adapter

LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}

disable_progress_bar()  # one line per event is ours to write


def load_whole(model_class: Any, folder: Path, **options: Any) -> PreTrainedModel:
    """The model; ValueError when weights are missing, which transformers would fill with random numbers."""
    model, report = model_class.from_pretrained(folder, output_loading_info=True, **options)
    missing = sorted(report["missing_keys"])
    if missing:
        raise ValueError(f"{len(missing)} weights are missing, first {missing[0]}")
    loaded: PreTrainedModel = model
    return loaded


def with_adapter(model: Any, folder: Path) -> Any:
    """``model`` with the adapter of a PEFT folder that nobody vouches for; DataInvalid where that is not sound."""
    from peft import PeftModel

    check_adapter(folder)
    with readable(folder, "use a version that this loraruner has published"):
        return PeftModel.from_pretrained(model, str(folder), local_files_only=True).eval()


def without_dropout(config: Any) -> Any:
    """``config`` with every probability of dropping something (activations, layers) at 0."""
    for name, value in config.to_dict().items():
        if "drop" in name and isinstance(value, int | float) and not isinstance(value, bool):
            setattr(config, name, 0.0)
    return config


@contextmanager
def readable(path: Path, fix: str) -> Iterator[None]:
    """Turn what the libraries raise for files that contradict themselves into DataInvalid, one sentence.

    That may be any type of error: a setting of a wrong type or size goes wrong wherever it is used first.
    """
    try:
        yield
    except (LoraRunerError, MemoryError):
        raise
    except Exception as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
        raise DataInvalid(f"{path}: transformers cannot load it ({reason}); {fix}") from error
