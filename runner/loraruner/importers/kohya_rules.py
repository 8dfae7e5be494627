"""sd-scripts: base, network, optimiser and schedule, where keys hang together or a value must be turned."""

from typing import Any

from loraruner.importers.draft import Draft
from loraruner.importers.paths import put_base
from loraruner.importers.values import Unfit, flag, number, plain, text, texts, whole

SD_LORA = "sd-lora"
PLAIN_LORA = "networks.lora"
ADAMW = ("adamw", "adamw8bit", "pagedadamw", "pagedadamw8bit", "pagedadamw32bit")
SCHEDULES: dict[str, tuple[str, str]] = {
    "constant": ("constant", ""),
    "linear": ("linear", ""),
    "cosine": ("cosine", ""),
    "constant_with_warmup": ("constant", "the warm-up is `training.warmup_steps`"),
    "cosine_with_restarts": ("cosine", "one cycle of it is plain cosine"),
    "polynomial": ("linear", "of power 1 it is linear, but for its end at 1e-7"),
}
"""Schedules of sd-scripts, the job's, and what is to be said about the difference."""
OTHER_SCHEDULES = (
    *("cosine_with_min_lr", "cosine_warmup_with_min_lr", "inverse_sqrt", "reduce_lr_on_plateau"),
    *("warmup_stable_decay", "piecewise_constant", "adafactor"),
)
"""Schedules that a job lacks: cosine comes nearest."""
PRECISIONS: dict[object, str] = {"no": "fp32", "fp16": "fp16", "bf16": "bf16", False: "fp32"}
NEUTRAL_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "betas": ("0.9,0.999", "(0.9,0.999)", "[0.9,0.999]"),
    "eps": ("1e-8", "1e-08", "0.00000001"),
    "amsgrad": ("False", "false"),
}
"""Arguments of AdamW with the values that it has anyway."""


def choose_base(draft: Draft) -> None:
    """``task``, ``model.base``, and whether it is what a job trains."""
    draft.fill("task", "task", "text-to-image", "this trainer trains nothing else")
    base = draft.read("pretrained_model_name_or_path", text)
    if base:
        put_base(draft, "pretrained_model_name_or_path", base)
    else:
        draft.drop("pretrained_model_name_or_path")
    if draft.read("model_train_type", text, SD_LORA) == SD_LORA:
        draft.drop("model_train_type", "it is what a job trains")
    else:
        draft.refuse("model_train_type", "only LoRA for Stable Diffusion 1 is trained")


def choose_network(draft: Draft) -> None:
    """``lora``: layers, rank, scale and dropout."""
    module = draft.read("network_module", text)
    if module is None:
        draft.drop("network_module")
        draft.fill("network_module", "lora.targets", "all-linear", f"the layers of the UNet that {PLAIN_LORA} trains")
    elif module == PLAIN_LORA:
        draft.keep("network_module", "lora.targets", "all-linear", "the layers of the UNet that it trains")
    else:
        draft.refuse("network_module", f"only plain LoRA is trained; set it to {PLAIN_LORA}")
    rank = draft.take("network_dim", "lora.rank", whole, 4)
    if draft.read("network_alpha", number) == 0:
        draft.keep("network_alpha", "lora.alpha", rank, "0 stands for the rank")
    else:
        draft.take("network_alpha", "lora.alpha", number, 1)
    dropout = draft.read("network_dropout", number)
    if dropout:
        reason = "the adapter's input is dropped here, what its first half gives there"
        draft.keep("network_dropout", "lora.dropout", dropout, reason)
    else:
        draft.drop("network_dropout", "0 drops nothing")
    for key in ("network_args", "network_args_custom"):
        if draft.read(key, texts):
            draft.lose(key, "convolutions, weights of blocks, other dropouts and rates apart are not trained")
        else:
            draft.drop(key)


def choose_rates(draft: Draft) -> None:
    """``training.learning_rate``, and the text encoder's share that is lost."""
    if draft.has("unet_lr"):
        draft.take("unet_lr", "training.learning_rate", number)
        draft.drop("learning_rate", "unet_lr goes before it")
    else:
        draft.drop("unet_lr")
        draft.take("learning_rate", "training.learning_rate", number, 2e-6)
    alone = draft.read("network_train_unet_only", flag, False)
    rates = draft.read("text_encoder_lr", _rates, [])
    if alone or (rates and not any(rates)):
        draft.drop("text_encoder_lr", "the text encoder did not learn")
        draft.drop("network_train_unet_only", "it is what a job does" if alone else "the text encoder did not learn")
    elif rates:
        draft.lose("text_encoder_lr", "the text encoder learned too, at this rate; here the UNet learns alone")
        draft.drop("network_train_unet_only", "see text_encoder_lr")
    else:
        draft.drop("text_encoder_lr")
        draft.lose(
            "network_train_unet_only", "unless it is true the text encoder learned too; here the UNet learns alone"
        )
    if draft.read("network_train_text_encoder_only", flag, False):
        draft.refuse("network_train_text_encoder_only", "the UNet is what a job trains")
    else:
        draft.drop("network_train_text_encoder_only", "the UNet is trained")


