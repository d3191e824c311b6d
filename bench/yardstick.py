"""What an expert gets from `onnxruntime.quantization` on the same machine: our yardstick.

Static: QDQ, uint8 activations and int8 weights per channel, min-max ranges, after the library's own
preprocessing. Dynamic: per tensor and per channel. Old models are first raised to opset 17 by
hand. Each file is made once and kept in the cache; what failed is said, not hidden.
"""

import contextlib
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
from onnx import version_converter
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from bench.task import Feed, Task

_LEAST_OPSET = 13  # per-channel QuantizeLinear
_RAISED_OPSET = 17
_MOST_FEEDS = {"ocr_rec": 100}  # its activations are large, and all of them are kept in memory


class Reader(CalibrationDataReader):
    """Feeds one by one, as the library asks for them."""

    def __init__(self, feeds: list[Feed]) -> None:
        """Read from the first feed on."""
        self._feeds: Iterator[Feed] = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def made(task: Task) -> tuple[dict[str, Path], dict[str, str]]:
    """The yardsticks of a task, and the reasons of those that could not be made."""
    folder = task.model.parent / "yardstick"
    folder.mkdir(exist_ok=True)
    good: dict[str, Path] = {}
    bad: dict[str, str] = {}
    for name, make in RECIPES.items():
        path, failure = folder / f"{name}.onnx", folder / f"{name}.failed.json"
        if not path.exists() and not failure.exists():
            try:
                with contextlib.redirect_stdout(io.StringIO()), _quiet():
                    make(task, _prepared(task), path)
            except Exception as error:  # noqa: BLE001 - another tool's failure is a result
                path.unlink(missing_ok=True)
                failure.write_text(json.dumps(f"{type(error).__name__}: {error}"[:300]))
        if path.exists():
            good[name] = path
        else:
            bad[name] = json.loads(failure.read_text())
    return good, bad


def _static(task: Task, source: Path, out: Path) -> None:
    most = _MOST_FEEDS.get(task.name, 300)
    quantize_static(
        source,
        out,
        Reader(task.calibration[:most]),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )


def _dynamic(task: Task, source: Path, out: Path) -> None:
    quantize_dynamic(source, out)


def _dynamic_per_channel(task: Task, source: Path, out: Path) -> None:
    quantize_dynamic(source, out, per_channel=True)


RECIPES: dict[str, Callable[[Task, Path, Path], None]] = {
    "ort_static_u8s8": _static,
    "ort_dynamic": _dynamic,
    "ort_dynamic_per_channel": _dynamic_per_channel,
}


def _prepared(task: Task) -> Path:
    """The model after the library's own preprocessing, which its documentation asks for."""
    out = task.model.parent / "yardstick" / "prepared.onnx"
    if out.exists():
        return out
    source = task.model
    model = onnx.load(source)
    opset = next(o.version for o in model.opset_import if o.domain in {"", "ai.onnx"})
    if opset < _LEAST_OPSET:
        source = out.with_name("raised.onnx")
        onnx.save(version_converter.convert_version(model, _RAISED_OPSET), source)
    try:
        quant_pre_process(str(source), str(out))
    except Exception:  # noqa: BLE001 - its symbolic shape inference gives up on some models
        quant_pre_process(str(source), str(out), skip_symbolic_shape=True)
    return out


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
