"""What the published page says of criteria is what the raw results hold."""

import json
from pathlib import Path
from typing import Any

from bench import against_chance
from bench.criteria import CHANCE


def made(method: str, quality: float, distance: float, **how: Any) -> dict[str, Any]:
    one = {"method": method, "seed": 0, "allocation": "uniform", "repair": False}
    return {**one, "quality": quality, "distance": distance, **how}


def test_nothing_is_said_of_what_was_not_measured(tmp_path: Path) -> None:
    assert against_chance.sections(tmp_path) == []


def test_rows_by_hand(tmp_path: Path) -> None:
    models = [
        made("prune.obs", 0.9, 0.1),
        made("prune.lamp", 0.4, 0.5),
        made(CHANCE, 0.5, 0.3),
        made(CHANCE, 0.6, 0.4, seed=1),
        made(CHANCE, 0.7, 0.5, seed=2),
    ]
    models += [{**each, "repair": True, "distance": each["distance"] / 100} for each in models]
    models[5]["distance"] = 1.0
    task = {"original": 0.93, "ratio": 0.25, "models": models}
    (tmp_path / "criteria.json").write_text(json.dumps({"net": task}))
    (said,) = against_chance.sections(tmp_path)
    assert "| net | 25%, uniform | `prune.obs` | 0.9000 (0.1) | 0.9000 (1) |" in said
    row = "| `prune.chance` | 0.6000 (0.4), 0.5000 to 0.7000 | 0.6000 (0.004), 0.5000 to 0.7000 |"
    assert row in said
    lamp = "`prune.lamp` on net, uniform."
    assert f"Farther from the original than chance on average, removed only: {lamp}" in said
    assert f"on average, repaired: `prune.obs` on net, uniform; {lamp}" in said
    assert f"Of a lower score than chance on average, repaired: {lamp}" in said
