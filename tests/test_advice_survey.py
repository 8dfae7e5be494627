"""What is read of data and bases, and how the advised job is put together."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from transformers import LlamaForCausalLM

from loraruner.advice import BaseFacts, document
from loraruner.advice.bases import read_base
from loraruner.advice.facts import PICTURES, SPEECH, TEXT, Advice
from loraruner.advice.survey import SYSTEM_TOKENS, TURN_TOKENS, survey, without_rejected
from loraruner.data.review.record import content_digest
from loraruner.data.review.verdicts import Verdict, render
from loraruner.data.samples import Clip, Message, Picture, Row, Scan, Skipped
from loraruner.data.split import hold_out
from loraruner.errors import DataInvalid
from loraruner.spec import load
from tests.support.original_layout import write_single_file
from tests.support.tiny_gguf import write_gguf
from tests.support.tiny_lm import byte_tokenizer, write_tiny_lm
from tests.support.tiny_whisper import write_tiny_whisper

STYLE_BASE = Path(__file__).parents[1] / "examples/style/base"
TOKEN = "hf_" + "a1" * 15
ENGLISH = "please take the old clock from the shelf and wind it before the customer comes back for it"
GERMAN = "bitte nimm die alte uhr aus dem regal und zieh die feder auf bevor der kunde zurückkommt und danach fragt"
DANISH = "tag venligst det gamle ur fra hylden og træk det op inden kunden kommer tilbage for at hente det"


def scan_of(*samples: Any, skipped: int = 0) -> Scan[Any]:
    return Scan(samples, tuple(Skipped(f"bad-{number}", "is bad") for number in range(skipped)))


def picture(folder: Path, name: str, size: tuple[int, int], caption: str = "a cat") -> Picture:
    Image.new("RGB", size).save(folder / name)
    return Picture(name, folder / name, caption, "0" * 64)


def clip(number: int, transcript: str = ENGLISH, language: str | None = None, num_pieces: int = 1) -> Clip:
    pieces = tuple((16_000 * place, 16_000 * (place + 1)) for place in range(num_pieces))
    return Clip(f"{number}.wav", Path(f"{number}.wav"), transcript, "0" * 64, pieces, language)


def test_nine_in_ten_pictures(tmp_path: Path) -> None:
    """The shorter side that one picture in ten falls below, whichever way it lies; bad ones are counted."""
    sizes = [(700, 600), (500, 900), (64, 2000), *[(640, 800)] * 17]
    pictures = [picture(tmp_path, f"{number:02d}.png", size) for number, size in enumerate(sizes)]
    found = survey(PICTURES, scan_of(*pictures, skipped=3), "here", None, None)
    assert (found.side_px, found.num_samples, found.num_skipped) == (600, 20, 3)


def test_prompts_are_those_held_out(tmp_path: Path) -> None:
    """Up to four different captions of what the job will hold out: the very samples that training never sees."""
    pictures = [picture(tmp_path, f"{number}.png", (8, 8), f"a cat, number {number}") for number in range(40)]
    found = survey(PICTURES, scan_of(*pictures), "here", None, None)
    held = hold_out(pictures, 0.1, 42)[1]
    assert found.prompts == tuple(each.caption for each in held) and len(held) == 4


def test_prompts_hold_nothing_that_a_job_may_not(tmp_path: Path) -> None:
    """Credentials and very long captions are left out, and the same caption comes once."""
    captions = [f"log in with {TOKEN}", "x" * 301, "a cat", "a cat", " ", "a dog"]
    pictures = [picture(tmp_path, f"{place}.png", (8, 8), each) for place, each in enumerate(captions)]
    assert survey(PICTURES, scan_of(*pictures), "here", None, None).prompts == ("a cat", "a dog")


def test_a_picture_that_went_away(tmp_path: Path) -> None:
    """A file that is gone since it was scanned is 65, not a crash."""
    gone = Picture("gone.png", tmp_path / "gone.png", "a cat", "0" * 64)
    with pytest.raises(DataInvalid, match="cannot be read any more"):
        survey(PICTURES, scan_of(gone), "here", None, None)


def test_the_longest_row() -> None:
    """Turns of a row count together, by the base's tokenizer where there is one, else by their bytes."""
    chat = Row("a:1", messages=(Message("user", "x" * 30), Message("assistant", "ä" * 30)))
    short = Row("a:2", prompt="Who?", text="Me.")
    guessed = survey(TEXT, scan_of(short, chat), "here", None, None)
    assert guessed.longest_tokens == 10 + 20 + 2 * TURN_TOKENS + SYSTEM_TOKENS and not guessed.tokens_counted
    counted = survey(TEXT, scan_of(short, chat), "here", None, len)
    assert counted.longest_tokens == 60 + 2 * TURN_TOKENS + SYSTEM_TOKENS and counted.tokens_counted


