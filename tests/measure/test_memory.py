"""Memory: more weights, more growth."""

import mmap
from pathlib import Path

import numpy as np
import onnx
import pytest

from lissom.errors import MeasurementError
from lissom.measure import memory
from lissom.measure.memory import peak_memory
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny


def test_growth_follows_the_weights(tmp_path: Path) -> None:
    store, grown = Store(tmp_path / "store"), {}
    for width in (16, 3000):
        path = tmp_path / f"{width}.onnx"
        made = tiny.mlp(sizes=(16, width, width, 4))
        onnx.save(made, path)
        grown[width] = peak_memory(path, tiny.feeds(made), Target(), store)
    weights_bytes = 3000 * 3000 * 4
    assert grown[3000] - grown[16] > 0.8 * weights_bytes
    assert grown[16] < weights_bytes
    with pytest.raises(MeasurementError, match="failed in a run"):
        peak_memory(path, {"x": np.zeros((1, 3), np.float32)}, Target(), store)


def test_a_process_knows_its_own_use() -> None:
    memory._forget_peak()
    before = memory._resident_bytes()
    size = 32 << 20
    with mmap.mmap(-1, size) as fresh:  # an allocator may hand out pages that are resident already
        fresh.write(b"\1" * size)
        assert memory._peak_bytes() >= before + size // 2
