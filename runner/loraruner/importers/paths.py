"""Paths and names of a foreign configuration as addresses and names of a job."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from loraruner.importers.draft import Draft

_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|[^/]*\\")
_ABSOLUTE = re.compile(r"[/~]|[A-Za-z]:[\\/]|[^/]*\\")
_UNFIT_IN_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_OTHER_IMAGE_BASE = re.compile(r"(?i:sdxl|sd_xl|flux|sd3|stable-diffusion-[23x]|/v2-[01]_)|XL(?![a-zA-Z])")
_NAME_CHARACTERS = 63
PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle")
WEIGHTS = (*PICKLES, ".safetensors", ".gguf")
ADDRESSES = {"model.base": "the base model", "data.uri": "the data set", "output.uri": "the place to write to"}


def put_base(draft: Draft, key: str, base: str) -> None:
    """``model.base``: a repository of the hub by its URI, everything else as it stands."""
    if _HUB.fullmatch(base) and not base.lower().endswith(WEIGHTS):
        reason = "taken for a repository of the Hugging Face hub; --set model.base=PATH where it is a folder"
        draft.keep(key, "model.base", f"hf://{base}", reason)
        return
    draft.keep(key, "model.base", base)


def put_name(draft: Draft, key: str, wanted: str, why: str = "") -> None:
    """``name``: ``--name``, else ``wanted`` with "-" for what a name cannot have.

    Without a key of its own the name is filled in, and ``why`` says from what.
    """
    name = draft.request.name or _UNFIT_IN_NAME.sub("-", wanted).lstrip("._-")[:_NAME_CHARACTERS].rstrip("._-")
    if not name:
        draft.problems["name"] = (
            f"{key or 'name'}: it has no letter or digit that a name can have; give one with --name"
        )
    elif not key:
        draft.fill("name", "name", name, "as --name says" if draft.request.name else why or "the file's own name")
    elif draft.request.name:
        draft.keep(key, "name", name, "--name goes before it")
    elif name == wanted:
        draft.keep(key, "name", name)
    else:
        draft.keep(key, "name", name, "a name has letters, digits, '.', '_' and '-', at most 63 in all")


def inside(folder: str, path: str) -> str | None:
    """``path`` as a name inside ``folder``, by their text; None where it lies elsewhere."""
    below = posixpath.normpath(path)
    above = posixpath.normpath(folder)
    name = posixpath.relpath(below, above) if below.startswith("/") == above.startswith("/") else ".."
    return None if name == "." or name.startswith("..") else name


def warnings(job: Mapping[str, Any]) -> Iterator[str]:
    """What the addresses of a job may mean on the machine that trains, one sentence each."""
    found = {place: _at(job, place) for place in ADDRESSES}
    base = found["model.base"] or ""
    if "ggml" in base.lower() and not base.lower().endswith(".gguf"):
        yield (
            f"$.model.base: {base} is named like a GGML file, which came before GGUF and is not read: it "
            "ends a job with 65; take the model's .safetensors folder or a .gguf, and name it with "
            "--set model.base=..."
        )
    elif base.lower().endswith(PICKLES):
        yield (
            f"$.model.base: {base} is a pickle by its suffix, which can carry code and ends a job with 65; "
            "convert it to .safetensors, and name that with --set model.base=..."
        )
    if job.get("task") == "text-to-image" and _OTHER_IMAGE_BASE.search(f"/{base.rpartition('/')[2]}"):
        yield (
            f"$.model.base: {base} is named like SDXL, Flux or Stable Diffusion 2 or 3, which are not trained yet and "
            "end a job with 65; take a base of Stable Diffusion 1"
        )
    plain = {place: address for place, address in found.items() if address and "://" not in address}
    for place, address in plain.items():
        if _WINDOWS.match(address):
            yield f"$.{place}: {address} is a path of Windows; name {ADDRESSES[place]} where the job runs"
        elif address.startswith("~"):
            yield f"$.{place}: ~ is not replaced in {address}; write the whole path"
    relative = [f"$.{place}" for place, address in plain.items() if not _ABSOLUTE.match(address)]
    if relative:
        yield (
            f"{', '.join(relative)}: a relative path counts from the folder in which `loraruner train` is started, "
            "as it did for the other trainer"
        )


def _at(job: Mapping[str, Any], place: str) -> str | None:
    section, _, key = place.partition(".")
    value = job.get(section, {}).get(key) if isinstance(job.get(section, {}), dict) else None
    return value if isinstance(value, str) else None