@pytest.mark.parametrize(
    ("row", "prompts"),
    [
        (Row("a:1", messages=(Message("system", "be brief"), Message("user", "Who?"))), ("Who?",)),
        (Row("a:1", prompt="Q: who? A:", text=" me"), ("Q: who? A:",)),
        (Row("a:1", text="one two three four"), ()),
        (Row("a:1", text=" ".join("abcdefghijklmnopqrstuvwxyz")), ("a b c d e f g h i j k l",)),
    ],
)
def test_what_a_row_asks(row: Row, prompts: tuple[str, ...]) -> None:
    """The user's first turn, the prompt, or of a long plain text its first words."""
    assert survey(TEXT, scan_of(row), "here", None, None).prompts == prompts


def test_clips() -> None:
    """Length and number of all pieces, and the language that most rows name."""
    found = survey(
        SPEECH, scan_of(clip(1, language="de"), clip(2, num_pieces=3), clip(3, language="de")), "", None, None
    )
    assert (found.num_samples, found.num_examples, found.duration_s, found.language) == (3, 5, 5.0, "de")


@pytest.mark.parametrize(("transcript", "language"), [(ENGLISH, "en"), (GERMAN, "de"), ("Oh.", None), (DANISH, None)])
def test_the_language_of_transcripts(transcript: str, language: str | None) -> None:
    """Where no row names one the transcripts tell it, unless they are too short, or like those of a neighbour."""
    assert survey(SPEECH, scan_of(clip(1, transcript), clip(2, transcript)), "", None, None).language == language


def test_an_english_only_base() -> None:
    """Hears English, whatever the transcripts look like."""
    base = BaseFacts(parameters=1, width=1, english_only=True)
    assert survey(SPEECH, scan_of(clip(1, "Oh.")), "", base, None).language == "en"


def test_rejected_samples_do_not_count(tmp_path: Path) -> None:
    """What people rejected in review.csv is no sample; without a record all are."""
    pictures = [picture(tmp_path, f"{number}.png", (8, 8)) for number in range(3)]
    assert without_rejected(scan_of(*pictures), tmp_path).samples == tuple(pictures)
    verdicts = [
        Verdict(each.id, content_digest(each), "reject" if each.id == "1.png" else "accept") for each in pictures
    ]
    (tmp_path / "review.csv").write_bytes(render(verdicts))
    left = without_rejected(scan_of(*pictures, skipped=1), tmp_path)
    assert [each.id for each in left.samples] == ["0.png", "2.png"] and len(left.skipped) == 1


@pytest.mark.parametrize("task", [PICTURES, TEXT, SPEECH])
def test_nothing_usable(task: str) -> None:
    """No sample at all is 65 with the first reasons, in every task."""
    with pytest.raises(DataInvalid, match=r"no usable sample .*bad-0: is bad"):
        survey(task, scan_of(skipped=2), "here", None, None)


def test_a_diffusers_folder() -> None:
    """UNet, VAE and text encoder of the style example, and the size that it draws."""
    assert read_base(PICTURES, STYLE_BASE) == BaseFacts(
        parameters=4_283_012, width=64, helpers=978_103 + 392_448, resolution=64
    )


def test_a_language_model(tmp_path: Path) -> None:
    """Sizes of a Llama by its configuration, parameters by the weights' header."""
    write_tiny_lm(tmp_path)
    found = read_base(TEXT, tmp_path)
    assert (found.width, found.layers, found.inner, found.vocabulary) == (32, 2, 48, 260)
    assert found.parameters == 2 * (260 * 32) + 2 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 32 * 48 + 2 * 32) + 32


