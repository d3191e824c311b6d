"""A folder of images as samples, by a declared preprocessing.

What a network was trained on (size, order of colours, mean, scale) cannot be seen in its file, so
it is never guessed: a wrong guess would calibrate and judge the network on inputs that it never
meets. The declaration is data, and goes into the recipe.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lissom.errors import SamplesError
from lissom.graph.model import Port
from lissom.store.hashing import Json

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["IMAGE_SUFFIXES", "Preprocessing", "read_images"]

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Files of a folder that are read as images."""

_MAX_PIXELS = 100_000_000
_MAX_SIDE = 16_384
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How an image file becomes an input: value = (pixel - mean) * scale, pixels being 0 to 255.

    Attributes:
        width: in pixels, after resizing.
        height: in pixels, after resizing.
        layout: `NCHW` or `NHWC`.
        color: `RGB`, `BGR` or `GRAY` (one channel).
        mean: subtracted, one for all channels or one each, in 0 to 255.
        scale: multiplied afterwards, one for all channels or one each (as 1/255, or 1/std).
        fit: `stretch` to the size, or `crop`: the shorter side is resized, the middle taken.

    Raises:
        SamplesError: a value that means nothing.
    """

    width: int
    height: int
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    color: Literal["RGB", "BGR", "GRAY"] = "RGB"
    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    fit: Literal["stretch", "crop"] = "stretch"

    def __post_init__(self) -> None:
        """Check every field."""
        for name in ("width", "height"):
            size = getattr(self, name)
            if type(size) is not int or not 1 <= size <= _MAX_SIDE:
                raise SamplesError(f"preprocessing: {name} is {size!r}, must be 1 to {_MAX_SIDE}")
        legal = {
            "layout": ("NCHW", "NHWC"),
            "color": ("RGB", "BGR", "GRAY"),
            "fit": ("stretch", "crop"),
        }
        for name, values in legal.items():
            if getattr(self, name) not in values:
                raise SamplesError(
                    f"preprocessing: {name} is {getattr(self, name)!r}, must be one of {values}"
                )
        for name in ("mean", "scale"):
            numbers = getattr(self, name)
            if len(numbers) not in (1, self.channels) or not np.isfinite(numbers).all():
                raise SamplesError(
                    f"preprocessing: {name} is {numbers!r}, must be 1 or {self.channels} numbers"
                )

    @property
    def channels(self) -> int:
        """1 for gray images, else 3."""
        return 1 if self.color == "GRAY" else 3

    def to_json(self) -> dict[str, Json]:
        """Write as JSON, for a recipe."""
        value = asdict(self)
        return {**value, "mean": list(self.mean), "scale": list(self.scale)}

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Preprocessing":
        """Read what a user or `to_json` wrote; `mean` and `scale` may be single numbers.

        Raises:
            SamplesError: an unknown or missing field, or a value that means nothing.
        """
        known = [field.name for field in fields(cls)]
        if not isinstance(value, Mapping) or set(value) - set(known):
            raise SamplesError(f"preprocessing: {value!r} must have only the fields {known}")
        if not {"width", "height"} <= set(value):
            raise SamplesError("preprocessing: width and height are needed")
        given = dict(value)
        for name in ("mean", "scale"):
            if name in given:
                numbers = given[name] if isinstance(given[name], list | tuple) else [given[name]]
                try:
                    given[name] = tuple(float(number) for number in numbers)
                except (TypeError, ValueError):
                    raise SamplesError(
                        f"preprocessing: {name} is {given[name]!r}, must be numbers"
                    ) from None
        return cls(**given)

    def apply(self, image: "Image.Image") -> Array:
        """Turn an image into an input of batch 1: float32, or uint8 if mean is 0 and scale 1."""
        image = image.convert("L" if self.color == "GRAY" else "RGB")
        pixels = np.asarray(self._resize(image))
        if self.color == "GRAY":
            pixels = pixels[:, :, None]
        elif self.color == "BGR":
            pixels = pixels[:, :, ::-1]
        if self.mean != (0.0,) * len(self.mean) or self.scale != (1.0,) * len(self.scale):
            values = pixels.astype(np.float32) - np.asarray(self.mean, np.float32)
            pixels = values * np.asarray(self.scale, np.float32)
        if self.layout == "NCHW":
            pixels = pixels.transpose(2, 0, 1)
        return np.ascontiguousarray(pixels[None])

    def _resize(self, image: "Image.Image") -> "Image.Image":
        from PIL.Image import Resampling

        size = (self.width, self.height)
        if self.fit == "stretch":
            return image.resize(size, Resampling.BILINEAR)
        ratio = max(self.width / image.width, self.height / image.height)
        wide = max(self.width, round(image.width * ratio))
        high = max(self.height, round(image.height * ratio))
        if wide * high > _MAX_PIXELS:
            raise SamplesError(f"an image of {image.size} is too long to be cropped to {size}")
        left, top = (wide - self.width) // 2, (high - self.height) // 2
        box = (left, top, left + self.width, top + self.height)
        return image.resize((wide, high), Resampling.BILINEAR).crop(box)


def read_images(
    folder: Path, ports: Sequence[Port], preprocessing: Preprocessing | None
) -> Iterator[tuple[str, Mapping[str, Array]]]:
    """Read a folder's images in the order of their names, one feed each.

    Raises:
        SamplesError: no preprocessing, a model with several inputs, or a file that is no image.
    """
    if len(ports) != 1:
        raise SamplesError(
            f"{folder}: a folder of images feeds one input; this model has {len(ports)}"
        )
    if preprocessing is None:
        raise SamplesError(
            f"{folder}: images need a declared preprocessing, such as "
            '{"width": 224, "height": 224, "layout": "NCHW", "color": "RGB", '
            '"mean": [123.7, 116.3, 103.5], "scale": [0.0171, 0.0175, 0.0174]} '
            f"(value = (pixel - mean) * scale); the model takes {list(ports[0].shape)}"
        )
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    return _read(files, ports[0], preprocessing)


def _read(
    files: Sequence[Path], port: Port, preprocessing: Preprocessing
) -> Iterator[tuple[str, Mapping[str, Array]]]:
    from PIL import Image, UnidentifiedImageError

    for path in files:
        try:
            with warnings.catch_warnings():
                # Our own limit on pixels is checked before anything is decoded.
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                with Image.open(path) as image:
                    if image.width * image.height > _MAX_PIXELS:
                        raise SamplesError(f"{path.name} has {image.size} pixels, too many")
                    value = preprocessing.apply(image)
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
            what = "is not an image" if isinstance(error, UnidentifiedImageError) else f"{error}"
            raise SamplesError(f"{path.name} cannot be read: {what}; mend or remove it") from error
        if value.dtype == np.uint8 and port.dtype != "uint8":
            value = value.astype(np.float32)
        yield path.name, {port.name: value}
