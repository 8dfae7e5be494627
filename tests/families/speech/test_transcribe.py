"""Greedy transcripts against transformers' own, with the tiny random Whisper."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model

from loraruner.adapters.inject import inject
from loraruner.errors import Preempted
from loraruner.families.base import Base
from loraruner.families.speech.encoder import States, encode_piece, log_mel, write_audio, write_states
from loraruner.families.speech.items import Item
from loraruner.families.speech.open_base import load_extractor, load_model, load_tokenizer
from loraruner.families.speech.transcribe import PIECES_TOGETHER, transcribe
from tests.support.lively_whisper import write_lively_whisper

Make = Callable[..., "Whisper"]


class Whisper:
    """The tiny model, and recordings of noise as pieces."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.base, self.scratch = Base(folder, "ab" * 32, "hf://org/tiny@main"), scratch
        self.model: Any = load_model(self.base, device="cpu", dtype="float32")
        self.tokenizer, self.extractor = load_tokenizer(self.base), load_extractor(self.base)
        self.states = States(self.model, self.extractor, 1500)

    def pieces(self, *languages: str | None, cached: bool = False) -> list[Item]:
        """One piece a language, each another noise."""
        items = []
        for place, language in enumerate(languages):
            sound = 0.1 * np.random.default_rng(place).standard_normal(16_000).astype(np.float32)
            file = self.scratch / f"{place}.safetensors"
            if cached:
                write_states(file, encode_piece(self.model, self.extractor, sound, 1500))
            else:
                write_audio(file, sound)
            items.append(Item(str(place), str(place), "", (), language, "transcribe", file))
        return items

    def hear(self, items: Sequence[Item], model: Any = None, **options: Any) -> list[str]:
        return transcribe(model or self.model, self.tokenizer, items, self.states, **{"max_new_tokens": 12, **options})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """The multilingual base (True) and the English-only one; tests must not change them."""
    made = {kind: tmp_path_factory.mktemp("tiny-whisper") for kind in (True, False)}
    for kind, folder in made.items():
        write_lively_whisper(folder, multilingual=kind)
    return made


@pytest.fixture
def make(folders: dict[bool, Path], tmp_path: Path) -> Make:
    return lambda multilingual=True: Whisper(folders[multilingual], tmp_path)


def by_transformers(whisper: Whisper, item: Item, options: dict[str, str]) -> str:
    """What ``generate`` says on the log-mel of the same piece."""
    from safetensors.numpy import load_file

    features = log_mel(whisper.extractor, load_file(item.file)["audio"])[None]
    tokens = whisper.model.generate(input_features=features, max_new_tokens=12, **options)
    text: str = whisper.tokenizer.batch_decode(tokens, skip_special_tokens=True)[0]
    return text.strip()


@pytest.mark.parametrize(("language", "task"), [("en", "transcribe"), ("de", "translate")])
def test_transformers_says_the_same(make: Make, language: str, task: str) -> None:
    """A multilingual base: the transcript is that of ``generate`` on the log-mel, with language and task."""
    whisper = make()
    items = [replace(item, whisper_task=task) for item in whisper.pieces(*[language] * 5)]
    wanted = [by_transformers(whisper, item, {"language": language, "task": task}) for item in items]
    assert whisper.hear(items) == wanted
    assert len(set(wanted)) > 1 and len(set(wanted[0])) > 1  # it matters what is heard, and what was said


def test_english_only_says_the_same(make: Make) -> None:
    """A base without languages gets neither language nor task."""
    whisper = make(multilingual=False)
    items = whisper.pieces(None, None)
    assert whisper.hear(items) == [by_transformers(whisper, item, {}) for item in items]


def test_each_piece_gets_its_own_text(make: Make) -> None:
    """Mixed languages and more pieces than a batch holds: every text is the one that the piece gets alone."""
    whisper = make()
    items = whisper.pieces(*(["en", "de", "en"] * PIECES_TOGETHER)[: PIECES_TOGETHER + 3])
    assert whisper.hear(items) == [whisper.hear([item])[0] for item in items]


def test_states_need_no_encoder(make: Make) -> None:
    """With cached states the encoder may lie on the meta device; the texts stay the same."""
    whisper = make()
    items = whisper.pieces("en", "fr", cached=True)
    wanted = whisper.hear(items)
    whisper.model.model.encoder.to("meta")
    assert whisper.hear(items) == wanted


