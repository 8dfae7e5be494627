"""BLIP, GIT and CLIP say exactly what transformers computes for the same weights."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoProcessor,
    BlipForConditionalGeneration,
    CLIPModel,
    GitForCausalLM,
)
from transformers.utils import is_torchvision_available

from loraruner.data.label import open_captioner, resolve_device
from loraruner.errors import DataInvalid, EnvironmentUnfit
from loraruner.spec.model import Caption
from tests.support.tiny_captioners import WORDS, pictures, write_tiny_blip, write_tiny_clip, write_tiny_git
from tests.support.tiny_whisper import edit_json

NUM_TOKENS = 6
TAGS = ("ink painting", "mountains", "river", "boat", "mist", "a lonely traveller on a bridge")
PLAIN = {"local_files_only": True}
WRITERS: dict[str, Callable[[Path], None]] = {"blip": write_tiny_blip, "git": write_tiny_git, "clip": write_tiny_clip}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One folder a kind, which no test may change."""
    root = tmp_path_factory.mktemp("captioners")
    for kind, write in WRITERS.items():
        write(root / kind)
    return {kind: root / kind for kind in WRITERS}


@pytest.fixture
def copied(folders: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy that may be changed."""
    return lambda kind: Path(shutil.copytree(folders[kind], tmp_path / kind))


def settings(**changes: Any) -> Caption:
    return Caption(model="m", **{"max_new_tokens": NUM_TOKENS, "vocabulary": TAGS, **changes})


def captions(folder: Path, shown: list[Any], **changes: Any) -> list[str]:
    return open_captioner(folder, settings(**changes), device="cpu").captions(shown)


def generated(kind: str, folder: Path, prompt: str) -> list[str]:
    """What the documentation of transformers does with all pictures at once."""
    shown = pictures(5)
    processor: Any = AutoProcessor.from_pretrained(folder, **PLAIN)
    model: Any = {"blip": BlipForConditionalGeneration, "git": GitForCausalLM}[kind].from_pretrained(folder, **PLAIN)
    inputs = processor(images=shown, return_tensors="pt")
    if prompt and kind == "blip":
        inputs = processor(images=shown, text=[prompt] * len(shown), return_tensors="pt")
    elif prompt:
        start = [processor.tokenizer.cls_token_id, *processor(text=prompt, add_special_tokens=False).input_ids]
        inputs["input_ids"] = torch.tensor([start] * len(shown))
    tokens = model.generate(**inputs, max_new_tokens=NUM_TOKENS)
    texts: list[str] = processor.batch_decode(tokens, skip_special_tokens=True)
    return texts


@pytest.mark.parametrize("prompt", ["", "a picture of"])
@pytest.mark.parametrize("kind", ["blip", "git"])
def test_the_sentences_of_generate(folders: dict[str, Path], kind: str, prompt: str) -> None:
    """BLIP and GIT say what ``generate`` gives, all at once or one by one; a prompt begins every sentence."""
    expected = generated(kind, folders[kind], prompt)
    captioner = open_captioner(folders[kind], settings(prompt=prompt), device="cpu")
    assert captioner.kind == kind
    assert captioner.captions(pictures(5)) == expected
    assert [captioner.captions([picture])[0] for picture in pictures(5)] == expected
    assert len(set(expected)) > 2 and all(text.startswith(prompt) for text in expected)
    assert all(set(text.split()) <= set(WORDS) for text in expected)


def test_the_tags_of_clip(folders: dict[str, Path]) -> None:
    """CLIP names the tags with the highest logits, the highest first, all at once or one by one."""
    processor: Any = AutoProcessor.from_pretrained(folders["clip"], **PLAIN)
    model: Any = CLIPModel.from_pretrained(folders["clip"], **PLAIN)
    with torch.no_grad():
        inputs = processor(images=pictures(5), text=list(TAGS), padding=True, return_tensors="pt")
        logits = model(**inputs).logits_per_image
    expected = [", ".join(TAGS[place] for place in row) for row in logits.topk(3).indices.tolist()]
    captioner = open_captioner(folders["clip"], settings(num_tags=3), device="cpu")
    assert captioner.kind == "clip"
    assert captioner.captions(pictures(5)) == expected
    assert [captioner.captions([picture])[0] for picture in pictures(5)] == expected
    assert len(set(expected)) > 1


def test_tags_in_parts(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A vocabulary that is embedded in several parts gives the same tags; more tags than there are gives them all."""
    expected = captions(folders["clip"], pictures(3), num_tags=100)
    assert all(sorted(text.split(", ")) == sorted(TAGS) for text in expected)
    monkeypatch.setattr("loraruner.data.label.clip.TAGS_TOGETHER", 4)
    assert captions(folders["clip"], pictures(3), num_tags=100) == expected


def test_a_long_tag_is_cut(folders: dict[str, Path]) -> None:
    """A tag of more tokens than the model reads is embedded by what it reads of it."""
    assert captions(folders["clip"], pictures(1), vocabulary=("rain " * 40, "sun"), num_tags=1)


def test_denied_tags_give_way_to_others(folders: dict[str, Path]) -> None:
    """A denied tag is not among the tags, and there are as many as asked for."""
    first = captions(folders["clip"], pictures(1), num_tags=1)[0]
    others = captions(folders["clip"], pictures(1), num_tags=3, deny=(first,))[0].split(", ")
    assert first not in others and len(others) == 3
    with pytest.raises(DataInvalid, match="the deny-list takes out every tag"):
        captions(folders["clip"], pictures(1), deny=TAGS)


def test_without_torchvision(folders: dict[str, Path]) -> None:
    """Pictures are prepared by Pillow: torchvision is not installed here, and would not be used."""
    from loraruner.data.label.loading import load_image_processor

    assert not is_torchvision_available()
    names = {kind: type(load_image_processor(folder)).__name__ for kind, folder in folders.items()}
    assert names == {"blip": "BlipImageProcessorPil", "git": "CLIPImageProcessorPil", "clip": "CLIPImageProcessorPil"}


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (1, 100), (100, 1), (3, 40)])
def test_small_and_narrow_pictures(folders: dict[str, Path], size: tuple[int, int]) -> None:
    """Sizes that could be taken for channels are captioned like any other."""
    shown = [pictures(1)[0].resize(size)]
    assert all(len(captions(folder, shown)) == 1 for folder in folders.values())


