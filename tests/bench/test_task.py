"""The benchmark's scoring, on answers small enough to check by hand."""

import numpy as np
import pytest

from bench import ragged, task


def test_ragged_rows_come_back(tmp_path):
    rows = [np.arange(n, dtype=np.int64) for n in (3, 1, 4)]
    np.savez(tmp_path / "data.npz", **ragged.packed("tokens", rows))
    with np.load(tmp_path / "data.npz") as data:
        back = ragged.unpacked("tokens", dict(data))
    assert [row.tolist() for row in back] == [row.tolist() for row in rows]


def test_ctc_text_merges_repeats_and_drops_blanks():
    symbols = [1, 1, 0, 1, 2, 2, 0]
    probabilities = np.eye(3)[symbols]
    assert task.ctc_text(probabilities, ["blank", "a", "b"]) == "aab"


def test_recall_counts_nearest_partners():
    short = np.eye(3)
    long = np.eye(3)[[0, 2, 1]]  # the second and third are swapped
    assert task.recall(np.concatenate([short, long])) == {
        "recall1": pytest.approx(1 / 3),
        "recall5": 1.0,
    }


def test_tokens_are_padded_and_masked():
    feed = task.tokens_feed([np.array([5, 6, 7]), np.array([8])])
    assert feed["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert feed["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_classes_are_scored(tmp_path):
    folder = tmp_path / "fmnist_vgg"
    folder.mkdir()
    images = np.zeros((250, 1, 2, 2), np.float32)
    np.savez(
        folder / "data.npz", calibration=images[:3], test=images, labels=np.ones(250, np.int64)
    )
    (folder / "model.onnx").touch()
    assert task.is_built("fmnist_vgg", tmp_path)
    job = task.load("fmnist_vgg", tmp_path)
    answers = [[np.tile([0.0, 1.0], (len(feed["input"]), 1))] for feed in job.test]
    answers[0][0][:] = [1.0, 0.0]  # the first hundred are wrong
    assert job.score(answers) == {"top1": 0.6}
    assert len(job.calibration) == 3
