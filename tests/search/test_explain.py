"""Profiles in, sentences out: only causes that the profile shows."""

from lissom.graph.cost import Work
from lissom.measure.profile import NodeTime
from lissom.search.candidate import OperatorTime
from lissom.search.explain import by_operator, integer_share, on_integers, remarks


def times(**spent: float) -> tuple[OperatorTime, ...]:
    whole = sum(spent.values())
    return tuple(
        OperatorTime(op_type=kind, count=2, milliseconds=ms, share=ms / whole)
        for kind, ms in spent.items()
    )


def test_sums_by_operator_slowest_first() -> None:
    nodes = [
        NodeTime(node="a", op_type="Conv", milliseconds=1.0, share=0.25),
        NodeTime(node="b", op_type="Gemm", milliseconds=2.0, share=0.5),
        NodeTime(node="c", op_type="Conv", milliseconds=0.5, share=0.125),
        NodeTime(node="d", op_type="Relu", milliseconds=0.5, share=0.125),
    ]
    found = by_operator(nodes)
    assert [(one.op_type, one.count, one.milliseconds) for one in found] == [
        ("Gemm", 1, 2.0),
        ("Conv", 2, 1.5),
        ("Relu", 1, 0.5),
    ]
    assert sum(one.share for one in found) == 1.0
    assert by_operator([]) == ()


def test_what_ran_on_integers_is_a_share_of_the_originals_arithmetic() -> None:
    def ran(name: str | None, op_type: str) -> NodeTime:
        return NodeTime(node="k", op_type=op_type, milliseconds=1.0, share=0.2, stands_for=name)

    nodes = [
        ran("a", "QLinearConv"),
        ran("b/integer", "MatMulIntegerToFloat"),
        ran("c", "FusedConv"),
        ran("q", "QuantizeLinear"),
        ran(None, "QLinearConv"),
    ]
    names = on_integers(nodes)
    assert names == ("a", "b")
    counted = {
        name: Work(macs=macs, weight_bytes=0, activation_bytes=0)
        for name, macs in (("a", 60), ("b", 20), ("c", 20), ("relu", 0))
    }
    assert integer_share(counted, names) == 0.8
    assert integer_share(counted, ()) == 0.0
    assert integer_share({}, names) is None


def test_slow_integer_convolutions_are_named_with_their_factor() -> None:
    words = remarks(times(Conv=1.0), times(ConvInteger=6.0, Cast=0.1), slower=True)
    assert "ConvInteger" in words[0]
    assert "6.0x" in words[0]


def test_conversions_casts_and_what_stayed_float() -> None:
    after = times(QLinearConv=1.0, QuantizeLinear=0.5, DequantizeLinear=0.5, Cast=1.0, Gemm=1.0)
    words = " ".join(remarks(times(Conv=4.0), after, slower=False))
    assert "25% of the time goes into 4 conversions" in words
    assert "casts between number types" in words
    assert "still spent in float operators: 2 Gemm" in words


def test_weights_expanded_to_float_gain_no_speed() -> None:
    words = remarks(times(Conv=1.0), times(Conv=1.0, DequantizeLinear=0.05), slower=True)
    assert words == (
        "No operator ran on integers: the weights are expanded to float before use, "
        "so only the file is smaller.",
    )


def test_a_clean_profile_needs_no_words() -> None:
    assert remarks(times(Conv=1.0), times(QLinearConv=0.3), slower=False) == ()


def test_kernels_of_another_runtime_are_read_too() -> None:
    def kinds(**spent: float) -> tuple[OperatorTime, ...]:
        named = {kind.replace("_", " "): ms for kind, ms in spent.items()}
        return times(**named)

    after = kinds(Convolution_u8=1.0, Convert_f32=0.0, FullyConnected_f32=1.0, FakeQuantize_u8=1.0)
    words = " ".join(remarks(kinds(Convolution_f32=4.0), after, slower=False))
    assert "33% of the time goes into 2 conversions" in words
    assert "still spent in float operators: 2 FullyConnected f32" in words
    assert "casts" not in words
