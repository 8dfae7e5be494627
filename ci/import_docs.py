"""Write docs/import.md from the tables of loraruner.importers, so that the page and the command cannot differ.

Run by ``make docs``.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from loraruner.importers import dataset_config, dialects, gui_keys, kohya_keys, kohya_rules
from loraruner.importers.keys import RULED, Key
from loraruner.importers.verdicts import KEPT, LOST, MEANINGS, REFUSED

PAGE = Path(__file__).parents[1] / "docs/import.md"
HEAD = """# Moving in from other trainers

<!-- Written by ci/import_docs.py from runner/loraruner/importers: change the tables and run `make docs`. -->

`loraruner import FILE` turns the configuration of another trainer into a job, and says of every key what became of it:

```console
$ loraruner import configs/my_lora_config.yaml --output job.json
$ loraruner import config/default.toml --repeats 10 --allow-lost --set model.base=v1-5.safetensors > job.json
$ loraruner import train.toml --dataset-config dataset.toml --sample-prompts prompts.txt --output job.json
$ loraruner validate job.json
```

Without `--output` the job is all that stdout gets; the rows go to stderr. With it stdout gets one JSON object with the
same rows (`keys`: `key`, `value`, `verdict`, `to`, `becomes`, `reason`). An existing file is left alone, unless it is
the same job. Only the files that are named are read: the same files give the same job, byte for byte, on any machine.

## What can be imported

| `--dialect` | what it is |
| --- | --- |
{dialects}

The keys of a file tell what it is; `--dialect` says it where they don't. `[sections]` of TOML are ignored, as by
sd-scripts, and of a key that stands in two the last one counts. YAML is read without anchors, aliases and tags; `2e-4`
is a number, and a key that stands twice is an error. A dataset configuration alone says too little for a job: give it
with `--dataset-config`, or fill in what it lacks with `--set`.

## What becomes of a key

| verdict | the key |
| --- | --- |
{verdicts}

- A key with an effect that a job lacks is merely dropped while its value has none (`noise_offset = 0`).
- Anything `lost` ends the command with 65, so that nobody trains another adapter unawares: `--allow-lost` accepts it.
- Anything `refused` ends it with 65, and so does an unknown key, with the one that was probably meant, and a value that
  cannot be read. All of them are told at once.
- `--set PATH=VALUE` replaces a field of the job, and overrules the key that it comes from.
- The job is loaded as `loraruner validate` does; a fault names the foreign key and the place in the job.
- Secrets are neither copied nor shown.

| exit code | when |
| --- | --- |
| 0 | the job was written |
| 2 | the command line is wrong, or `--output` exists and is another job |
| 64 | a `--set` that is none |
| 65 | the file is no YAML or TOML, of no trainer that is known, or its keys have problems; something would be lost |
| 66 | there is no such file |
| 77 | a file cannot be read or written |

## What to look at afterwards

- **Repeats.** sd-scripts trains on folders such as `10_style`, and an epoch sees each of its pictures ten times; an
  epoch of a job sees each once. The number stands in a dataset configuration (`num_repeats`) and in no other, so a
  file that counts epochs is refused without it: `--repeats 10` makes 100 epochs of 10, and `--repeats 1` leaves them.
  Akegarasu's page makes such folders itself: 7 repeats for up to 10 pictures, 5 up to 50, 3 up to 100, 1 above. The
  folders can stay as they are: pictures are found at any depth.
- **The base.** `.ckpt`, `.pt` and `.bin` are pickles, which can carry code and are refused by `loraruner train`:
  convert the base to `.safetensors` and name that with `--set model.base=...`. A language model in GGML
  (`...ggmlv3.q4_0.bin`) is older than GGUF: take its folder with `.safetensors`, or a `.gguf`.
- **Paths** stay as they are. Relative ones count from the folder in which `loraruner train` is started; on a cluster
  they become addresses such as `s3://models/`.
