"""Every key of sd-scripts' LoRA training (``train_network.py --config_file``) and what becomes of it.

Names and defaults: kohya-ss/sd-scripts v0.10.1, ``library/train_util.py``, ``train_network.py``, ``library/
config_util.py``, ``custom_train_functions.py``, ``sai_model_spec.py``, ``deepspeed_utils.py``.
"""

from loraruner.importers.keys import carried, dead, dropped, lost, refused, ruled, secret, table, unread
from loraruner.importers.values import number, text, whole

_NO_REGULARISATION = "regularisation pictures are not trained on here"
_WRITE_CAPTIONS = "write captions beside the pictures, or as metadata.jsonl with `file_name` and `text`"
NO_FURTHER = (
    "an adapter cannot be trained further: this one begins from nothing; to build on the old one, merge it into the "
    "base with the tools of that trainer, and name the result with --set model.base=..."
)
_OTHER_MODEL = "belongs to the training of another kind of model (Flux, SD3, SDXL), which loraruner does not train yet"

CARRIED = (
    carried("gradient_accumulation_steps", "training.gradient_accumulation_steps", whole),
    carried("max_grad_norm", "training.max_grad_norm", number),
    carried("save_every_n_steps", "checkpoint.every_steps", whole, "steps between checkpoints, not between adapters"),
    carried("validation_split", "evaluation.fraction", number),
    carried("validate_every_n_steps", "evaluation.every_steps", whole),
    carried("metadata_title", "labels.title", text),
    carried("metadata_author", "labels.author", text),
    carried("metadata_description", "labels.description", text),
    carried("metadata_license", "labels.license", text),
    carried("metadata_tags", "labels.tags", text),
    carried("metadata_usage_hint", "labels.usage_hint", text),
    carried("metadata_trigger_phrase", "labels.trigger_phrase", text),
    carried("training_comment", "labels.comment", text),
)

RULED = (
    ruled("train_batch_size", "training.batch_size", "1 where it is not given"),
    ruled("pretrained_model_name_or_path", "model.base", "`org/name` becomes `hf://org/name`; a pickle is warned of"),
    ruled("train_data_dir", "data.uri", "a dataset configuration goes before it"),
    ruled("dataset_config", "", "refused until that file is given with `--dataset-config`"),
    ruled("caption_extension", "", "`.txt` and `.caption` are read anyway; another one is refused"),
    ruled("caption_extention", "", "the old spelling of `caption_extension`"),
    ruled("resolution", "options.resolution", "a square is kept; else the square of the same area, in multiples of 8"),
    ruled("output_dir", "output.uri", "versions appear in OUTPUT_DIR/NAME/versions/"),
    ruled("output_name", "name", "signs that a name cannot have become `-`"),
    ruled("network_module", "lora.targets", "`networks.lora` trains the layers of `all-linear`; others are refused"),
    ruled("network_dim", "lora.rank", "4 where it is not given"),
    ruled("network_alpha", "lora.alpha", "1 where it is not given; 0 stands for the rank"),
    ruled(
        "network_dropout",
        "lora.dropout",
        "above 0 changed: the adapter's input is dropped, not what its first half gives",
    ),
    ruled("network_args", "", "lost: convolutions, block weights, rank and module dropout, LoRA+"),
    ruled("network_train_unet_only", "", "true is what a job does; else the text encoder's share is lost"),
    ruled("network_train_text_encoder_only", "", "true is refused: only the UNet is trained"),
    ruled("learning_rate", "training.learning_rate", "left out where `unet_lr` is given"),
    ruled("unet_lr", "training.learning_rate", "goes before `learning_rate`; 2e-6 where neither is given"),
    ruled("text_encoder_lr", "", "lost, but for 0 or with `network_train_unet_only`: only the UNet is trained"),
    ruled("optimizer_type", "training.optimizer", "AdamW in all its forms becomes `adamw`; others are refused"),
    ruled("use_8bit_adam", "training.optimizer", "as AdamW8bit"),
    ruled(
        "optimizer_args", "training.weight_decay", "`weight_decay` is carried over; the rest is lost, but for defaults"
    ),
    ruled("lr_scheduler", "training.lr_scheduler", "`constant` where it is not given; see above"),
    ruled("lr_scheduler_num_cycles", "", "1 is plain cosine; more restarts are lost"),
    ruled("lr_scheduler_power", "", "1 is linear; another power is lost"),
    ruled(
        "lr_warmup_steps", "training.warmup_steps", "a share of all steps is turned into steps with `max_train_steps`"
    ),
    ruled("max_train_epochs", "training.epochs", "times `--repeats`, or what a dataset configuration says"),
    ruled("max_train_steps", "training.max_steps", "left out beside `max_train_epochs`; 1600 where neither is given"),
    ruled("dataset_repeats", "training.epochs", "multiplies the epochs, with a dataset configuration"),
    ruled("mixed_precision", "training.precision", "`no` becomes `fp32`, and is what stands for no value"),
    ruled("seed", "training.seed", "a random one each time where it is not given; a job's is fixed"),
    ruled("save_model_as", "", "adapters are `.safetensors`; `ckpt` and `pt` are pickles and are not written"),
    ruled("sample_prompts", "sampling.prompts", "lines of prompts are read; a file is read with `--sample-prompts`"),
)

