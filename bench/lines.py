"""Rendered lines of text for the recognition task: words, fonts, blur and noise from a seed.

Needs Debian's fonts-dejavu, fonts-liberation2, fonts-noto-core, fontconfig and wamerican.
"""

import math
import random
import re
import subprocess
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_FONT = re.compile(r"(DejaVu(Sans|Serif)|Liberation(Sans|Serif|Mono)|Noto(Sans|Serif)-)[^/]*\.ttf$")
_NO_TEXT_FONT = re.compile("Math|Symbol|Display")
_HEIGHT, _LEAST_WIDTH = 48, 320


def fonts() -> list[str]:
    """The font files of this machine that are used, in a fixed order."""
    listing = subprocess.run(["fc-list", "-f", "%{file}\n"], capture_output=True, text=True)
    return sorted(
        f for f in listing.stdout.split() if _FONT.search(f) and not _NO_TEXT_FONT.search(f)
    )


def words() -> list[str]:
    """The American word list, without short, long and apostrophed words."""
    listing = subprocess.run(["dpkg", "-L", "wamerican"], capture_output=True, text=True).stdout
    path = next(line for line in listing.split() if line.endswith("american-english"))
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [word for word in lines if re.fullmatch(r"[A-Za-z]{2,12}", word)]


class Writer:
    """Makes texts and their pictures; the same seed gives the same ones on the same fonts."""

    def __init__(self, seed: int) -> None:
        """Read the fonts and words of this machine."""
        self._random = random.Random(seed)
        self._noise = np.random.default_rng(seed)
        self._fonts = fonts()
        self._words = words()

    def texts(self, count: int) -> list[str]:
        """Lines of one to five words, capitals, numbers and decimals."""
        return [self._text() for _ in range(count)]

    def picture(self, text: str) -> np.ndarray:
        """The text as the recognizer takes it: [3, 48, width] float32 in -1..1."""
        grey = self._drawn(text)
        if self._random.random() < 0.6:
            grey = cv2.GaussianBlur(grey, (0, 0), self._random.uniform(0.3, 1.3))
        grey = grey + self._noise.normal(0, self._random.uniform(0, 28), grey.shape)
        return _prepared(np.clip(grey, 0, 255).astype(np.uint8))

    def _text(self) -> str:
        chance = self._random
        parts = []
        for _ in range(chance.randint(1, 5)):
            kind, word = chance.random(), chance.choice(self._words)
            if kind < 0.6:
                parts.append(word)
            elif kind < 0.72:
                parts.append(word.capitalize())
            elif kind < 0.8:
                parts.append(word.upper())
            elif kind < 0.92:
                parts.append(str(chance.randint(0, 99999)))
            else:
                parts.append(f"{chance.randint(0, 99)}.{chance.randint(0, 99):02d}")
        return " ".join(parts)

    def _drawn(self, text: str) -> np.ndarray:
        chance = self._random
        font = ImageFont.truetype(chance.choice(self._fonts), chance.randint(11, 34))
        left, top, right, bottom = font.getbbox(text)
        ink, paper = chance.randint(0, 110), chance.randint(150, 255)
        if chance.random() < 0.2:
            ink, paper = paper, ink
        margin = chance.randint(1, 6)
        size = (int(right - left) + 2 * margin, int(bottom - top) + 2 * margin)
        image = Image.new("L", size, paper)
        ImageDraw.Draw(image).text((margin - left, margin - top), text, fill=ink, font=font)
        return np.asarray(image, np.float32)


def _prepared(grey: np.ndarray) -> np.ndarray:
    """As the recognizer's own package prepares a picture: height 48, padded to 320 at least."""
    height, width = grey.shape
    scaled = math.ceil(_HEIGHT * width / height)
    colour = cv2.resize(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), (scaled, _HEIGHT))
    out = np.zeros((3, _HEIGHT, max(_LEAST_WIDTH, scaled)), np.float32)
    out[:, :, :scaled] = (colour.astype(np.float32).transpose(2, 0, 1) / 255 - 0.5) / 0.5
    return out