def test_a_gguf(tmp_path: Path) -> None:
    """The same sizes from a GGUF's header, and how many tokens it takes."""
    write_tiny_lm(tmp_path / "folder")
    model = LlamaForCausalLM.from_pretrained(tmp_path / "folder")
    write_gguf(tmp_path / "model.gguf", model, byte_tokenizer())
    found, folder = read_base(TEXT, tmp_path / "model.gguf"), read_base(TEXT, tmp_path / "folder")
    assert found == replace(folder, context=128)


def test_a_single_file(tmp_path: Path) -> None:
    """One file in the original layout has the sizes of the folder that it was made from."""
    write_single_file(STYLE_BASE, tmp_path / "base.safetensors")
    found, folder = read_base(PICTURES, tmp_path / "base.safetensors"), read_base(PICTURES, STYLE_BASE)
    assert (found.parameters, found.width) == (folder.parameters, folder.width)


def test_odd_sizes_count_as_unknown(tmp_path: Path) -> None:
    """What is no sensible number in a configuration becomes 0; names of other architectures are known."""
    write_tiny_lm(tmp_path)
    config = tmp_path / "config.json"
    settings = json.loads(config.read_text())
    odd = {
        "hidden_size": -1,
        "n_embd": 24,
        "num_hidden_layers": "two",
        "intermediate_size": 1 << 60,
        "vocab_size": True,
    }
    config.write_text(json.dumps(settings | odd))
    found = read_base(TEXT, tmp_path)
    assert (found.width, found.layers, found.inner, found.vocabulary) == (24, 0, 0, 0)


@pytest.mark.parametrize("multilingual", [True, False])
def test_a_whisper(multilingual: bool, tmp_path: Path) -> None:
    """The decoder's sizes, and whether it hears English alone."""
    write_tiny_whisper(tmp_path, multilingual=multilingual)
    if not multilingual:
        settings = json.loads((tmp_path / "config.json").read_text()) | {"eos_token_id": 50256}
        (tmp_path / "config.json").write_text(json.dumps(settings))
    found = read_base(SPEECH, tmp_path)
    assert (found.width, found.layers, found.english_only) == (16, 2, not multilingual) and found.parameters > 10_000


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("s3://sets/cyberpunk_style_202404/", "cyberpunk_style_202404"),
        ("data/My Style (2).tar.gz", "My-Style-2"),
        ("voice/rows.jsonl", "rows"),
        ("hf://org/set@main", "set"),
        ("https://example.com/a/style.zip?version=3", "style"),
        (".", "my-style"),
        ("дата", "my-style"),
        ("x/adapter_model", "my-style"),
        ("_" + "n" * 90, "n" * 63),
    ],
)
def test_a_name_from_the_address(uri: str, name: str) -> None:
    """The last part without suffix and odd characters, as far as it may name an adapter; else the starter's."""
    draft = document.draft(PICTURES, uri, metadata=None, base=None, name=None)
    assert draft["name"] == name and load(document.to_text(draft).encode()).spec.name == name


@pytest.mark.parametrize(
    ("uri", "output"),
    [
        ("pictures", "out/loras"),
        ("file:///d", "out/loras"),
        ("s3://sets/a/", "s3://loras/"),
        (".", "s3://loras/"),
        ("out", "s3://loras/"),
    ],
)
def test_where_the_result_goes(uri: str, output: str) -> None:
    """Local data has a local output that does not lie in it; data from a store the starter's."""
    assert document.draft(PICTURES, uri, metadata=None, base=None, name=None)["output"]["uri"] == output


def test_advice_in_its_place() -> None:
    """Sections come in the order of the starters; what was drafted stays, and the draft itself too."""
    draft = document.draft(TEXT, "rows.jsonl", metadata=None, base="b", name="n")
    advice = [
        Advice("sampling.prompts", ["Who?"], "", ()),
        Advice("lora.rank", 4, "", ()),
        Advice("lora.alpha", 8, "", ()),
    ]
    job = document.with_advice(draft, advice)
    assert list(job) == ["$schema", "name", "task", "model", "data", "lora", "sampling", "output"]
    assert job["lora"] == {"rank": 4, "alpha": 8} and job["model"] == {"base": "b"} and "lora" not in draft
