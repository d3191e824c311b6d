"""What was probably meant: by spelling, by capitals; never slow, never a guess without a reason."""

import pytest

from lissom.near import did_you_mean, near


@pytest.mark.parametrize(
    ("given", "names", "found"),
    [
        ("bit", ["bits", "block_size"], ["bits"]),
        ("gemm", ["Conv", "Gemm"], ["Gemm"]),
        ("matmul", ["Mul", "MatMul"], ["MatMul"]),
        ("GEMM", ["Conv", "Gemm"], ["Gemm"]),
        ("params", ["method", "parameters", "include"], ["parameters"]),
        ("conv", ["Conv", "conv", "CONV", "conV"], ["Conv", "conv", "CONV"]),
        ("fame", ["speed", "size"], []),
        ("x", [], []),
    ],
)
def test_near_names(given, names, found):
    assert near(given, names) == found


def test_the_question():
    assert did_you_mean("gemm", ["Gemm", "Conv"]) == "did you mean 'Gemm'?"
    assert did_you_mean("fc9", ["fc1", "fc2"]) == "did you mean 'fc2' or 'fc1'?"
    assert did_you_mean("fc9", ["Conv"]) == ""


def test_names_that_would_take_long_are_not_compared():
    assert near("a" * 100_000, ["a" * 100_000]) == []
    assert near("bit", ["a" * 100_000, "bits"]) == ["bits"]
    many = [f"node{number}" for number in range(6000)]
    assert near("node5999x", many)[0] != "node5999"
