"""A captioner: a model that is opened once and then told to say something about pictures."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from loraruner.data.label.model_kinds import check_captioner
from loraruner.data.label.wording import allowed_tags
from loraruner.errors import EnvironmentUnfit
from loraruner.files import digest_file
from loraruner.spec.model import Caption

_LOG = logging.getLogger(__name__)
VERSION = 1  # of what the models are told; what was said before a change of it is said again
CPU_FULL = "can't allocate memory"  # in what torch raises for the host's memory


@dataclass(frozen=True)
class Captioner:
    """A model that captions pictures.

    ``kind``: "blip" | "git" | "vision-language" | "clip". ``key``: hex digest of all that decides what it says about
    a picture: its files, and what it is told.
    """

    kind: str
    key: str
    folder: Path
    _say: Callable[[Iterable[Any]], list[str]]

    def captions(self, pictures: Iterable[Any]) -> list[str]:
        """What the model says about each picture (PIL, RGB), in their order; a CLIP says tags.

        Greedy: what ``generate`` of transformers gives for the same weights. ``pictures`` is read to its end, and
        must hold one at least. Raises EnvironmentUnfit (78) when the memory is too small for so many at once, and
        DataInvalid (65) when the model's files contradict each other in a way that only shows now.
        """
        import torch

        with torch.inference_mode(), _loading_faults(self.folder):
            return self._say(pictures)


def resolve_device(wanted: str) -> str:
    """ "cpu" or "cuda" for "auto" | "cpu" | "cuda"; EnvironmentUnfit (78) when a GPU is asked for and there is none."""
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise EnvironmentUnfit(
            "--device cuda: torch finds no GPU here; look at `loraruner doctor`, or take auto or cpu"
        )
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


def open_captioner(folder: Path, settings: Caption, *, device: str, digest: str | None = None) -> Captioner:
    """Load the captioner in ``folder`` onto ``device`` ("cpu" | "cuda").

    ``digest``: the folder's SHA-256, as ``stage`` gives it; None computes it. Raises DataInvalid (65) for any other
    kind of model, pickles, code, missing or cut files, a CLIP without a vocabulary, a prompt that is too long.
    """
    kind = check_captioner(folder)
    _warn_of_ignored(kind.name, settings)
    module, _, name = kind.opener.partition(":")
    with _loading_faults(folder):
        say = getattr(import_module(module), name)(folder, settings, device)
    return Captioner(kind.name, _key(kind.name, digest or _digest_of(folder), settings), folder, say)


@contextmanager
def _loading_faults(folder: Path) -> Iterator[None]:
    """Turn whatever the libraries raise for a folder that contradicts itself, or for full memory, into one sentence."""
    import torch

    from loraruner.pretrained.loading import readable

    with readable(folder, "take another model, or save it again with save_pretrained of a current transformers"):
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError | torch.OutOfMemoryError) or CPU_FULL in str(error):
                raise EnvironmentUnfit(
                    "the memory is too small for this captioner with so many pictures at once; lower the batch size, "
                    "or take a smaller model"
                ) from error
            raise


def _warn_of_ignored(kind: str, settings: Caption) -> None:
    if kind == "clip" and settings.prompt:
        _LOG.warning("a CLIP is told nothing but its vocabulary: the prompt %r is not used", settings.prompt)
    if kind != "clip" and settings.vocabulary:
        _LOG.warning("the vocabulary is not used: it is for a CLIP, and this captioner is of the kind %s", kind)


def _key(kind: str, digest: str, settings: Caption) -> str:
    """Digest of what decides the model's own words; template, prefix and the like come after them."""
    told: list[Any] = [settings.prompt, settings.max_new_tokens]
    if kind == "clip":
        told = [allowed_tags(settings), settings.num_tags]
    return hashlib.sha256(json.dumps([VERSION, kind, digest, *told]).encode()).hexdigest()


def _digest_of(folder: Path) -> str:
    """SHA-256 over sorted ``path NUL sha256`` lines, as of every input that is a folder."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    lines = (f"{name}\0{digest_file(files[name]).sha256}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