def test_greedy_whatever_the_folder_says(copied: Callable[[str], Path]) -> None:
    """Settings of the folder that would draw at random or search widely change nothing."""
    folder = copied("git")
    expected = captions(folder, pictures(3))
    edit_json(folder / "generation_config.json", do_sample=True, temperature=5.0, num_beams=3)
    assert captions(folder, pictures(3)) == expected


def test_tied_weights(tmp_path: Path) -> None:
    """A BLIP whose file holds its embeddings once, as the published ones do, is whole."""
    write_tiny_blip(tmp_path / "blip", tied=True)
    assert len(captions(tmp_path / "blip", pictures(2))) == 2


def test_settings_of_long_ago(folders: dict[str, Path], copied: Callable[[str], Path]) -> None:
    """A folder whose picture settings are in the file and the words of the first published models is the same."""
    folder = copied("clip")
    (folder / "processor_config.json").unlink()
    sizes = {
        "size": 32,
        "crop_size": 32,
        "do_resize": True,
        "do_center_crop": True,
        "do_normalize": True,
        "resample": 3,
    }
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"feature_extractor_type": "CLIPFeatureExtractor", **sizes})
    )
    assert captions(folder, pictures(3)) == captions(folders["clip"], pictures(3))


def test_the_key(folders: dict[str, Path], copied: Callable[[str], Path]) -> None:
    """It changes with the model's files and with what the model is told, and with nothing else."""

    def key(folder: Path, digest: str | None = None, **changes: Any) -> str:
        return open_captioner(folder, settings(**changes), device="cpu", digest=digest).key

    base = key(folders["git"])
    assert key(copied("git")) == base
    same: dict[str, Any] = {
        "template": "x {caption}",
        "prefix": "x",
        "suffix": "x",
        "deny": ("x",),
        "batch_size": 1,
        "num_tags": 9,
    }
    assert key(folders["git"], **same) == base
    others = [key(folders["git"], prompt="a"), key(folders["git"], max_new_tokens=3), key(folders["git"], "0" * 64)]
    others += [key(folders["clip"]), key(folders["clip"], num_tags=2), key(folders["clip"], deny=("river",))]
    assert len({base, *others}) == 7


def test_settings_that_have_no_meaning(folders: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    """A prompt for a CLIP and a vocabulary for others are not used, and that is said."""
    captions(folders["clip"], pictures(1), prompt="a photo")
    captions(folders["git"], pictures(1))
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "a CLIP is told nothing but its vocabulary: the prompt 'a photo' is not used",
        "the vocabulary is not used: it is for a CLIP, and this captioner is of the kind git",
    ]


def test_a_clip_without_tags(folders: dict[str, Path]) -> None:
    """One sentence that says what to give, on the command line and in a job."""
    with pytest.raises(DataInvalid, match=r"there is none; name a file .* --vocabulary, or list them in \$\.data\.cap"):
        captions(folders["clip"], pictures(1), vocabulary=())


@pytest.mark.parametrize("kind", ["blip", "git"])
def test_a_prompt_that_is_too_long(folders: dict[str, Path], kind: str) -> None:
    """Refused with the numbers before a picture is looked at; what just fits is captioned."""
    with pytest.raises(DataInvalid, match="holds 64 tokens, and the prompt's 59 with max_new_tokens = 6 are more"):
        captions(folders[kind], pictures(1), prompt="a " * 58)
    assert captions(folders[kind], pictures(1), prompt="a " * 57)


def test_the_device() -> None:
    """auto is the CPU where there is no GPU; asking for one there is 78."""
    assert not torch.cuda.is_available()
    assert [resolve_device(wanted) for wanted in ("auto", "cpu")] == ["cpu", "cpu"]
    with pytest.raises(EnvironmentUnfit, match="torch finds no GPU here"):
        resolve_device("cuda")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_full_memory(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """78 with the setting to lower, not a fault of the model's files."""
    captioner = open_captioner(folders["git"], settings(), device="cpu")

    def full(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(GitForCausalLM, "generate", full)
    with pytest.raises(EnvironmentUnfit, match="lower the batch size"):
        captioner.captions(pictures(1))
