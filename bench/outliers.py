"""Networks that are hard to round: a small depthwise one, and trained ones with planted outliers.

What is planted changes weights, and never what a network computes.
"""

from pathlib import Path

import numpy as np

from bench import task
from lissom.graph.edit import Edit, InsertScale, ReplaceWeight
from lissom.graph.load import load
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.save import save
from lissom.graph.scaling.groups import Scalable, scalable
from lissom.measure.observe import shapes
from lissom.runtime.target import Target
from lissom.store.store import Store

__all__ = ["depthwise", "enlarged", "peaked", "scaled_apart"]

_IMAGES, _CALIBRATION, _TESTED = 19200, 512, 4000


def depthwise(cache: Path, *, clipped: bool = False) -> task.Task:
    """A depthwise separable network for Fashion-MNIST, trained in a few minutes if it is not there.

    Its labelled test images are the first 4000; calibration images are not among those trained on.

    Args:
        cache: where tasks are.
        clipped: every Relu is clipped at six, and channels of normalizations start apart.
    """
    folder = cache / ("fmnist_depthwise6" if clipped else "fmnist_depthwise")
    if not task.is_built(folder.name, cache):
        _train(folder, clipped=clipped)
    return task.load(folder.name, cache)


def _train(folder: Path, *, clipped: bool) -> None:
    import torch

    from bench import fashion, networks

    folder.mkdir(parents=True, exist_ok=True)
    images, labels = fashion.train()
    if clipped:
        torch.manual_seed(0)  # whatever was trained before
    model = networks.depthwise(clipped=clipped)
    if clipped:
        networks.start_apart(model)
    schedule = networks.Schedule(epochs=3, learning_rate=0.2)
    seen = fashion.normalized(images[:_IMAGES])
    networks.fit(model, seen, labels[:_IMAGES], schedule, print)
    axes = ({0: torch.export.Dim("batch")},)
    example = torch.zeros(2, 1, 28, 28)
    networks.export(model, (example,), folder / "model.onnx", ["input"], "output", axes)
    tested, truth = fashion.test()
    np.savez_compressed(
        folder / "data.npz",
        calibration=fashion.normalized(images[-_CALIBRATION:]),
        test=fashion.normalized(tested[:_TESTED]),
        labels=truth[:_TESTED],
    )


def scaled_apart(job: task.Task, out: Path, store: Path, *, span: float = 8.0) -> Path:
    """The same network with every channel that can be scaled scaled by a random factor."""
    model, found, held = _scalable(job, store)
    drawn = np.random.default_rng(0).uniform(-np.log(span), np.log(span), found.channels)
    return _scaled(model, found, np.append(np.exp(drawn), 1.0), out, held)


def peaked(
    job: task.Task, out: Path, store: Path, *, share: float = 0.02, factor: float = 8.0
) -> Path:
    """The same network; some channels of each group are read with weights larger by a factor.

    Args:
        job: whose network.
        out: where it is written.
        store: a folder for arrays.
        share: of each group's channels; one at least.
        factor: the channels are smaller by it.
    """
    model, found, held = _scalable(job, store)
    rng = np.random.default_rng(0)
    factors = np.ones(found.channels + 1)
    for group in found.groups:
        count = max(1, round(share * len(group.channels)))
        factors[rng.choice(group.channels, count, replace=False)] = 1 / factor
    return _scaled(model, found, factors, out, held)


def _scalable(job: task.Task, store: Path) -> tuple[Model, Scalable, Store]:
    held = Store(store)
    model = load(job.model, held)
    return model, scalable(model, shapes(model, job.latency, Target(), held)), held


def _scaled(model: Model, found: Scalable, factors: np.ndarray, out: Path, held: Store) -> Path:
    edits = [
        ReplaceWeight(
            weight=name, values=held.put_array(found.scaled(name, factors).astype(np.float32))
        )
        for name in found.by_weight
    ]
    save(perform(model, edits, held), out, metadata={})
    return out


def enlarged(
    job: task.Task, out: Path, store: Path, *, channels: int = 4, factor: float = 50.0
) -> Path:
    """The same network, some channels of whose normalizations are larger by a factor.

    A product that reads them gets smaller rows, any other reader a multiplication.
    """
    held = Store(store)
    model = load(job.model, held)
    rng = np.random.default_rng(0)
    edits: list[Edit] = []
    ends = {port.name for port in model.outputs}
    for node in model.nodes:
        if node.op_type != "LayerNormalization" or node.outputs[0] in ends:
            continue
        readers = model.consumers[node.outputs[0]]
        products = [name for name in readers if model.node(name).op_type == "MatMul"]
        if not products:
            continue
        scale = np.ones(model.weights[node.inputs[1]].shape[0], np.float32)
        scale[rng.choice(scale.size, channels, replace=False)] = factor
        edits += [_times(model, name, scale, held) for name in node.inputs[1:3]]
        for name in products:
            edits.append(_times(model, model.node(name).inputs[1], 1 / scale[:, None], held))
        others = tuple(name for name in readers if name not in products)
        if others:
            edits.append(InsertScale(value=node.outputs[0], consumers=others,
                                     scale=held.put_array(1 / scale)))  # fmt: skip
    save(perform(model, edits, held), out, metadata={})
    return out


def _times(model: Model, weight: str, scale: np.ndarray, store: Store) -> ReplaceWeight:
    array = (model.weight(weight) * scale).astype(np.float32)
    return ReplaceWeight(weight=weight, values=store.put_array(array))
