"""sd-scripts and lora-scripts' TOML: every rule in its order."""

from loraruner.importers import kohya_data, kohya_rules, samples
from loraruner.importers.draft import Draft


def rules(draft: Draft) -> None:
    """What needs more than a table; the length comes before the warm-up, which may be a share of it."""
    if draft.request.task not in (None, "text-to-image"):
        draft.problems["--task"] = f"--task {draft.request.task}: this trainer's files are text-to-image; leave it out"
    kohya_rules.choose_base(draft)
    kohya_rules.choose_network(draft)
    kohya_data.choose_data(draft)
    kohya_data.choose_length(draft)
    kohya_data.choose_rest(draft)
    kohya_rules.choose_rates(draft)
    kohya_rules.choose_schedule(draft)
    kohya_rules.choose_warmup(draft)
    kohya_rules.choose_optimizer(draft)
    kohya_rules.choose_precision(draft)
    kohya_data.choose_resolution(draft)
    kohya_data.choose_output(draft)
    samples.choose_samples(draft)
