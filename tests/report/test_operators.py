# the signs that people read: minus, times, dash
import pytest

from lissom.report.operators import REASONS, costs_more, gap_rows, operator_rows
from lissom.report.schema import Document, OperatorEntry


def entry(op_type: str, milliseconds: float, count: int = 1) -> OperatorEntry:
    return {"op_type": op_type, "count": count, "milliseconds": milliseconds, "share": 0.1}


def test_rows_hold_all_the_time_heaviest_first() -> None:
    before = [entry("Conv", 3.0, 6), entry("Softmax", 0.5)]
    after = [entry("QLinearConv", 1.0, 6), entry("QuantizeLinear", 0.2), entry("Softmax", 0.5)]
    rows = operator_rows(before, after)
    assert [row.name for row in rows] == ["Conv", "Softmax", "Quantize / dequantize"]
    assert rows[0].before_names == "Conv ×6"
    assert rows[0].after_names == "QLinearConv ×6"
    assert sum(row.before_ms for row in rows) == pytest.approx(3.5)
    assert sum(row.after_ms for row in rows) == pytest.approx(1.7)


def test_small_rows_are_summed() -> None:
    before = [entry(f"Op{chr(65 + index)}", 1.0 + index) for index in range(20)]
    rows = operator_rows(before, [], most=5)
    assert len(rows) == 5
    assert rows[-1].name == "All others"
    assert sum(row.before_ms for row in rows) == pytest.approx(sum(1.0 + i for i in range(20)))


def test_what_costs_more_is_said_and_trifles_are_not() -> None:
    rows = operator_rows(
        [entry("Conv", 1.0, 6), entry("Add", 0.01)],
        [entry("ConvInteger", 7.0, 6), entry("DynamicQuantizeLinear", 0.3, 6), entry("Add", 0.02)],
    )
    assert costs_more(rows) == [
        "Conv costs 6.00 ms more than before: 1.00 ms as Conv ×6, now 7.00 ms as ConvInteger ×6.",
        "Quantize / dequantize costs 0.300 ms that the original does not spend "
        "(DynamicQuantizeLinear ×6).",
    ]
    assert costs_more(operator_rows([entry("Conv", 1.0)], [entry("QLinearConv", 0.3)])) == []


def test_gaps_are_shown_as_they_were_found_heaviest_first(rich_document: Document) -> None:
    rows = gap_rows(rich_document["front"][0])
    assert [row.name for row in rows] == ["Conv", "MaxPool", "Quantize / dequantize"]
    assert (rows[0].before_ms, rows[0].promised_ms, rows[0].after_ms) == (0.571, 0.09, 0.139)
    assert (rows[0].after_names, rows[0].reason) == ("×6", "width")
    assert {row.reason for row in rows} <= set(REASONS)


def test_no_gaps_were_looked_for(full_document: Document) -> None:
    entry = full_document["front"][0]
    entry.pop("gaps", None)
    assert gap_rows(entry) == []
