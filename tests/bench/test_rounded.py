"""The published section on rounded weights."""

import json
from pathlib import Path

from bench import rounded


def test_the_published_section(tmp_path: Path) -> None:
    assert rounded.sections(tmp_path) == []
    made = {"seconds": 1.0, "quality": 0.9, "size_ratio": 7.5}
    other = {"way": "quantize.hqq", "gained": 0.01, "interval": [-0.002, 0.022]}
    counts = {"all": 5, "outputs_below": 5, "weights_above": 4}
    compared = {**made, "layers": counts, "against": other}
    found = {
        "a": {
            "metric": "top1",
            "original": 0.92,
            "rounded": {"3": {"quantize.gptq": compared}, "4": {"quantize.hqq": made}},
        }
    }
    (tmp_path / "weights.json").write_text(json.dumps(found))
    (page,) = rounded.sections(tmp_path)
    first = "| a | 0.9200 | 4 | quantize.hqq | 0.9000 | +2.00 | 7.50 |  |  |"
    assert first in page
    assert page.index(first) < page.index("quantize.gptq")
    assert "| 7.50 | 5, 4 of 5 | quantize.hqq: +1.00 (-0.20 to +2.20) |" in page
