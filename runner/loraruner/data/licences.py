"""Licence files that lie with a data set."""

from pathlib import Path, PurePosixPath

from loraruner.data.folders import list_files
from loraruner.data.kinds import CLIPS, PICTURES

WORDS = ("LICENSE", "LICENCE", "NOTICE", "COPYING", "COPYRIGHT")
SAMPLES = (*PICTURES.all_suffixes, *CLIPS.all_suffixes, ".jsonl", ".json", ".csv")
TEXTS = (*PICTURES.sidecar_suffixes, *CLIPS.sidecar_suffixes)


def find_licences(folder: Path) -> tuple[str, ...]:
    """Relative names of LICENSE, LICENCE, NOTICE, COPYING and COPYRIGHT files below ``folder``, sorted; () for a file.

    Any case and suffix (LICENSE.txt, licence-photos.md, COPYING.LESSER), but no samples and none of their captions:
    license-plate.jpg and the license-plate.txt beside it are data. Raises InputMissing (66) and NoPermission (77) as
    ``folders.list_files`` does.
    """
    if folder.is_file():
        return ()
    files = list_files(folder, "samples").files
    samples = {name.rpartition(".")[0] for name in files if name.lower().endswith(SAMPLES)}
    return tuple(name for name in files if _is_licence(name, samples))


def _is_licence(name: str, samples: set[str]) -> bool:
    stem = PurePosixPath(name).name.upper()
    word = next((word for word in WORDS if stem.startswith(word)), None)
    if word is None or stem[len(word) : len(word) + 1] not in ("", ".", "-", "_", " "):
        return False
    lower = name.lower()
    is_caption = lower.endswith(TEXTS) and name.rpartition(".")[0] in samples
    return not lower.endswith(SAMPLES) and not is_caption