- **Captions** are read from `.txt`, else `.caption`, beside the picture ([data.md](data.md)). Where there is none,
  sd-scripts takes the words of the folder's name (`10_sks dog`) or `class_tokens`; here such a picture is skipped, so
  write them with `loraruner data label` first.
- **The page of kohya_ss** writes what it hands to the trainer into the output folder, as `config_lora-*.toml`: import
  that. Its own presets (`.json`) have other keys and are refused.
- **Sample prompts.** Lines such as `a harbour --n blurry --w 512 --h 512 --l 7 --s 24 --d 1337` become
  `sampling.prompts`, `sampling.seed` (`--d`), `options.negative_prompt` (`--n`), `options.guidance_scale` (`--l`) and
  `options.sample_steps` (`--s`). A job has one of each for all prompts: where lines differ, the first counts. Pictures
  are squares of `options.resolution`.
- **Layers.** sd-scripts' plain LoRA trains every linear layer and 1x1 convolution of the UNet's transformer blocks,
  which is `lora.targets` `all-linear`, and by default the text encoder, which is not trained here.

## Schedules

| `lr_scheduler` | becomes | |
| --- | --- | --- |
{schedules}

"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


def render() -> str:
    """The whole page."""
    known = dialects.DIALECTS
    head = HEAD.format(
        dialects="\n".join(f"| `{each.name}` | {each.title} |" for each in known.values()),
        verdicts="\n".join(f"| {verdict} | {meaning} |" for verdict, meaning in MEANINGS.items()),
        schedules=_schedules(),
    )
    own = {*dataset_config.SAME_AS, *kohya_keys.DATASET_ONLY}
    datasets = {name: key for name, key in dataset_config.own_keys().items() if name in own}
    tables = {
        "Keys of lora-scripts, YAML": known["lora-scripts-yaml"].keys,
        "Keys of sd-scripts": known["kohya"].keys,
        "Keys of Akegarasu's lora-scripts, beside those of sd-scripts": gui_keys.GUI_KEYS,
        "Keys of a dataset configuration": datasets,
    }
    texts = [f"## {title}\n\n{_about(title)}{_table(keys)}\n" for title, keys in tables.items()]
    return head + "\n".join(texts)


def _about(title: str) -> str:
    if "dataset configuration" not in title:
        return ""
    levels = ", ".join(f"`{title}`" for title in dataset_config.TITLES.values())
    return (
        f"{levels}: a lower level goes before a higher one. What subsets differ in is\nlost; several folders are "
        "refused. All other keys are those of sd-scripts above, with the same meaning.\n\n"
    )


def _schedules() -> str:
    rows = [f"| `{name}` | `{known}` | {reason} |" for name, (known, reason) in kohya_rules.SCHEDULES.items()]
    others = ", ".join(f"`{name}`" for name in kohya_rules.OTHER_SCHEDULES)
    bent = "`cosine_with_restarts` of several cycles, `polynomial` of another power"
    return "\n".join([*rows, f"| {bent} | lost | the nearest is taken |", f"| {others} | lost | `cosine` is taken |"])


def _table(keys: Mapping[str, Key]) -> str:
    """One row for each key that is carried over or decided by code, and one for all others with the same fate."""
    return "\n".join(["| key | becomes | |", "| --- | --- | --- |", *_rows(keys)])


def _rows(keys: Mapping[str, Key]) -> Iterator[str]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for name, key in keys.items():
        if key.fate in (KEPT, RULED):
            yield f"| `{name}` | {f'`{key.to}`' if key.to else ''} | {key.reason} |"
        else:
            grouped.setdefault((key.fate, key.reason), []).append(_named(name, key))
    for (fate, reason), names in grouped.items():
        yield f"| {', '.join(names)} | {fate} | {reason} |"


def _named(name: str, key: Key) -> str:
    """A key, with the values that have no effect where those are not plainly nothing."""
    told = [str(value) for value in key.neutral if value not in (None, "", False, 0)]
    return f"`{name}` (but for {' and '.join(told)})" if key.fate in (LOST, REFUSED) and told else f"`{name}`"


if __name__ == "__main__":
    main()
