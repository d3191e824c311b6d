"""The four tasks as seen by what measures them: inputs, a labelled test set, a metric.

Each task is a folder `CACHE/NAME` with `model.onnx` and `data.npz`, made by `bench.build`.
The labels are for the final score only: never for calibration, choice or tuning.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import ragged

Feed = dict[str, np.ndarray]
Outputs = Sequence[np.ndarray]
Scores = dict[str, float]

NAMES = ("fmnist_resnet", "fmnist_vgg", "minilm", "ocr_rec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A model with what is needed to compress and to judge it.

    Attributes:
        metric: the name of the metric that is judged, a key of what `score` answers.
        calibration: unlabelled feeds, disjoint from the test set.
        test: feeds; `score` takes the outputs of all of them in this order.
        latency: one feed of batch 1 whose latency is measured.
    """

    name: str
    model: Path
    metric: str
    calibration: list[Feed]
    test: list[Feed]
    latency: Feed
    score: Callable[[Sequence[Outputs]], Scores]


def load(name: str, cache: Path) -> Task:
    """Read a task that has been built.

    Raises:
        FileNotFoundError: it has not.
    """
    folder = cache / name
    with np.load(folder / "data.npz") as file:
        data = dict(file)
    readers = {"minilm": _retrieval, "ocr_rec": _lines}
    return readers.get(name, _classes)(name, folder / "model.onnx", data)


def is_built(name: str, cache: Path) -> bool:
    """True if the task's two files are in the cache."""
    return all((cache / name / file).exists() for file in ("model.onnx", "data.npz"))


# --- images to classes ---
def _classes(name: str, model: Path, data: dict[str, np.ndarray]) -> Task:
    images, labels, step = data["test"], data["labels"], 100

    def score(outputs: Sequence[Outputs]) -> Scores:
        scores = np.concatenate([out[0] for out in outputs])
        return {"top1": float((scores.argmax(1) == labels).mean())}

    return Task(
        name=name,
        model=model,
        metric="top1",
        calibration=[{"input": image[None]} for image in data["calibration"]],
        test=[{"input": images[at : at + step]} for at in range(0, len(images), step)],
        latency={"input": images[:1]},
        score=score,
    )


# --- short texts to long texts ---
def tokens_feed(rows: Sequence[np.ndarray]) -> Feed:
    """Token rows of different lengths as one padded feed with its mask."""
    width = max(map(len, rows))
    ids = np.zeros((len(rows), width), np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def _retrieval(name: str, model: Path, data: dict[str, np.ndarray]) -> Task:
    tokens, step = ragged.unpacked("tokens", data), 16
    order = np.argsort([len(row) for row in tokens], kind="stable")
    batches = [order[at : at + step] for at in range(0, len(order), step)]

    def score(outputs: Sequence[Outputs]) -> Scores:
        sorted_rows = np.concatenate([out[0] for out in outputs])
        rows = np.empty_like(sorted_rows)
        rows[order] = sorted_rows
        return recall(rows)

    return Task(
        name=name,
        model=model,
        metric="recall1",
        calibration=[tokens_feed([row]) for row in ragged.unpacked("calibration", data)],
        test=[tokens_feed([tokens[row] for row in batch]) for batch in batches],
        latency=tokens_feed([data["latency"]]),
        score=score,
    )


def recall(embeddings: np.ndarray) -> Scores:
    """How often each of the first half's rows has its partner in the second half nearest.

    Args:
        embeddings: [2 n, width]; row i belongs to row n + i.
    """
    count = len(embeddings) // 2
    likeness = embeddings[:count] @ embeddings[count:].T
    rank = (likeness > np.diag(likeness)[:, None]).sum(1)
    return {"recall1": float((rank == 0).mean()), "recall5": float((rank < 5).mean())}


# --- pictures of text to text ---
def _lines(name: str, model: Path, data: dict[str, np.ndarray]) -> Task:
    texts, alphabet = [str(t) for t in data["texts"]], [str(c) for c in data["alphabet"]]
    key = str(data["input"])

    def feeds(part: str) -> list[Feed]:
        columns = ragged.unpacked(part, data)  # each [width, 3, 48]
        return [{key: np.ascontiguousarray(c.transpose(1, 2, 0))[None]} for c in columns]

    def score(outputs: Sequence[Outputs]) -> Scores:
        read = [ctc_text(out[0][0], alphabet) for out in outputs]
        return {"line_accuracy": float(np.mean([r == t for r, t in zip(read, texts, strict=True)]))}

    test = feeds("test")
    return Task(
        name=name,
        model=model,
        metric="line_accuracy",
        calibration=feeds("calibration"),
        test=test,
        latency={key: test[0][key][..., :320].copy()},
        score=score,
    )


def ctc_text(probabilities: np.ndarray, alphabet: Sequence[str]) -> str:
    """The text of [steps, symbols]: best symbol a step, repeats merged, blanks (0) dropped."""
    best = probabilities.argmax(1)
    fresh = np.concatenate([[True], best[1:] != best[:-1]])
    return "".join(alphabet[symbol] for symbol in best[fresh & (best != 0)])
