"""Which samples a run had: noted, read again, and left out."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lissom.errors import OutputError, SamplesError
from lissom.graph.model import Port
from lissom.measure.judge import Judge
from lissom.measure.samples import Samples
from lissom.search.used import FILE, fresh_samples, read_used, used_samples
from lissom.store.store import Store

PORT = Port(name="x", dtype="float32", shape=("batch", 4))
X = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
KNOWN = Judge(original_quality=0.9)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def opened(store: Store, x: Any, **more: Any) -> Samples:
    return Samples.open({"x": x, **more}, (PORT,), store)


def origin(folder: Path, samples: Samples, *, noted: bool = True) -> Any:
    if noted:
        (folder / FILE).write_bytes(used_samples(samples))
    return SimpleNamespace(folder=folder, fingerprint=samples.fingerprint)


def test_every_part_is_known_again(tmp_path: Path, store: Store) -> None:
    samples = opened(store, X[:80])
    (tmp_path / FILE).write_bytes(used_samples(samples))
    used = read_used(tmp_path / FILE)
    assert used is not None
    keys = opened(store, X).keys()
    assert used.known(keys) == [True] * 80 + [False] * 40
    kept = {i for i, it in enumerate(used.known(keys, "certification")) if it}
    assert kept == set(samples.part("certification").indices)
    assert read_used(tmp_path / "absent.json") is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "nothing", "[" * 100_000, '{"format": 9}', '{"format": 1, "bytes": 6, "parts": 3}',
     '{"format": 1, "bytes": 6, "parts": {"calibration": "zz"}}', '{"format": 9, "bytes": 6}'],
)  # fmt: skip
def test_a_damaged_note_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(OutputError, match="remove it"):
        read_used(tmp_path / FILE)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text(json.dumps({"format": 1}))
    (tmp_path / FILE).symlink_to(tmp_path / "other")
    with pytest.raises(OutputError, match="cannot be read"):
        read_used(tmp_path / FILE)


def test_new_samples_all_certify_and_old_ones_are_left_out(tmp_path: Path, store: Store) -> None:
    run = origin(tmp_path, opened(store, X[:50]))
    fresh = fresh_samples(opened(store, X), Judge(), run)
    assert set(fresh.part.indices) == set(range(50, 120))
    assert (fresh.left_out, fresh.fitted, fresh.share) == (50, None, 1.0)
    assert "50 of 120 samples were left out" in fresh.notes[0]
    unknown = fresh_samples(opened(store, X), Judge(), None)
    assert (len(unknown.part), unknown.left_out, unknown.notes) == (120, 0, ())


def test_a_known_quality_keeps_some_to_be_fitted_on(tmp_path: Path, store: Store) -> None:
    run = origin(tmp_path, opened(store, X[:50]))
    fresh = fresh_samples(opened(store, X), KNOWN, run)
    assert fresh.fitted is not None
    assert not set(fresh.part.indices) & set(fresh.fitted.indices)
    assert set(fresh.part.indices) | set(fresh.fitted.indices) == set(range(50, 120))
    assert fresh.share == pytest.approx(0.7)
    assert "fitted to its known quality" in fresh.notes[-1]
    labelled = opened(store, X, label=np.zeros(120, np.int64))
    assert fresh_samples(labelled, KNOWN, run).fitted is None


@pytest.mark.parametrize("noted", [True, False])
def test_of_the_run_s_own_samples_only_those_kept_for_it_certify(
    tmp_path: Path, store: Store, noted: bool
) -> None:
    samples = opened(store, X)
    run = origin(tmp_path, samples, noted=noted)
    fresh = fresh_samples(samples, KNOWN, run)
    assert set(fresh.part.indices) == set(samples.part("certification").indices)
    assert fresh.fitted is not None
    assert fresh.left_out == 120 - len(fresh.part)
    assert "nothing new" in fresh.notes[0]


def test_where_nothing_is_left_it_is_said(tmp_path: Path, store: Store) -> None:
    samples = opened(store, X)
    run = origin(tmp_path, samples)
    old = opened(store, X[list(samples.part("calibration").indices)])
    with pytest.raises(SamplesError, match="give new"):
        fresh_samples(old, Judge(), run)
