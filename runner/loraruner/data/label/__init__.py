"""Captions made by a model that looks at the picture: BLIP, GIT, vision-language models, CLIP.

The one part of ``data`` that knows torch and transformers; they are imported when a captioner is opened.
"""

from loraruner.data.label.captioner import Captioner, open_captioner, resolve_device
from loraruner.data.label.labelling import Labelled, label

__all__ = ["Captioner", "Labelled", "label", "open_captioner", "resolve_device"]
