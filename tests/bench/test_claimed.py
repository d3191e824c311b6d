"""What the published page says of claims is what the raw results hold."""

import json

from bench import claimed


def test_nothing_is_said_of_what_was_not_measured(tmp_path):
    assert claimed.sections(tmp_path) == []


def test_rows_by_hand(tmp_path):
    row = {"what": "float32", "metric": "top1", "quality": 0.85625}
    one = {"claim": "It helps", "source": "A et al.", "rows": [row]}
    (tmp_path / "claims.json").write_text(json.dumps({"first": one}))
    (said,) = claimed.sections(tmp_path)
    assert "It helps (A et al.):" in said
    assert "| float32 | top1 | 0.8562 |" in said