def _rates(value: Any) -> list[float]:
    return [number(each) for each in value] if isinstance(value, list) else [number(value)]


def choose_optimizer(draft: Draft) -> None:
    """``training.optimizer`` and its weight decay."""
    name = draft.read("optimizer_type", text, "").lower()
    if not name:
        draft.drop("optimizer_type")
    elif name in ADAMW:
        reason = "" if name == "adamw" else "its state is held in fp32: a little more memory, no less exact"
        draft.keep("optimizer_type", "training.optimizer", "adamw", reason)
    else:
        reason = "there is AdamW alone, and a rate for another one does not suit it; set AdamW, and a rate for it"
        draft.refuse("optimizer_type", reason)
    if draft.read("use_8bit_adam", flag, False):
        draft.keep("use_8bit_adam", "training.optimizer", "adamw", "its state is held in fp32")
    else:
        draft.drop("use_8bit_adam", "false has no effect")
    for key in ("optimizer_args", "optimizer_args_custom"):
        _read_arguments(draft, key)


def _read_arguments(draft: Draft, key: str) -> None:
    decay, others = None, []
    for argument in draft.read(key, texts, []):
        name, _, value = (part.strip() for part in argument.partition("="))
        try:
            if name == "weight_decay":
                decay = number(value)
            elif value.replace(" ", "") not in NEUTRAL_ARGUMENTS.get(name, ()):
                others.append(name)
        except Unfit:
            others.append(name)
    if others:
        draft.lose(key, "a job sets AdamW's weight decay alone", "training.weight_decay", decay)
    elif decay is not None:
        draft.keep(key, "training.weight_decay", decay, "its weight decay")
    else:
        draft.drop(key, "AdamW's own values")


def choose_schedule(draft: Draft) -> None:
    """``training.lr_scheduler``."""
    name = draft.read("lr_scheduler", text, "").lower()
    cycles = draft.read("lr_scheduler_num_cycles", whole, 1)
    power = draft.read("lr_scheduler_power", number, 1)
    known, reason = SCHEDULES.get(name, ("cosine", ""))
    bent = (name == "cosine_with_restarts" and cycles > 1) or (name == "polynomial" and power != 1)
    if not name:
        draft.take("lr_scheduler", "training.lr_scheduler", text, "constant")
    elif name in SCHEDULES and not bent:
        draft.keep("lr_scheduler", "training.lr_scheduler", known, reason)
    elif bent or name.split(":")[0] in OTHER_SCHEDULES:
        draft.lose("lr_scheduler", f"a job has no such schedule; {known} comes nearest", "training.lr_scheduler", known)
    else:
        draft.problem("lr_scheduler", f"is none of {', '.join((*SCHEDULES, *OTHER_SCHEDULES))}")
    for key, owner in (("lr_scheduler_num_cycles", "cosine_with_restarts"), ("lr_scheduler_power", "polynomial")):
        draft.drop(key, "see lr_scheduler" if name == owner else f"belongs to {owner}")


def choose_warmup(draft: Draft) -> None:
    """``training.warmup_steps``: steps, or a share of them, which only a job with ``max_steps`` tells."""
    value = draft.read("lr_warmup_steps", number)
    steps = draft.job.get("training.max_steps")
    if value is None:
        draft.drop("lr_warmup_steps")
    elif isinstance(value, int) or value == 0:
        draft.keep("lr_warmup_steps", "training.warmup_steps", int(value))
    elif not 0 < value < 1:
        draft.problem("lr_warmup_steps", "is a share of all steps where it has a point: give 0 to 1, or a whole number")
    elif steps:
        draft.keep("lr_warmup_steps", "training.warmup_steps", int(value * steps), f"that share of {steps} steps")
    else:
        reason = (
            "a share of all steps, which `loraruner plan` tells; give the steps with --set training.warmup_steps=..."
        )
        draft.lose("lr_warmup_steps", reason, "training.warmup_steps", 0)


def choose_precision(draft: Draft) -> None:
    """``training.precision``."""
    if not draft.has("mixed_precision"):
        draft.drop("mixed_precision")
        draft.fill(
            "mixed_precision", "training.precision", "fp32", "mixed_precision is not given: the trainer takes no"
        )
        return
    word = plain(draft.entries["mixed_precision"].value)
    if isinstance(word, str | bool) and word in PRECISIONS:
        precision = PRECISIONS[word]
        draft.keep("mixed_precision", "training.precision", precision, "" if precision == word else "its name here")
    else:
        draft.problem("mixed_precision", "is none of no, fp16, bf16")
