"""What the published page says of pruning is what the raw results hold."""

import json

from bench import pruned


def made(quality: float, speedup: float, **more: object) -> dict[str, object]:
    quartiles = [speedup - 0.1, speedup + 0.1]
    return {"quality": quality, "speedup": speedup, "speedup_quartiles": quartiles,
            "size_ratio": 2.0, "seconds": 7.4, **more}  # fmt: skip


def test_nothing_is_said_of_what_was_not_measured(tmp_path):
    assert pruned.sections(tmp_path) == []


def test_rows_by_hand(tmp_path):
    point = {
        "ratio": 0.5,
        "float": made(0.92, 2.0),
        "int8": made(0.91, 5.0, peak_bytes=753_200_000),
    }
    task = {"original": 0.93, "at": 0.25, "removed": made(0.43, 1.0),
            "repaired": made(0.905, 1.0), "curve": [point], "goal": "macs"}  # fmt: skip
    (tmp_path / "pruning.json").write_text(json.dumps({"net": task}))
    (said,) = pruned.sections(tmp_path)
    assert "| net | 25% | 0.9300 | 0.4300 | 0.9050 | 95% |" in said
    assert "| net | 50% of the MACs | float32 | +1.00 | 2.00 (1.90 to 2.10) | 2.00 | 7 |  |" in said
    integers = "| net | 50% of the MACs | 8-bit integers | +2.00 | 5.00 (4.90 to 5.10) | 2.00 | 7 "
    assert integers + "| 753 |" in said
