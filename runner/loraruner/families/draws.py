"""Random numbers keyed by what they are for, so that neither restarts nor batch layout change them."""

import hashlib

import numpy as np

from loraruner.families.base import Draw


def generator(draw: Draw, sample_id: str) -> np.random.Generator:
    """A Philox generator for one use of one sample: keyed by seed, purpose, epoch, occurrence, step and sample id."""
    text = "\0".join((str(draw.seed), draw.purpose, str(draw.epoch), str(draw.occurrence), str(draw.step), sample_id))
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))
