"""Captions of a drawn training set, good ones of many forms and some with a fault."""

from pathlib import Path

import numpy as np

Random = np.random.Generator

TRIGGER = "sks"
CAPTION_FAULTS = {
    "no_caption": 3,
    "identical_caption": 3,
    "vague_caption": 3,
    "short_caption": 3,
    "clashing_styles": 3,
    "trigger_missing": 3,
    "long_caption": 2,
}
SUBJECTS = {
    "leaves": "round leaves over each other",
    "landscape": "ridges under a cloudy sky",
    "fog": "hills in the fog",
    "snow": "bare trees in the snow",
    "night": "a town at night with lit windows",
    "city": "houses with many windows",
    "bokeh": "a pebble before a soft ground",
    "product": "a bag on a plain table",
    "texture": "a wall seen from near",
    "shapes": "flat shapes",
    "gradient": "balls before a soft sky",
    "portrait": "a smiling face",
    "line_art": "loops of ink",
    "neon": "a glowing sign",
    "ink": "washes and strokes on paper",
}
FORMS = (
    "sks style, {subject}, {adjective}, {light}",
    "a picture in sks style of {subject}, {adjective} and {light}",
    "{subject} in the sks style: {adjective}, {light}",
    "{adjective} cartoon of {subject}, {light}, sks",
    "sks photograph of {subject}, {adjective}, {light}, no cartoon",
    "a beautiful landscape of {subject}, {adjective}, {light}, sks",
)
ADJECTIVES = ("calm", "lonely", "crowded", "old", "playful", "stern", "warm", "cold", "faded", "vivid", "tiny", "vast")
LIGHTS = ("morning light", "noon", "dusk", "light from the left", "light from behind", "rain", "wind", "haze", "glare")
VAGUE = ("sks, a beautiful landscape", "A picture of sks.", "an image in sks", "a nice picture, sks")
SHORT = ("sks {noun}", "{noun} sks", "{noun}, sks")
CLASHES = (
    "sks, a cartoon of {subject}, photo-realistic",
    "photorealistic anime of {subject}, sks",
    "{subject}, sks line art, hyperrealistic, 8k",
)


class Captions:
    """The captions to be written, by the name of the picture."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._texts: dict[str, str] = {}

    def good(self, name: str, sort: str) -> str:
        """A caption that no other picture has."""
        while True:
            text = str(self._random.choice(FORMS)).format(
                subject=SUBJECTS[sort],
                adjective=" and ".join(self._random.choice(ADJECTIVES, 2, replace=False)),
                light=self._random.choice(LIGHTS),
            )
            if text not in self._texts.values():
                self._texts[name] = text
                return text

    def spoiled(self, kind: str, name: str, sort: str) -> str:
        """Give a picture a faulty caption; returns the one with the fault, the later of two with the same caption."""
        text, random, subject = self.good(name, sort), self._random, SUBJECTS[sort]
        if kind == "identical_caption":
            other = str(
                random.choice([each for each, said in self._texts.items() if each != name and self._is_first(each)])
            )
            self._texts[name] = self._texts[other] if random.random() < 0.5 else f"{self._texts[other]}  ".upper()
            return max(name, other)
        self._texts[name] = {
            "no_caption": "",
            "vague_caption": self._unused(VAGUE),
            "short_caption": self._unused(SHORT).format(noun=f"{subject.split()[-1]}{name[:3]}"),
            "clashing_styles": str(random.choice(CLASHES)).format(subject=f"{subject} {name[:3]}"),
            "trigger_missing": text.replace("sks style", "a style").replace("sks", ""),
            "long_caption": text + ", and " + ", ".join(random.choice(ADJECTIVES, 90)),
        }[kind]
        return name

    def _unused(self, texts: tuple[str, ...]) -> str:
        return str(self._random.choice([text for text in texts if text not in self._texts.values()]))

    def _is_first(self, name: str) -> bool:
        """Whether a caption stands once, and is a good one."""
        text = self._texts[name]
        return list(self._texts.values()).count(text) == 1 and len(text.split()) > 5

    def write(self, folder: Path) -> None:
        """Each beside its picture; none where it is empty."""
        for name, text in self._texts.items():
            if text:
                (folder / name).with_suffix(".txt").write_text(text, encoding="utf-8")
