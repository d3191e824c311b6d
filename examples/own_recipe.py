"""Try one recipe of your own, then rebuild its model from the recipe that the run wrote."""

import tempfile
from pathlib import Path

import lissom
from lissom.demo.files import paths

RECIPE = """
lissom: 1
name: careful-int8
steps:
  - method: quantize.static
    parameters: {ranges: percentile, percentile: 99.9}
    exclude: [Gemm]
"""


def main() -> None:
    """Run the recipe, show what it gave, build it again."""
    files = paths()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = lissom.compress(
            files.model,
            files.samples,
            out=folder / "out",
            settings=lissom.Settings(recipe=lissom.Recipe.from_yaml(RECIPE)),
        )
        print(*result.choice.reasons, sep="\n")
        again = lissom.apply(
            folder / "out" / "recipe.yaml", files.model, files.samples, out=folder / "again.onnx"
        )
        print(f"rebuilt: {again.stat().st_size} bytes")


if __name__ == "__main__":
    main()