def test_lora_is_heard(make: Make) -> None:
    """An injected module and a PeftModel work: zero LoRA changes nothing, another one does."""
    whisper = make()
    items = whisper.pieces("en", "en")
    wanted = whisper.hear(items)
    wrapped = get_peft_model(make().model, LoraConfig(target_modules=["q_proj"])).eval()
    assert whisper.hear(items, wrapped) == wanted
    paths = ["model.decoder.layers.1.encoder_attn.v_proj"]
    inject(whisper.model, targets=paths, rank=4, alpha=4.0, dropout=0.5, seed=0)
    whisper.model.eval()
    assert whisper.hear(items) == wanted
    whisper.model.model.decoder.layers[1].encoder_attn.v_proj.lora_B["default"].weight.data.fill_(2.0)
    assert whisper.hear(items) != wanted


def test_the_decoder_has_an_end(make: Make) -> None:
    """A model that never says that it has ended stops at the last position of the decoder."""
    whisper = make()
    whisper.model.generation_config.suppress_tokens = [whisper.tokenizer.eos_token_id]
    calls: list[int] = []
    whisper.hear(whisper.pieces("en"), max_new_tokens=5000, between=lambda: calls.append(1))
    assert len(calls) == 1 + 448 - 4  # before the batch, after each token behind the four that it begins with


END, NEVER, NOT_AT_FIRST = 0, 1, 2
SCRIPT = (  # by step and piece: the token that it would say, and the next best
    ((NOT_AT_FIRST, 6), (NEVER, 7)),
    ((END, 6), (NOT_AT_FIRST, 6)),
    ((7, 6), (NEVER, 5)),
    ((7, 6), (END, 6)),
)


class Scripted:
    """A Whisper of eight tokens and two pieces that says what SCRIPT says, and keeps what it was given."""

    def __init__(self) -> None:
        self.model = self.decoder = self
        self.training = False
        self.config = SimpleNamespace(max_target_positions=448, vocab_size=8)
        self.generation_config = SimpleNamespace(suppress_tokens=[NEVER, -1, 8], begin_suppress_tokens=[NOT_AT_FIRST])
        self.given: list[list[list[int]]] = []

    def __call__(self, input_ids: torch.Tensor, **_: Any) -> SimpleNamespace:
        logits = torch.zeros(2, 1, 8)
        for piece, (best, next_best) in enumerate(SCRIPT[len(self.given)]):
            logits[piece, 0, best], logits[piece, 0, next_best] = 2.0, 1.0
        self.given.append(input_ids.tolist())
        return SimpleNamespace(last_hidden_state=logits, past_key_values=None)

    def proj_out(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden


class Numbers:
    """A tokenizer whose texts are the numbers of the tokens."""

    eos_token_id = END

    def convert_tokens_to_ids(self, tokens: list[str]) -> list[int]:
        return list(range(len(tokens)))

    def batch_decode(self, rows: torch.Tensor, skip_special_tokens: bool) -> list[str]:
        assert skip_special_tokens
        return [" ".join(str(token) for token in row if token != END) for row in rows.tolist()]


def test_what_may_be_said(tmp_path: Path) -> None:
    """Suppressed tokens give way, some at first alone; a piece that has ended says no more while others go on.

    Suppressing -1, or a token that the model does not have, suppresses nothing.
    """
    scripted: Any = Scripted()
    items = [Item(name, name, "", (), "en", "transcribe", tmp_path) for name in "ab"]
    said = transcribe(scripted, Numbers(), items, lambda _: torch.zeros(2, 3, 4), max_new_tokens=9)
    assert said == ["6", "7 2 5"]
    prompt, *others = scripted.given
    assert prompt == [[0, 1, 2, 3]] * 2
    assert others == [[[6], [7]], [[END], [2]], [[END], [5]]]


def test_a_signal_stops_between_tokens(make: Make) -> None:
    """What the hook raises ends the work at the next token."""
    calls: list[int] = []

    def between() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Preempted("stop")

    whisper = make()
    with pytest.raises(Preempted):
        whisper.hear(whisper.pieces("en"), between=between)
    assert len(calls) == 3


def test_nothing_is_said_and_nothing_drawn(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    """No warning of a library on stderr, and the global random state is what it was; no pieces give no texts."""
    whisper = make()
    items = whisper.pieces("en", "de")
    capfd.readouterr()
    before = torch.get_rng_state()
    first = whisper.hear(items)
    assert whisper.hear(items) == first
    assert whisper.hear([]) == []
    assert torch.equal(torch.get_rng_state(), before)
    assert capfd.readouterr() == ("", "")
