"""Try prompts: greedy answers of the base without and with an exported adapter, in fp32."""

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import GenerationConfig, StoppingCriteriaList

from loraruner.adapters.peft_folder import WEIGHTS_NAME
from loraruner.data.lines import BadValue
from loraruner.data.samples import Message
from loraruner.errors import DataInvalid
from loraruner.families.base import Base, Request, Trial, Trials
from loraruner.families.causal_lm.cache import CHAT, VERBATIM
from loraruner.families.causal_lm.encode import render_chat, start_mark
from loraruner.families.causal_lm.open_base import load_model, load_tokenizer
from loraruner.files import write_bytes
from loraruner.pretrained.loading import with_adapter
from loraruner.spec import Spec, TextOptions

FILE_NAME = "completions.json"
PROMPTS_TOGETHER = 8


def _after_each_token(hook: Callable[[], None]) -> Callable[..., Tensor]:
    """A stopping criterion that never stops by itself: the hook does, by raising."""

    def criterion(input_ids: Tensor, _scores: Any, **_: Any) -> Tensor:
        hook()
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)

    return criterion


def generate(spec: Spec, base: Base, adapter: Path | None, request: Request, folder: Path) -> Trials:
    """Answers before and after, also in ``completions.json``; without ``adapter`` those after are empty.

    Measures ``phrase.N.before`` and ``phrase.N.after``: the share of answers that hold
    ``options.expect_phrases[N]``. Without prompts there is nothing to try.
    """
    if not request.prompts:
        return Trials(())
    options = spec.options
    assert isinstance(options, TextOptions)  # the schema ties options to the task
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any = load_model(base, device=device, dtype="float32")
    tokenizer = load_tokenizer(base)
    model.generation_config = _greedily(model, tokenizer, options.max_new_tokens)
    if adapter is not None:
        model = with_adapter(model, adapter)
    texts = [_prompt_text(tokenizer, prompt, _prompt_form(tokenizer, adapter)) for prompt in request.prompts]
    without = model.disable_adapter() if adapter is not None else nullcontext()
    with without:
        before = _answers(model, tokenizer, texts, request)
    after = _answers(model, tokenizer, texts, request) if adapter is not None else [""] * len(texts)
    trials = tuple(Trial(*texts) for texts in zip(request.prompts, before, after, strict=True))
    measures = _phrase_shares(trials, options.expect_phrases)
    _write(folder / FILE_NAME, trials, measures)
    return Trials(trials, (FILE_NAME,), measures)


def _prompt_form(tokenizer: Any, adapter: Path | None) -> str:
    """How the adapter's training rows put their prompts; for a bare base, as its chat template would."""
    if adapter is not None:
        with safe_open(adapter / WEIGHTS_NAME, framework="pt") as file:
            noted: str | None = (file.metadata() or {}).get("prompt_form")
        if noted is not None:
            return noted
    return CHAT if tokenizer.chat_template is not None else VERBATIM


def _prompt_text(tokenizer: Any, prompt: str, form: str) -> str:
    if form == CHAT:
        try:
            return render_chat(tokenizer, [Message("user", prompt)], prompt=True)
        except BadValue as fault:
            raise DataInvalid(f"$.sampling.prompts: {prompt[:80]!r}: {fault}") from fault
    return start_mark(tokenizer) + prompt


def _greedily(model: Any, tokenizer: Any, max_new_tokens: int) -> GenerationConfig:
    """Plain greedy decoding, whatever sampling and penalties the base came with."""
    end = model.generation_config.eos_token_id
    end = tokenizer.eos_token_id if end is None else end
    pad = end[0] if isinstance(end, list) else end or 0  # masked wherever it stands
    return GenerationConfig(do_sample=False, max_new_tokens=max_new_tokens, eos_token_id=end, pad_token_id=pad)


def _answers(model: Any, tokenizer: Any, texts: Sequence[str], request: Request) -> list[str]:
    """Greedy answers, several prompts at a time where padding on the left changes nothing."""
    together = 1 if getattr(model, "_is_stateful", False) else PROMPTS_TOGETHER
    answers: list[str] = []
    for first in range(0, len(texts), together):
        request.between()
        prompts = [tokenizer(text, add_special_tokens=False).input_ids for text in texts[first : first + together]]
        answers += _decode(model, tokenizer, prompts, request.between)
    return answers


@torch.inference_mode()
def _decode(model: Any, tokenizer: Any, prompts: list[list[int]], between: Callable[[], None]) -> list[str]:
    settings = model.generation_config
    longest = max(len(ids) for ids in prompts)
    padded = [[settings.pad_token_id] * (longest - len(ids)) + ids for ids in prompts]
    mask = [[0] * (longest - len(ids)) + [1] * len(ids) for ids in prompts]
    output = model.generate(
        input_ids=torch.tensor(padded, device=model.device),  # (B, T)
        attention_mask=torch.tensor(mask, device=model.device),
        generation_config=settings,
        stopping_criteria=StoppingCriteriaList([_after_each_token(between)]),
    )  # (B, T + new)
    texts: list[str] = tokenizer.batch_decode(output[:, longest:], skip_special_tokens=True)
    return [text.strip() for text in texts]


def _phrase_shares(trials: Sequence[Trial], phrases: Sequence[str]) -> dict[str, float]:
    """Share of answers that hold each phrase, in 0..1; empty without trials."""
    if not trials:
        return {}
    shares = {}
    for place, phrase in enumerate(phrases):
        shares[f"phrase.{place}.before"] = sum(phrase in trial.before for trial in trials) / len(trials)
        shares[f"phrase.{place}.after"] = sum(phrase in trial.after for trial in trials) / len(trials)
    return shares


def _write(path: Path, trials: Sequence[Trial], measures: dict[str, float]) -> None:
    answers = [{"prompt": trial.prompt, "before": trial.before, "after": trial.after} for trial in trials]
    text = json.dumps({"measures": measures, "trials": answers}, indent=2, ensure_ascii=False)
    write_bytes(path, (text + "\n").encode())