DROPPED = (
    *dropped(
        "speed and memory only: the machine and `training.precision` decide that here",
        *("xformers", "sdpa", "mem_eff_attn", "lowram", "highvram", "gradient_checkpointing", "torch_compile"),
        *("cpu_offload_checkpointing", "dynamo_backend", "fused_backward_pass", "max_data_loader_n_workers"),
        *("persistent_data_loader_workers", "vae_batch_size", "text_encoder_batch_size", "no_half_vae"),
        *("disable_mmap_load_safetensors", "blocks_to_swap", "single_blocks_to_swap", "double_blocks_to_swap"),
        *("mem_eff_save",),
    ),
    *dropped(
        "the adapter's own weights are fp32 here, the base's as `model.dtype` says",
        *("full_fp16", "full_bf16", "fp8_base", "fp8_base_unet"),
    ),
    *dropped(
        "pictures and captions are always encoded once and cached",
        *("cache_latents", "cache_latents_to_disk", "skip_cache_check", "cache_info"),
        *("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk"),
    ),
    *dropped(
        "one process trains: nothing is spread over several",
        *("ddp_timeout", "ddp_gradient_as_bucket_view", "ddp_static_graph", "deepspeed", "zero_stage"),
        *("offload_optimizer_device", "offload_optimizer_nvme_path", "offload_param_device", "offload_param_nvme_path"),
        *("zero3_init_flag", "zero3_save_16bit_model", "fp16_master_weights_and_gradients"),
    ),
    *dropped(
        "logs, metrics and TensorBoard files always go where the version goes",
        *("logging_dir", "log_with", "log_prefix", "log_tracker_name", "log_tracker_config", "log_config"),
        *("wandb_run_name", "console_log_level", "console_log_file", "console_log_simple"),
    ),
    *secret("a secret: never copied or shown; keep it out of files", "wandb_api_key", "huggingface_token"),
    *dropped(
        "`output.uri` is the only place that is written to",
        *("huggingface_repo_id", "huggingface_repo_type", "huggingface_path_in_repo", "huggingface_repo_visibility"),
        *("save_state_to_huggingface", "resume_from_huggingface", "async_upload"),
    ),
    *dropped(
        "one adapter is published, at the end; checkpoints go by `checkpoint.every_steps` and `checkpoint.every_s`",
        *("save_every_n_epochs", "save_n_epoch_ratio"),
    ),
    *dropped(
        "`checkpoint.keep` says how many checkpoints are kept",
        *("save_last_n_epochs", "save_last_n_epochs_state", "save_last_n_steps", "save_last_n_steps_state"),
    ),
    *dropped("every checkpoint holds the whole state", "save_state", "save_state_on_train_end"),
    *dropped(
        "another trainer's state cannot be resumed: a job begins at its first step, and resumes its own checkpoints",
        *("resume", "initial_epoch", "initial_step", "skip_until_initial_step"),
    ),
    *dropped("adapter files hold the weights as they were trained, in fp32", "save_precision", "use_safetensors"),
    *dropped("a version always says what it was made of", "no_metadata", "metadata_thumbnail", "metadata_merged_from"),
    *dropped("has no place in a job's labels", "metadata_preprocessor", "metadata_is_negative_embedding"),
    *dropped("the tokenizer comes with the base", "tokenizer_cache_dir"),
    *dropped("belongs to the trainer's command line", "config_file", "output_config", "debug_dataset"),
    *dropped("`evaluation.every_steps` counts steps", "validate_every_n_epochs"),
    *dropped("the whole held-out part is measured", "max_validation_steps"),
    *dropped("`training.seed` and the names of the samples decide what is held out", "validation_seed"),
    *dropped(
        "samples are drawn before and after training",
        *("sample_every_n_steps", "sample_every_n_epochs", "sample_at_first"),
    ),
    *dropped("DDIM draws the samples", "sample_sampler"),
    *dropped(
        "belongs to `enable_bucket`", "min_bucket_reso", "max_bucket_reso", "bucket_reso_steps", "bucket_no_upscale"
    ),
    *dropped("pictures are scaled with Lanczos", "resize_interpolation"),
    *dropped("belongs to `shuffle_caption`", "keep_tokens", "caption_separator"),
    *dropped("belongs to `token_warmup_step`", "token_warmup_min"),
    *dropped("weighs regularisation pictures, and there are none", "prior_loss_weight"),
    *dropped("belongs to `loss_type` huber", "huber_schedule", "huber_c", "huber_scale"),
    *dropped("belongs to `multires_noise_iterations`", "multires_noise_discount"),
    *dropped("belongs to `noise_offset`", "noise_offset_random_strength", "adaptive_noise_scale"),
    *dropped("belongs to `ip_noise_gamma`", "ip_noise_gamma_random_strength"),
    *dropped("belongs to `network_weights`", "dim_from_weights"),
    *dropped("belongs to `base_weights`", "base_weights_multiplier"),
    *dropped(
        "belongs to a schedule that a job does not have",
        *("lr_decay_steps", "lr_scheduler_timescale", "lr_scheduler_min_lr_ratio", "lr_scheduler_args"),
    ),
    dead(
        "lr_restart_cycles",
        "lr_scheduler_num_cycles",
        "nothing reads it from a file, so that training ran with one cycle",
    ),
)

