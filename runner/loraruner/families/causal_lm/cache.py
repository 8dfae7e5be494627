"""Token caches: every part of the data set tokenised once, in one safetensors file named by its content.

Tensors: ``ids`` int32 (all tokens of all rows, one after another), ``offsets`` int64 (row i is
``ids[offsets[i] : offsets[i + 1]]``), ``trained`` uint8 (1 where the token is a target). The header's
metadata tells how many rows were cut, which were skipped and why, and whether prompts are conversations.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from loraruner import seals
from loraruner.data.samples import Row, Skipped
from loraruner.errors import DataInvalid
from loraruner.families.base import Base, Prepared, Samples
from loraruner.families.causal_lm.encode import encode
from loraruner.families.causal_lm.open_base import load_tokenizer
from loraruner.files import replacing

ENCODING = 3  # raise it when the same rows would become other tokens, or the file another form
CHAT, VERBATIM = "chat", "verbatim"  # how prompts are put: as a user's turn, or as they are

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TokenRows:
    """One part's rows, mapped from its cache file."""

    ids: torch.Tensor  # (all tokens,) int32
    offsets: torch.Tensor  # (N + 1,) int64
    trained: torch.Tensor  # (all tokens,) uint8
    prompt_form: str

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and trained mask of one row, both (T,)."""
        begin, end = int(self.offsets[index]), int(self.offsets[index + 1])
        return self.ids[begin:end], self.trained[begin:end]


def prepare(base: Base, samples: Samples, cache: Path, max_length: int) -> Prepared:
    """Tokenise each part that has rows into ``cache``; a file that is there already and whole is used as it is."""
    parts: Mapping[str, Sequence[Row]] = {
        "train": samples.train,
        "evaluation": samples.evaluation,
        "general": samples.general,
    }
    tokenizer, files = None, {}
    ids: dict[str, tuple[str, ...]] = {}
    skipped: list[Skipped] = []
    for part, rows in parts.items():
        if rows:
            files[part] = cache / "tokens" / f"{_key(base, rows, max_length)}.safetensors"
            if not seals.tensors_whole(files[part]):
                tokenizer = tokenizer or load_tokenizer(base)
                _write(files[part], tokenizer, rows, max_length)
            _warn_of_cuts(files[part], part, len(rows), max_length)
            reasons = _reasons(files[part])
            skipped += [Skipped(rows[place].id, reason) for place, reason in sorted(reasons.items())]
            ids[part] = tuple(row.id for place, row in enumerate(rows) if place not in reasons)
    return Prepared(files, ids, tuple(skipped))


def read_tokens(path: Path) -> TokenRows:
    """The rows of one cache file."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in ("ids", "offsets", "trained")}
        return TokenRows(**tensors, prompt_form=file.metadata()["prompt_form"])


def _key(base: Base, rows: Sequence[Row], max_length: int) -> str:
    """Hex digest of all that shapes the tokens; a row's id (its place in a file) and form do not."""
    contents = [{name: value for name, value in asdict(row).items() if name not in ("id", "form")} for row in rows]
    text = json.dumps([ENCODING, base.digest, max_length, contents], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _write(path: Path, tokenizer: object, rows: Sequence[Row], max_length: int) -> None:
    found = encode(tokenizer, rows, max_length)
    encoded = found.rows
    if not encoded:
        raise DataInvalid(f"no usable row: {rows[0].id}: {found.skipped[0]}")
    tensors = {
        "ids": np.concatenate([tokens.ids for tokens in encoded]),
        "offsets": np.cumsum([0, *(len(tokens.ids) for tokens in encoded)], dtype=np.int64),
        "trained": np.concatenate([tokens.trained for tokens in encoded]),
    }
    metadata = {
        "num_cut": str(sum(tokens.truncated for tokens in encoded)),
        "skipped": json.dumps(found.skipped),
        **seals.BLANK,
        "prompt_form": CHAT if any(row.messages for row in rows) else VERBATIM,
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)
        seals.seal_tensors(temporary)
    log.info("tokenised %d rows: %d tokens, %d trained", len(encoded), len(tensors["ids"]), tensors["trained"].sum())


def _reasons(path: Path) -> dict[int, str]:
    """Why rows were skipped, by their place."""
    with safe_open(path, framework="numpy") as file:
        return {int(place): reason for place, reason in json.loads(file.metadata()["skipped"]).items()}


def _warn_of_cuts(path: Path, part: str, num_rows: int, max_length: int) -> None:
    with safe_open(path, framework="numpy") as file:
        num_cut = int(file.metadata()["num_cut"])
    if num_cut:
        log.warning(
            "%d of %d %s rows are longer than $.options.max_length = %d tokens and lose their end",
            num_cut,
            num_rows,
            part,
            max_length,
        )
