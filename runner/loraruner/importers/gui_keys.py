"""What Akegarasu's lora-scripts writes beside the keys of sd-scripts: those of its web page (``mikazuki/schema``)."""

from loraruner.importers.keys import dropped, lost, refused, ruled, table
from loraruner.importers.kohya_keys import KEYS as KOHYA

GUI_KEYS = table(
    ruled("model_train_type", "", "`sd-lora` is what a job trains; others are refused"),
    ruled("positive_prompts", "sampling.prompts", "the prompt of the preview pictures"),
    ruled("negative_prompts", "options.negative_prompt", "belongs to `positive_prompts`"),
    ruled("sample_cfg", "options.guidance_scale", "belongs to `positive_prompts`"),
    ruled("sample_steps", "options.sample_steps", "belongs to `positive_prompts`"),
    ruled("sample_seed", "sampling.seed", "belongs to `positive_prompts`"),
    ruled("prompt_file", "sampling.prompts", "read with `--sample-prompts`"),
    ruled("enable_preview", "", "false leaves the prompts out"),
    ruled("network_args_custom", "", "as `network_args`"),
    ruled("optimizer_args_custom", "training.weight_decay", "as `optimizer_args`"),
    *dropped("samples are squares of `options.resolution`", "sample_width", "sample_height"),
    *dropped("name the prompts in `sampling.prompts`", "randomly_choice_prompt"),
    *dropped("the machine decides which GPU is used", "gpu_ids"),
    *dropped("belongs to `optimizer_type` Prodigy", "prodigy_d0", "prodigy_d_coef"),
    *dropped(
        "belongs to `network_module` lycoris.kohya or networks.dylora",
        *("lycoris_algo", "conv_dim", "conv_alpha", "dropout", "train_norm", "lokr_factor", "dylora_unit"),
    ),
    *dropped(
        "belongs to `enable_block_weights`",
        *("down_lr_weight", "mid_lr_weight", "up_lr_weight", "block_lr_zero_threshold"),
    ),
    *lost("here all layers learn at one rate", enable_block_weights=False),
    *refused(
        "the base is taken as it is: merge those adapters into it first, and name the result", enable_base_weight=False
    ),
    *refused("those lines replace others: write them into the file itself", ui_custom_params=""),
)

KEYS = {**KOHYA, **GUI_KEYS}
