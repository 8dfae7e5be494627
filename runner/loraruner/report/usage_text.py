"""How to use a text adapter: PEFT, prompts put as in training, and a merged model."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loraruner.report.recipe import FOLDER, Recipe, base_arguments, base_line, prompt, version_address


def for_text(document: Mapping[str, Any], weights: Path | None) -> Iterator[Recipe]:
    """Recipes for the PEFT folder; the header of ``weights`` tells how prompts were put, where there is one."""
    uri, options = document["base_model"]["uri"], document["job"]["options"]
    lines = (
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        base_line(uri),
        f"tokenizer = AutoTokenizer.from_pretrained({base_arguments(uri)})",
        f"model = AutoModelForCausalLM.from_pretrained({base_arguments(uri)})",
        f"model = PeftModel.from_pretrained(model, {FOLDER})",
        "",
        f"prompt = {prompt(document)!r}",
        *(_VERBATIM if _prompt_form(weights) == "verbatim" else _CHAT),
        'asked = {"input_ids": inputs["input_ids"], "attention_mask": inputs["attention_mask"]}',
        f"output = model.generate(**asked, max_new_tokens={options['max_new_tokens']}, do_sample=False)",
        'print(tokenizer.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))',
    )
    yield Recipe("PEFT", "python", "\n".join(lines))
    note = "# a whole Hugging Face folder with the adapter in its weights, for programs that know no adapters\n"
    merge = f"loraruner adapter merge {version_address(document)} --output merged"
    yield Recipe("Merged into the base", "sh", note + merge)


_VERBATIM = ('inputs = tokenizer(prompt, return_tensors="pt")',)
_CHAT = (
    "if tokenizer.chat_template:",
    '    turns = [{"role": "user", "content": prompt}]',
    '    form = {"add_generation_prompt": True, "return_tensors": "pt", "return_dict": True}',
    "    inputs = tokenizer.apply_chat_template(turns, **form)",
    "else:",
    '    inputs = tokenizer(f"### User:\\n{prompt}\\n\\n### Assistant:\\n", return_tensors="pt")',
)


def _prompt_form(weights: Path | None) -> str | None:
    """``chat`` or ``verbatim``, as the header notes it."""
    if weights is None or not weights.exists():
        return None
    from safetensors import safe_open

    with safe_open(weights, framework="numpy") as file:
        return (file.metadata() or {}).get("prompt_form")
