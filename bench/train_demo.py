"""Make the demonstration's files: train the network, write it and its samples.

    python -m bench.train_demo [--out src/lissom/demo]

Needs torch, onnx, onnxscript, and Debian's `dataset-fashion-mnist`; about five minutes on one
core. The network never sees the 10000 test images; the samples are taken from these.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from bench import fashion, networks

LABELLED = 2500
UNLABELLED = 800
_SCHEDULE = networks.Schedule(epochs=5, learning_rate=0.15)


def main() -> None:
    """Train, export, write the two sample files, and say how good the network is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("src") / "lissom" / "demo")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    images, labels = (a.copy() for a in fashion.train())
    test_images, test_labels = (a.copy() for a in fashion.test())
    started = time.monotonic()
    torch.set_num_threads(1)  # two threads crawl where another process has a core
    torch.manual_seed(_SCHEDULE.seed)
    model = networks.demo()
    networks.fit(model, images[:, None], labels, _SCHEDULE, print)
    score = networks.accuracy(model, test_images[:, None], test_labels)
    print(f"top-1 on the 10000 test images: {score:.4f}; {time.monotonic() - started:.0f} s")
    batch = {0: torch.export.Dim("batch")}
    example = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    networks.export(model, (example,), out / "model.onnx", ["image"], "logits", (batch,))
    np.savez_compressed(
        out / "samples.npz",
        image=test_images[:LABELLED, None],
        label=test_labels[:LABELLED].astype(np.int64),
    )
    rest = test_images[LABELLED : LABELLED + UNLABELLED, None]
    np.savez_compressed(out / "unlabelled.npz", image=rest)
    for name in ("model.onnx", "samples.npz", "unlabelled.npz"):
        print(f"{name}: {(out / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
