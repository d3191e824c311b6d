"""The published table is made from raw results alone."""

import json

from bench import table

ENVIRONMENT = {
    "cpu": "a processor",
    "cores": 2,
    "system": "a system",
    "python": "3.11",
    "runtimes": {"onnxruntime": "1.0"},
}


def model(top1, speedup, size_bytes):
    return {
        "scores": {"top1": top1},
        "drop": 0.9 - top1,
        "size_bytes": size_bytes,
        "median_ms": 1 / speedup,
        "p90_ms": 2 / speedup,
        "speedup": speedup,
        "speedup_quartiles": [speedup - 0.1, speedup + 0.1],
    }


def result():
    return {
        "task": "fmnist_vgg",
        "date": "2000-01-01",
        "environment": ENVIRONMENT,
        "metric": "top1",
        "seconds": 12.3,
        "choice": {"name": "static-mse", "met": True, "reasons": []},
        "promised": {"drop": 0.001, "drop_kind": "expected", "speedup": 2.1},
        "models": {
            "original": model(0.9, 1.0, 4000),
            "lissom": model(0.899, 2.0, 1000),
            "good": model(0.898, 1.6, 1000),
            "broken": model(0.5, 9.0, 1000),
        },
        "failed": {"other": "a | reason"},
    }


def test_page_shows_what_was_measured(tmp_path):
    (tmp_path / "fmnist_vgg.json").write_text(json.dumps(result()))
    page = table.page(tmp_path)
    assert "| lissom | 0.8990 | +0.10 | 4.00 | 0.500 | 2.00 (1.90 to 2.10) |" in page
    assert "| other | failed: a / reason | | | | |" in page
    assert "promised a drop of 0.10 points (expected) and a speedup of 2.10" in page


def test_best_yardstick_is_within_one_point(tmp_path):
    (tmp_path / "fmnist_vgg.json").write_text(json.dumps(result()))
    assert "`good`: 1.25 times its speed" in table.page(tmp_path)


def test_wild_outcomes_are_listed(tmp_path):
    models = {
        "package/a.onnx": {
            "size_bytes": 2_000_000,
            "outcome": "original",
            "reasons": ["nothing", "was faster"],
            "speedup_interval": None,
            "chosen_bytes": 1_000_000,
        },
        "package/b.onnx": {"size_bytes": 1, "failed": "exit code 1"},
    }
    (tmp_path / "wild.json").write_text(json.dumps({"environment": ENVIRONMENT, "models": models}))
    page = table.page(tmp_path)
    assert "| package/a.onnx | 2.00 | original | 2.00 | 1.00 to 1.00 | nothing was faster |" in page
    assert "| package/b.onnx | 0.00 | failed: exit code 1 | | | |" in page


def test_no_results_is_said(tmp_path):
    assert "No results are recorded yet" in table.page(tmp_path)
