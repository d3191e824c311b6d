"""Small Transformers architectures with random weights, written as ONNX by PyTorch.

    pip install -r bench/requirements-exported.txt
    python -m bench.exported [--out DIR] [--only NAME ...] [--again]

It runs in an environment of its own. `NAME.onnx` has fixed shapes; `NAME-dynamic.onnx` a batch and
a length that are free; `NAME-torchscript.onnx` the same from the older exporter. Beside each lies
a feed, `.npz`, and for the free ones a second of other sizes, `.other.npz`. Every parameter gets
some seeded noise first, since equal numbers (zero biases, scales of one) hide mistakes. What could
not be exported is written to `failed.json` with its reason; `families.json` says what each is for.
"""

import argparse
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from bench.transformers_small import CATALOGUE, FEEDS, Entry

OPSET = 18
NOISE = 0.05
SIZES, OTHER = (2, 12, 64), (3, 16, 64)  # batch, length, height and width
Feed = dict[str, torch.Tensor]


class Wrapped(torch.nn.Module):
    """One tensor in place of a dictionary of outputs; inputs by place."""

    def __init__(self, network: torch.nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.names = tuple(names)

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        answer = self.network(**dict(zip(self.names, given, strict=True)), return_dict=True)
        for name in ("logits", "logits_per_image", "last_hidden_state"):
            if name in answer:
                found: torch.Tensor = answer[name]
                return found
        first: torch.Tensor = answer[0]
        return first


def main() -> None:
    """Export what is not there yet."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.exported",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path("build") / "bench" / "exported")
    parser.add_argument("--only", nargs="*", default=(), help="names of architectures")
    parser.add_argument("--again", action="store_true", help="also what is there already")
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    given.out.mkdir(parents=True, exist_ok=True)
    families = {name: entry.family for name, entry in CATALOGUE.items()}
    (given.out / "families.json").write_text(json.dumps(families, indent=1) + "\n")
    said = given.out / "failed.json"
    failed: dict[str, str] = json.loads(said.read_text()) if said.exists() else {}
    for name, entry in CATALOGUE.items():
        if given.only and name not in given.only:
            continue
        for variant in ("", *entry.variants):
            full = f"{name}-{variant}" if variant else name
            path = given.out / f"{full}.onnx"
            if path.exists() and not given.again:
                continue
            failed.pop(full, None)
            try:
                export(entry, variant, path)
            except Exception as error:  # noqa: BLE001 - an exporter fails in any way: it is noted
                path.unlink(missing_ok=True)
                failed[full] = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:160]}"
            print(full, failed.get(full, "exported"), flush=True)
            said.write_text(json.dumps(failed, indent=1, sort_keys=True) + "\n")


def export(entry: Entry, variant: str, path: Path) -> None:
    """Write one network, and its feeds beside it."""
    torch.manual_seed(0)
    network = entry.made()
    if hasattr(network, "set_attn_implementation"):
        network.set_attn_implementation("eager")
    disturb(network)
    feed = FEEDS(entry.feed, *SIZES)
    wrapped = Wrapped(network, tuple(feed))
    with torch.no_grad():
        if variant == "torchscript":
            with_torchscript(wrapped, feed, path)
        else:
            with_dynamo(wrapped, feed, path, dynamic=variant == "dynamic")
    save(feed, path.with_suffix(".npz"))
    if variant:
        save(FEEDS(entry.feed, *OTHER), path.with_suffix(".other.npz"))


def disturb(network: torch.nn.Module) -> None:
    """Add seeded noise to every parameter and every running statistic."""
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in network.parameters():
            tensor += NOISE * torch.randn(tensor.shape, generator=source)
        for name, tensor in network.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                tensor += NOISE * torch.rand(tensor.shape, generator=source)


def free_axes(name: str, tensor: torch.Tensor) -> tuple[int, ...]:
    """Batch, and the length of tokens and waves."""
    return (0, 1) if tensor.dim() == 2 else (0,)


def with_dynamo(wrapped: Wrapped, feed: Feed, path: Path, *, dynamic: bool) -> None:
    names = list(feed)
    free = tuple(
        dict.fromkeys(free_axes(name, tensor), torch.export.Dim.AUTO)
        for name, tensor in feed.items()
    )
    program = torch.onnx.export(
        wrapped,
        tuple(feed.values()),
        dynamo=True,
        input_names=names,
        output_names=["out"],
        opset_version=OPSET,
        verbose=False,
        dynamic_shapes=(free,) if dynamic else None,
    )
    if program is None:
        raise RuntimeError("the exporter gave nothing")
    program.save(str(path))


def with_torchscript(wrapped: Wrapped, feed: Feed, path: Path) -> None:
    free = {
        name: {axis: f"{name}_{axis}" for axis in free_axes(name, tensor)}
        for name, tensor in feed.items()
    }
    torch.onnx.export(
        wrapped,
        tuple(feed.values()),
        str(path),
        dynamo=False,
        input_names=list(feed),
        output_names=["out"],
        opset_version=17,
        dynamic_axes={**free, "out": {0: "out_0"}},
    )


def save(feed: Mapping[str, torch.Tensor], path: Path) -> None:
    np.savez(path, **{name: tensor.numpy() for name, tensor in feed.items()})


if __name__ == "__main__":
    main()
