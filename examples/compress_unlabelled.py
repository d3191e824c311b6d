"""Compress a network with unlabelled inputs, then look at what the labels would have said."""

import tempfile
from pathlib import Path

import lissom
from lissom.demo.files import paths


def main() -> None:
    """Choose without labels; compare with labels."""
    files = paths()
    with tempfile.TemporaryDirectory() as folder:
        result = lissom.compress(
            files.model,
            files.unlabelled,
            limits=lissom.Limits(max_drop=0.01),
            judge=lissom.Judge(original_quality=0.929),
            out=Path(folder) / "out",
        )
        print(*result.choice.reasons, sep="\n")
        found = lissom.compare(files.model, Path(folder) / "out" / "model.onnx", files.samples)
        low, high = found.timing.speedup_interval
        print(f"speedup {found.timing.speedup:.2f} ({low:.2f} to {high:.2f})")
        if found.quality:
            print(found.quality.meaning)


if __name__ == "__main__":
    main()