_PAGE = "the page of kohya_ss writes it for itself, and sd-scripts never reads it"
DEAD = (
    *unread(_PAGE, epoch="max_train_epochs", lowvram="lowram", noise_offset_type="", stop_text_encoder_training=""),
    *unread(  # of LoRA+
        _PAGE,
        loraplus_lr_ratio="network_args",
        loraplus_unet_lr_ratio="network_args",
        loraplus_text_encoder_lr_ratio="network_args",
    ),
)

LOST = (
    *lost(
        "pictures keep their shape there; here each is scaled and cut to a square at its centre",
        enable_bucket=False,
    ),
    *lost(
        "here pictures are trained on as they are",
        color_aug=False, flip_aug=False, random_crop=False, face_crop_aug_range=None,
    ),
    *lost(
        "here captions are trained on as they stand; write into them what they should say",
        shuffle_caption=False, caption_dropout_rate=0, caption_dropout_every_n_epochs=0, caption_tag_dropout_rate=0,
        caption_prefix="", caption_suffix="", enable_wildcard=False, secondary_separator=None,
        keep_tokens_separator="", weighted_captions=False, token_warmup_step=0, no_token_padding=False,
    ),
    *lost("here CLIP reads 75 tokens of a caption, and the rest is cut", max_token_length=(0, 75, 77)),
    *lost("here CLIP's last layer is used", clip_skip=(0, 1)),
    *lost(_NO_REGULARISATION, reg_data_dir=""),
    *lost(
        "here noise is plain Gaussian noise",
        noise_offset=0, multires_noise_iterations=0, ip_noise_gamma=0, zero_terminal_snr=False,
    ),
    *lost("here timesteps are drawn from the whole schedule", min_timestep=0, max_timestep=1000),
    *lost(
        "here the loss is the plain mean squared error",
        loss_type="l2", min_snr_gamma=0, scale_v_pred_loss_like_noise_pred=False, v_pred_like_loss=0,
        debiased_estimation_loss=False, masked_loss=False, alpha_mask=False, conditioning_data_dir="",
    ),
    *lost("here the adapter's weights are never scaled down", scale_weight_norms=0),
    *lost(
        "here the base says what it predicts: its scheduler's config, or a file's `modelspec.prediction_type`",
        v_parameterization=False,
    ),
    *lost("here the VAE of the base is used", vae=""),
    *lost(NO_FURTHER, network_weights=""),
)  # fmt: skip

REFUSED = (
    *refused("Stable Diffusion 2 is not trained yet; take a base of Stable Diffusion 1", v2=False),
    *refused("the base is taken as it is: merge those adapters into it first, and name the result", base_weights=""),
    *refused(_WRITE_CAPTIONS, "data.metadata", in_json=""),
    *refused("code of one's own is never run", dataset_class="", lr_scheduler_type=""),
    *refused("there is AdamW alone, and a rate for Lion does not suit it", use_lion_optimizer=False),
    *refused(
        _OTHER_MODEL,
        clip_l="", clip_g="", t5xxl="", ae="", controlnet_model_name_or_path="", t5xxl_max_token_length=None,
        apply_t5_attn_mask=False, guidance_scale=None, timestep_sampling=None, sigmoid_scale=None,
        model_prediction_type=None, discrete_flow_shift=None, model_type=None, split_mode=False,
        weighting_scheme=None, logit_mean=None, logit_std=None, mode_scale=None, clip_l_dropout_rate=0,
        clip_g_dropout_rate=0, t5_dropout_rate=0, t5xxl_device="", t5xxl_dtype="", enable_scaled_pos_embed=False,
        pos_emb_random_crop_rate=0, save_clip=False, save_t5xxl=False, sdxl=False,
    ),
)  # fmt: skip

KEYS = table(CARRIED, RULED, DROPPED, DEAD, LOST, REFUSED)

DATASET_ONLY = table(
    lost(
        "there it stood in for a missing caption; here a picture without one is skipped: write one, as "
        "`loraruner data label` does",
        class_tokens="",
    ),
    lost(_NO_REGULARISATION, is_reg=False),
    lost("here every part of the data counts alike", custom_attributes=None, network_multiplier=1),
    refused(_WRITE_CAPTIONS, "data.metadata", metadata_file=""),
)
"""Keys that only a dataset configuration has."""
