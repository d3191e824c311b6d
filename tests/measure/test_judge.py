import pytest

from lissom.errors import OptionError
from lissom.measure.judge import METRICS, Judge


def test_names_and_functions_are_taken():
    for metric in (None, *METRICS):
        assert not Judge(metric=metric).is_function
    assert Judge(metric="my_package.scores:exact", original_quality=0.93).is_function


@pytest.mark.parametrize("metric", ["top2", "os.system", "a:b:c", "a b:c", ":c", "../x:y"])
def test_unknown_metrics_are_refused(metric):
    with pytest.raises(OptionError, match="is not known"):
        Judge(metric=metric)


@pytest.mark.parametrize("quality", [0.0, 93, -1, float("nan")])
def test_quality_is_a_share(quality):
    with pytest.raises(OptionError, match=r"0\.93, not 93"):
        Judge(original_quality=quality)
