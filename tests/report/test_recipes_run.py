"""The code of report and card, run as it is printed, against tiny bases in the folders that it names."""

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, WhisperForConditionalGeneration

from loraruner.families import load_family
from loraruner.families.base import Base, Request
from loraruner.report.usage import recipes
from loraruner.spec.build import build
from tests.support import heard_clips, published
from tests.support.tiny_lm import byte_tokenizer, write_tiny_lm
from tests.support.tiny_whisper import write_tiny_whisper, write_tone

BASE, ADAPTER, WEIGHTS = Path("path/to/base"), Path("path/to/this/folder"), "adapter_model.safetensors"
DECODER = r".*decoder\.layers\.\d+\.(self_attn|encoder_attn)\.(q_proj|v_proj)"
TOLD = "Tell me about the sea."


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipes' folders lie below the working directory."""
    monkeypatch.chdir(tmp_path)


def write_adapter(model: Any, targets: str | list[str], **notes: str) -> None:
    """A PEFT folder that changes much; ``notes`` stand in the header of its weights."""
    torch.manual_seed(1)
    lora = LoraConfig(r=4, lora_alpha=8, target_modules=targets, init_lora_weights=False)
    get_peft_model(model, lora).save_pretrained(ADAPTER)
    with safe_open(ADAPTER / WEIGHTS, framework="pt") as file:
        tensors = {name: 4 * file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, ADAPTER / WEIGHTS, metadata={"format": "pt", **notes})


def printed(document: dict[str, Any], title: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a recipe's code prints."""
    (code,) = (recipe.code for recipe in recipes(document, ADAPTER) if recipe.title == title)
    Path("recipe.py").write_text(code)
    capsys.readouterr()
    runpy.run_path("recipe.py")
    return capsys.readouterr().out.strip()


def tried(document: dict[str, Any], prompt: str) -> tuple[str, str]:
    """What ``loraruner infer`` answers, without and with the adapter."""
    family, request = load_family(document["task"]), Request((prompt,), seed=0)
    (trial,) = family.generate(
        build(document["job"]), Base(BASE, "", str(BASE)), ADAPTER, request, Path("infer")
    ).trials
    return trial.before, trial.after


@pytest.mark.parametrize(
    ("multilingual", "options"),
    [
        (True, {"language": "de"}),
        (True, {"language": "en", "whisper_task": "translate"}),
        (True, {"language": "en", "encoder_frames": 100}),
        (False, {"language": None}),
    ],
    ids=["transcribe", "translate", "cut", "english-only"],
)
def test_speech(multilingual: bool, options: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """The code for a clip prints what loraruner hears: in the job's language and task, cut to the job's frames."""
    write_tiny_whisper(BASE, multilingual=multilingual)
    write_adapter(WhisperForConditionalGeneration.from_pretrained(BASE), DECODER)
    write_tone(Path("clip.wav"), 1.5, rate_hz=22_050, num_channels=2)
    document = heard_clips.document(max_new_tokens=12, **options)
    before, after = tried(document, "clip.wav")
    assert printed(document, "PEFT and transformers", capsys) == after != before


@pytest.mark.parametrize(
    ("form", "template"), [("chat", True), ("chat", False), ("verbatim", True)], ids=["chat", "plain", "verbatim"]
)
def test_text(form: str, template: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """The code for a prompt prints loraruner's answer: the prompt is put as the rows of the training were."""
    write_tiny_lm(BASE)
    if not template:
        (BASE / "chat_template.jinja").unlink()
        byte_tokenizer(None).save_pretrained(BASE)
    assert (AutoTokenizer.from_pretrained(BASE).chat_template is not None) == template
    write_adapter(AutoModelForCausalLM.from_pretrained(BASE), ["q_proj", "v_proj"], prompt_form=form)
    document = published.document("text-generation")
    document["base_model"]["uri"] = str(BASE)
    document["job"]["sampling"]["prompts"] = [TOLD]
    document["job"]["options"]["max_new_tokens"] = 12
    before, after = tried(document, TOLD)
    assert printed(document, "PEFT", capsys) == after != before


def test_merging_is_a_recipe() -> None:
    """Speech and text can be merged by one command, which warns of cut states where they are; pictures cannot."""
    told = {
        task: "\n".join(recipe.code for recipe in recipes(published.document(task)))
        for task in ("text-to-image", "text-generation", "automatic-speech-recognition")
    }
    command = "loraruner adapter merge s3://loras/neon-style/versions/1 --output merged"
    assert [command in code for code in told.values()] == [False, True, True]
    (cut,) = (r.code for r in recipes(heard_clips.document(encoder_frames=250)) if "merge" in r.code)
    assert "cut the encoder's states to 250 frames" in cut
    assert "frames" not in told["automatic-speech-recognition"]


@pytest.mark.parametrize(("language", "told"), [("de", "clip.wav"), (None, "clip.wav --language en")])
def test_infer_is_told_the_language(language: str | None, told: str) -> None:
    """A job without a language of its own leaves it to whoever names the clip."""
    first = recipes(heard_clips.document(language=language))[0]
    assert first.code.partition("  #")[0] == f"loraruner infer s3://loras/clock-shop/versions/1 {told}"
