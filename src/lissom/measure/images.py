"""A folder of images as samples, by a declared preprocessing.

What a network was trained on (size, order of colours, mean, scale) cannot be seen in its file, so
it is never guessed: a wrong guess would calibrate and judge the network on inputs that it never
meets. The declaration is data, and goes into the recipe.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lissom.errors import ChildFailed, SamplesError
from lissom.graph.model import Port
from lissom.isolate.child import ChildLimits, call, limit_processor_time, report
from lissom.measure.entries import confined, opened
from lissom.store.hashing import Json
from lissom.store.store import Store

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "IMAGE_SUFFIXES",
    "Preprocessing",
    "decode",
    "decoded_once",
    "read_images",
]

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Files of a folder that are read as images."""

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_MAX_PIXELS = 100_000_000
_AT_ONCE = 500  # images that one child decodes at most
_SECONDS = 8.0  # of processor time for one image
_MEMORY_BYTES = 900 << 20
_WRITTEN_BYTES = 256 << 20  # after which one child is enough
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
    folder: Path, ports: Sequence[Port], preprocessing: Preprocessing | None, scratch: Path
) -> Iterator[tuple[str, Mapping[str, Array]]]:
    """Read a folder's images in the order of their names, one feed each.

    They are decoded in child processes: decoders are written in C, and the files are a stranger's.

    Args:
        folder: where the images are.
        ports: the model's one input.
        preprocessing: how an image becomes an input.
        scratch: a private folder for what was decoded.

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
    return _read(_images(folder), ports[0], preprocessing, scratch)


def _images(folder: Path) -> list[Path]:
    return confined(folder, (p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES))


def decoded_once(
    folder: Path, store: Store, given: Mapping[str, Json], decode: Callable[[], Json]
) -> Json:
    """Decode a folder of images, or answer what it came to before: the same bytes, the same way.

    Args:
        folder: where the images are.
        store: where the answer is kept.
        given: all else that the answer depends on.
        decode: answers JSON that names what it put into the store.

    Raises:
        SamplesError: an image cannot be read, leads out of the folder, or changed meanwhile.
    """
    images = _fingerprints(folder)

    def compute() -> Json:
        made = decode()
        if _fingerprints(folder) != images:
            raise SamplesError(f"{folder} changed while it was read; try again")
        return made

    decoder = f"pillow {version('pillow')}"  # another one may give other pixels
    return store.remember("samples of images", {"images": images, "by": decoder, **given}, compute)


def _fingerprints(folder: Path) -> list[list[str]]:
    """Name and SHA-256 of each image, in the order in which they are read."""
    found = []
    for path in _images(folder):
        with opened(path, follow=False) as stream:
            found.append([path.name, hashlib.file_digest(stream, "sha256").hexdigest()])
    return found


def _read(
    files: Sequence[Path], port: Port, preprocessing: Preprocessing, scratch: Path
) -> Iterator[tuple[str, Mapping[str, Array]]]:
    done = 0
    while done < len(files):
        some = files[done : done + _AT_ONCE]
        for number in range(_decoded(some, preprocessing, scratch)):
            made = scratch / f"image{number}.npy"
            value = np.load(made, allow_pickle=False)
            made.unlink()
            if value.dtype == np.uint8 and port.dtype != "uint8":
                value = value.astype(np.float32)
            yield some[number].name, {port.name: value}
            done += 1


def _decoded(files: Sequence[Path], preprocessing: Preprocessing, scratch: Path) -> int:
    """Decode the first of these files, at least one, in a child; answers how many."""
    for path in files:
        if not path.is_file():
            raise SamplesError(f"{path.name} is not a regular file; remove it")
    current = 0

    def started(number: int) -> None:
        nonlocal current
        current = number

    arguments = {
        "files": [str(path.absolute()) for path in files],
        "preprocessing": preprocessing.to_json(),
        "folder": str(scratch.absolute()),
    }
    limits = ChildLimits(seconds=60.0 + 10 * len(files), memory_bytes=_MEMORY_BYTES)
    try:
        count: int = call(
            "lissom.measure.images:decode", arguments, limits=limits, on_report=started
        )
    except ChildFailed as failure:
        raise SamplesError(
            f"{files[current].name} cannot be read safely: {failure}; mend or remove it"
        ) from failure
    return count


def decode(files: list[str], preprocessing: Mapping[str, Json], folder: str) -> int:
    """In a child: decode images one by one into `folder`, until they are some hundred megabytes.

    Returns:
        How many of the files were decoded.

    Raises:
        SamplesError: a file is no image, or a bomb.
    """
    how = Preprocessing.from_json(preprocessing)
    written = 0
    for number, name in enumerate(files):
        report(number)
        limit_processor_time(_SECONDS)
        value = _open(Path(name), how)
        np.save(Path(folder) / f"image{number}.npy", value, allow_pickle=False)
        written += value.nbytes
        if written > _WRITTEN_BYTES:
            return number + 1
    return len(files)


def _open(path: Path, preprocessing: Preprocessing) -> Array:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Our own limit on pixels is checked before anything is decoded.
            warnings.simplefilter("ignore")
            # Without the list an image's content chooses among all decoders, and some of them
            # call other programs.
            with (
                opened(path, follow=False) as stream,
                Image.open(stream, formats=_FORMATS) as image,
            ):
                if image.width * image.height > _MAX_PIXELS:
                    raise SamplesError(f"{path.name} has {image.size} pixels, too many")
                return preprocessing.apply(image)
    except UnidentifiedImageError as error:
        kinds = ", ".join(_FORMATS)
        raise SamplesError(f"{path.name} cannot be read: it is not an image ({kinds})") from error
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise SamplesError(f"{path.name} cannot be read: {error}; mend or remove it") from error
