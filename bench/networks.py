"""The Fashion-MNIST networks of this project in PyTorch: built, trained, exported.

Only for building: nothing that measures imports torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

_BATCH = 128
_SHIFT = 2  # pixels of random shift in each direction


def _conv(
    inputs: int, outputs: int, stride: int = 1, relu: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), relu()
    )


class Residual(nn.Module):
    """Two 3 x 3 convolutions around a shortcut (He et al., arXiv:1512.03385, fig. 2)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        """A projection stands in for the identity where the shape changes."""
        super().__init__()
        self.first = _conv(inputs, outputs, stride)
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


class Scaled(nn.Module):
    """A network that takes pixels 0..255 and normalizes them itself."""

    def __init__(self, body: nn.Module) -> None:
        """Wrap `body`, which takes the normalized image."""
        super().__init__()
        self.body = body

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.body((image.to(torch.float32) - 72.94) / 90.02)


def demo() -> nn.Module:
    """0.47 M parameters: plain and residual stages, for `lissom demo`."""
    return Scaled(
        nn.Sequential(
            _conv(1, 32),
            _conv(32, 32),
            nn.MaxPool2d(2),
            _conv(32, 64),
            Residual(64, 64),
            nn.MaxPool2d(2),
            _conv(64, 128),
            Residual(128, 128),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(128, 10),
        )
    )


def resnet() -> nn.Module:
    """0.27 M parameters: ResNet-20 with widths 16, 32, 64."""
    layers: list[nn.Module] = [_conv(1, 16)]
    inputs = 16
    for outputs, stride in ((16, 1), (32, 2), (64, 2)):
        for place in range(3):
            layers.append(Residual(inputs, outputs, stride if place == 0 else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def vgg() -> nn.Module:
    """2.1 M parameters: six convolutions and two wide linear layers, more than the task needs."""
    layers: list[nn.Module] = []
    inputs = 1
    for outputs in (32, 96, 256):
        layers += [_conv(inputs, outputs), _conv(outputs, outputs), nn.MaxPool2d(2)]
        inputs = outputs
    head = [nn.Flatten(), nn.Linear(2304, 512), nn.ReLU(), nn.Dropout(0.3), nn.Linear(512, 10)]
    return nn.Sequential(*layers, *head)


def _separable(
    inputs: int, outputs: int, stride: int = 1, relu: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    """A depthwise and a pointwise convolution (Howard et al., arXiv:1704.04861, fig. 3)."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        relu(),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        relu(),
    )


def depthwise(*, clipped: bool = False) -> nn.Module:
    """0.03 M parameters: depthwise separable convolutions of widths 16 to 128.

    Args:
        clipped: every Relu is clipped at six, as in the networks for telephones.
    """
    relu = nn.ReLU6 if clipped else nn.ReLU
    layers: list[nn.Module] = [_conv(1, 16, 2, relu)]
    inputs = 16
    for outputs, stride in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        layers.append(_separable(inputs, outputs, stride, relu))
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


def start_apart(model: nn.Module, *, span: float = 16.0, seed: int = 0) -> None:
    """Let the channels of every normalization start with factors between 1 / span and 1.

    Training leaves them apart, as long training of large networks does.
    """
    drawn = torch.Generator().manual_seed(seed)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            shares = torch.rand(part.num_features, generator=drawn)
            part.weight.data = span**-shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long and how fast a network learns."""

    epochs: int
    learning_rate: float
    label_smoothing: float = 0.0
    seed: int = 0


def fit(
    model: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    schedule: Schedule,
    log: Callable[[str], None],
) -> None:
    """Train in place: one-cycle SGD in bfloat16, with random shifts and mirror images.

    Args:
        model: a classifier of ten classes.
        images: [n, 1, 28, 28], in the type and scale that the model takes.
        labels: [n].
        schedule: epochs, learning rate, smoothing, seed.
        log: receives one line an epoch.
    """
    torch.manual_seed(schedule.seed)
    shifts = np.random.default_rng(schedule.seed)
    pixels, truth = torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))
    padded = torch.nn.functional.pad(pixels, (_SHIFT,) * 4, value=pixels.min().item())
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(), schedule.learning_rate, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    steps = len(pixels) // _BATCH
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, schedule.learning_rate, total_steps=steps * schedule.epochs, pct_start=0.25
    )
    for epoch in range(schedule.epochs):
        model.train()
        order = torch.randperm(len(pixels))
        total = 0.0
        for step in range(steps):
            rows = order[step * _BATCH : (step + 1) * _BATCH]
            y, x = (int(v) for v in shifts.integers(0, 2 * _SHIFT + 1, 2))
            batch = padded[rows, :, y : y + 28, x : x + 28]
            mirror = torch.rand(len(rows)) < 0.5
            batch[mirror] = batch[mirror].flip(3)
            with torch.autocast("cpu", torch.bfloat16):
                scores = model(batch.contiguous(memory_format=torch.channels_last)).float()
            loss = torch.nn.functional.cross_entropy(
                scores, truth[rows], label_smoothing=schedule.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
            total += loss.item()
        log(f"epoch {epoch + 1}/{schedule.epochs}: loss {total / steps:.4f}")


def accuracy(model: nn.Module, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of images [n, ...] whose highest score is at their label [n]."""
    model.eval()
    truth = torch.from_numpy(labels.astype(np.int64))
    right = 0
    with torch.no_grad():
        for start in range(0, len(images), 250):
            scores = model(torch.from_numpy(images[start : start + 250]))
            right += int((scores.argmax(1) == truth[start : start + 250]).sum())
    return right / len(images)


def export(
    model: nn.Module,
    examples: tuple[torch.Tensor, ...],
    path: Path,
    inputs: list[str],
    output: str,
    axes: tuple[dict[int, torch.export.Dim], ...],
) -> None:
    """Write an ONNX file (opset 18, one file), free of the exporter's stack traces and paths."""
    import onnx

    model.to(memory_format=torch.contiguous_format).eval()
    torch.onnx.export(
        model,
        examples,
        str(path),
        input_names=inputs,
        output_names=[output],
        dynamic_shapes=axes,
        opset_version=18,
        external_data=False,
        dynamo=True,
        verbose=False,
    )
    written = onnx.load(str(path))
    for item in (*written.graph.node, *written.graph.value_info, *written.graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]
    for item in (*written.graph.input, *written.graph.output):
        item.doc_string = ""
        del item.metadata_props[:]
    del written.metadata_props[:]
    del written.graph.metadata_props[:]
    onnx.save(written, str(path))
