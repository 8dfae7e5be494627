"""Vision-language models of many classes answer as transformers has them answer, without torchvision."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from loraruner.data.label import open_captioner
from loraruner.data.label.loading import load_processor
from loraruner.data.label.vision_language import QUESTION
from loraruner.errors import DataInvalid
from loraruner.spec.model import Caption
from tests.support.tiny_captioners import pictures
from tests.support.tiny_vision_language import MODELS, write_tiny_vision_language
from tests.support.tiny_whisper import edit_json

NUM_TOKENS = 6
PLAIN = {"local_files_only": True}
CHATTING = [name for name in MODELS if name not in ("paligemma", "florence2", "blip-2")]
WITHOUT_VIDEO = ("llava", "llava_next", "idefics3", "gemma3", "paligemma", "florence2", "blip-2")


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a model of MODELS, made when it is first asked for; no test may change it."""
    root = tmp_path_factory.mktemp("models")

    def folder(name: str) -> Path:
        if not (root / name).exists():
            write_tiny_vision_language(root / name, name)
        return root / name

    return folder


def settings(**changes: Any) -> Caption:
    return Caption(model="m", **{"max_new_tokens": NUM_TOKENS, **changes})


def captions(folder: Path, number: int = 3, **changes: Any) -> list[str]:
    return open_captioner(folder, settings(**changes), device="cpu").captions(pictures(number))


def generated(folder: Path, text: str, number: int = 3) -> list[str]:
    """What ``generate`` says after ``text``, which shows the picture where its class wants it; one by one."""
    name = json.loads((folder / "config.json").read_text())["model_type"]
    processor: Any = AutoProcessor.from_pretrained(folder, **PLAIN) if name in WITHOUT_VIDEO else load_processor(folder)
    model: Any = AutoModelForImageTextToText.from_pretrained(folder, **PLAIN)
    said = []
    for picture in pictures(number):
        inputs = processor(images=[[picture]], text=[text], return_tensors="pt")
        tokens = model.generate(**inputs, max_new_tokens=NUM_TOKENS)[0]
        told = 0 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
        said.append(processor.tokenizer.decode(tokens[told:], skip_special_tokens=True))
    return said


def chat(folder: Path, question: str) -> str:
    """The question after the picture, as the folder's chat template writes it."""
    template = (folder / "chat_template.jinja").read_text()
    shown = template.split("'image' %}")[1].split("{% else")[0]
    return f"user: {shown}{question}\nassistant: "


@pytest.mark.parametrize("name", CHATTING)
def test_the_answers_of_generate(folder_of: Callable[[str], Path], name: str) -> None:
    """A batch of pictures of different sizes gets the answers that ``generate`` gives one by one."""
    folder = folder_of(name)
    expected = generated(folder, chat(folder, "hello"))
    captioner = open_captioner(folder, settings(prompt="hello"), device="cpu")
    assert captioner.kind == "vision-language"
    assert captioner.captions(pictures(3)) == expected
    assert len(set(expected)) > 1 and all(expected)


@pytest.mark.parametrize("name", ["llava", "qwen2_vl"])
def test_a_question_of_ours(folder_of: Callable[[str], Path], name: str) -> None:
    """Without a prompt the model is asked for one sentence about the picture."""
    folder = folder_of(name)
    assert captions(folder) == generated(folder, chat(folder, QUESTION))
    assert captions(folder) != captions(folder, prompt="hello")


@pytest.mark.parametrize(
    ("name", "prompt", "told"),
    [
        ("paligemma", "", "<image>caption en"),
        ("paligemma", "hello", "<image>hello"),
        ("florence2", "", "<MORE_DETAILED_CAPTION>"),
        ("florence2", "<CAPTION>", "<CAPTION>"),
    ],
)
def test_a_model_without_a_chat_template(folder_of: Callable[[str], Path], name: str, prompt: str, told: str) -> None:
    """PaliGemma and Florence-2 are told what they were trained to be told, or the prompt as it is."""
    folder = folder_of(name)
    expected = generated(folder, told)
    assert captions(folder, prompt=prompt) == expected
    assert len(set(expected)) > 1


def test_blip_2(folder_of: Callable[[str], Path]) -> None:
    """BLIP-2 goes on with the prompt, which begins the caption; without one it says what ``generate`` says alone."""
    folder = folder_of("blip-2")
    captioner = open_captioner(folder, settings(prompt="hello"), device="cpu")
    assert captioner.kind == "blip"
    assert captioner.captions(pictures(3)) == [f"hello {text}" for text in generated(folder, "hello")]
    model: Any = AutoModelForImageTextToText.from_pretrained(folder, **PLAIN)
    image_processor: Any = AutoImageProcessor.from_pretrained(folder, **PLAIN)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, **PLAIN)
    pixels = image_processor(images=pictures(3), return_tensors="pt").pixel_values
    tokens = model.generate(pixel_values=pixels, max_new_tokens=NUM_TOKENS)
    assert [text.strip() for text in tokenizer.batch_decode(tokens, skip_special_tokens=True)] == captions(folder)


def test_no_part_for_videos(folder_of: Callable[[str], Path]) -> None:
    """A processor that has a part for videos is loaded without it, as that part would need torchvision."""
    processor = load_processor(folder_of("qwen2_vl"))
    assert "video_processor" in processor.get_attributes() and processor.video_processor is None
    assert type(processor.image_processor).__name__ == "Qwen2VLImageProcessorPil"
    with pytest.raises(ImportError, match="Torchvision"):
        AutoProcessor.from_pretrained(folder_of("qwen2_vl"), **PLAIN)


def test_the_template_of_the_tokenizer(folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    """A chat template that only the tokenizer's settings hold is used too."""
    folder = Path(shutil.copytree(folder_of("llava"), tmp_path / "llava"))
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    edit_json(folder / "tokenizer_config.json", chat_template=template)
    assert captions(folder) == captions(folder_of("llava"))


def test_no_template_and_nothing_known(folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    """Without a chat template a model of another type has to be told by the prompt what is wanted."""
    folder = Path(shutil.copytree(folder_of("llava"), tmp_path / "llava"))
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(DataInvalid, match=r"has no chat template, and what a llava is told .* say it in the prompt"):
        captions(folder)
    assert captions(folder, prompt="<image>hello") == generated(folder, "<image>hello")


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ messages[0]['content'][1]['text'] }}", "the same as the number of images"),
        ("{% for m in %}", "transformers cannot load it ("),
        ("{{ messages.__class__.__mro__ }}", "transformers cannot load it ("),
    ],
)
def test_templates_that_cannot_be_used(
    folder_of: Callable[[str], Path], tmp_path: Path, template: str, reason: str
) -> None:
    """One that shows no picture, one that is none, and one that reaches for Python's insides end with one sentence."""
    folder = Path(shutil.copytree(folder_of("llava"), tmp_path / "llava"))
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(DataInvalid) as raised:
        captions(folder)
    assert str(folder) in str(raised.value) and reason in str(raised.value)


def test_a_processor_of_another_class_is_not_followed(folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    """Which processor is loaded follows from config.json alone."""
    folder = Path(shutil.copytree(folder_of("llava"), tmp_path / "llava"))
    edit_json(folder / "processor_config.json", processor_class="WhisperProcessor")
    assert captions(folder) == captions(folder_of("llava"))
