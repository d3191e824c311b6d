"""What the published page says of trust is what the raw results hold."""

import json

from bench import trust

MACHINE = {
    "environment": {"cpu": "a processor", "cores": 2, "runtimes": {"onnxruntime": "1.0"}},
    "date": "2000-01-01",
}


def written(folder, name, found):
    (folder / f"{name}.json").write_text(json.dumps({**MACHINE, **found}))


def test_nothing_is_said_of_what_was_not_measured(tmp_path):
    assert trust.sections(tmp_path) == []


def test_the_clock_row(tmp_path):
    itself = {"runs": 100, "held": 96, "half_width_median": 0.012, "half_width_p90": 0.025}
    state = {"latency_ms": 4.0, "itself": itself}
    written(tmp_path, "clock", {"models": {"vgg": {"at rest": state}}})
    (said,) = trust.sections(tmp_path)
    assert "| vgg | at rest | 4.00 | 96 of 100 | 1.2% | 2.5% |" in said


def test_the_certificates_row(tmp_path):
    shares = {"labels": 0.94, "bound": 0.96, "expected": 0.955}
    summary = {"least_right": shares, "mean_right": shares, "most_false_held": 0.005}
    found = {"resamplings": 200, "drawn": 2500, "certifying": 500, "confidence": 0.95}
    written(tmp_path, "certificates", {**found, "tasks": {"vgg": {"summary": summary}}})
    (said,) = trust.sections(tmp_path)
    assert "| vgg | 94.0% (94.0%) | 96.0% (96.0%) | 95.5% (95.5%) | 0.5% |" in said


def test_kills_and_places(tmp_path):
    written(tmp_path, "kills", {"kills": [{}] * 100, "runs": [{}] * 9, "verdict": "all equal"})
    row = {
        **MACHINE,
        "task": "minilm",
        "wish": {"target": "openvino", "goal": "size", "max_drop": 0.005},
        "choice": {"name": "static@openvino"},
        "size_ratio": 4.0,
        "speedup": 3.456,
        "drop": 0.0075,
        "seconds": 61.2,
    }
    (tmp_path / "places.json").write_text(json.dumps({"minilm: a wish": row}))
    places, kills = trust.sections(tmp_path)
    assert (
        "| minilm | openvino | size | 0.5 | `static@openvino` | 4.00 | 3.46 | +0.75 | 61 "
        "| a processor |" in places
    )
    assert "ended 100 times at random moments in 9 runs" in kills
    assert "continued by the same command: all equal." in kills
