"""How to use a speech adapter: PEFT with the language told and the states cut as in training, and a merged model."""

from collections.abc import Iterator, Mapping
from typing import Any

from loraruner.report.recipe import FOLDER, Recipe, base_arguments, base_line, version_address

ALL_FRAMES = 1500  # what an encoder gives for 30 s
FRAME_S = 0.02


def for_speech(document: Mapping[str, Any]) -> Iterator[Recipe]:
    """Recipes for the command line and the PEFT folder."""
    address, frames = version_address(document), document["job"]["options"]["encoder_frames"]
    told = "" if document["job"]["options"]["language"] else " --language en  # the language of the clip"
    yield Recipe("loraruner", "sh", f"loraruner infer {address} clip.wav{told}")
    yield Recipe(
        "PEFT and transformers", "python", "\n".join((*_loading(document, frames), "", *_hearing(document, frames)))
    )
    note = "# a whole Whisper folder with the adapter in its weights, for programs that know no adapters\n"
    if frames != ALL_FRAMES:
        note += f"# (they must cut the encoder's states to {frames} frames as well, as the code above does)\n"
    yield Recipe("Merged into the base", "sh", f"{note}loraruner adapter merge {address} --output merged")


def _loading(document: Mapping[str, Any], frames: int) -> Iterator[str]:
    uri = document["base_model"]["uri"]
    yield "import soundfile"
    yield "import soxr"
    yield "import torch"
    yield "from peft import PeftModel"
    yield "from transformers import WhisperForConditionalGeneration, WhisperProcessor"
    if frames != ALL_FRAMES:
        yield "from transformers.modeling_outputs import BaseModelOutput"
    yield ""
    yield base_line(uri)
    yield f"processor = WhisperProcessor.from_pretrained({base_arguments(uri)})"
    yield f"model = WhisperForConditionalGeneration.from_pretrained({base_arguments(uri)}, dtype=torch.float32)"
    yield f"model = PeftModel.from_pretrained(model, {FOLDER}).eval()"


def _hearing(document: Mapping[str, Any], frames: int) -> Iterator[str]:
    """Greedy, in the language and task of the job; an English-only base takes neither."""
    options, heard = document["job"]["options"], "input_features=features"
    yield 'audio, rate = soundfile.read("clip.wav", dtype="float32", always_2d=True)'
    yield "audio = soxr.resample(audio.mean(axis=1), rate, 16000)  # one channel, 16 kHz"
    yield 'features = processor(audio, sampling_rate=16000, return_tensors="pt").input_features  # the first 30 s'
    if frames != ALL_FRAMES:
        yield "with torch.no_grad():  # cut to the frames that it was trained on"
        yield f"    states = model.get_encoder()(features).last_hidden_state[:, :{frames}]  # {frames * FRAME_S:g} s"
        heard = "encoder_outputs=BaseModelOutput(last_hidden_state=states)"
    told = f'{{"language": {options["language"] or "en"!r}, "task": {options["whisper_task"]!r}}}'
    hint = "" if options["language"] else "  # the language of the clip"
    yield f"told = {told} if model.generation_config.is_multilingual else {{}}{hint}"
    yield f"tokens = model.generate({heard}, **told, max_new_tokens={options['max_new_tokens']}, do_sample=False)"
    yield "print(processor.batch_decode(tokens, skip_special_tokens=True)[0].strip())"
