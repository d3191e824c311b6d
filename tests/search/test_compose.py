"""A result put together from what a run has so far."""

from dataclasses import replace

from lissom.measure.environment import current
from lissom.runtime.target import Target
from lissom.search.compose import Found, compose
from lissom.search.limits import Limits
from lissom.search.result import NotTried, Result
from tests.search.made import candidate, original, timing
from tests.search.trial import Trial

FAST = candidate("fast", drop=0.005, speed=(2.0, 1.9, 2.1), size=4 * 10**6)
BEATEN = candidate("beaten", drop=0.006, speed=(0.5, 0.4, 0.6))


def composed(trial: Trial, *, data: bool = True, limits: Limits | None = None) -> Result:
    found = Found(
        original=original(),
        tried=[FAST, BEATEN],
        left_out=[NotTried(name="slow", reason="no time")],
        seconds=12.3456,
        finished=True,
    )
    return compose(trial.job(data=data, limits=limits), current(), found)


def test_front_choice_and_facts(trial: Trial) -> None:
    result = composed(trial)
    assert result.front == ("fast", "original")
    assert result.chosen == FAST
    assert [one.name for one in result.on_front] == ["fast", "original"]
    assert result.candidate("beaten") == BEATEN
    assert result.not_tried[0].name == "slow"
    assert (result.seconds, result.finished) == (12.346, True)
    assert result.model.file_name == "cnn.onnx"
    assert result.data is not None
    assert result.data.count == result.data.calibration + result.data.selection + (
        result.data.certification
    )
    assert "1.00 points were taken" in result.notes[-1]


def test_without_data_the_notes_say_that_quality_was_not_measured(trial: Trial) -> None:
    result = composed(trial, data=False)
    assert result.data is None
    assert "Quality was not measured" in result.notes[0]


def test_a_named_limit_is_not_called_a_default(trial: Trial) -> None:
    assert composed(trial, limits=Limits(max_drop=0.01)).notes == ()


def test_a_quantized_model_is_returned_with_that_reason(trial: Trial) -> None:
    job = trial.job()
    quantized = replace(job.opened.model)
    object.__setattr__(quantized, "already_quantized", True)
    job = replace(job, opened=replace(job.opened, model=quantized))
    found = Found(original=original(), tried=[], left_out=[], seconds=0.0, finished=True)
    result = compose(job, current(), found)
    assert result.choice.name == "original"
    assert result.choice.reasons == ("The model is already quantized: it is returned unchanged.",)


def test_the_original_s_latency_is_the_middle_of_all_its_measurements(trial: Trial) -> None:
    busy = replace(timing(1.0), candidate=replace(timing(1.0).candidate, median_ms=50.0))
    found = Found(
        original=replace(original(), timing=busy),
        tried=[FAST, BEATEN],
        left_out=[],
        seconds=0.0,
        finished=True,
    )
    assert compose(trial.job(), current(), found).original.latency_ms == 2.0


def test_where_nothing_was_worth_a_try_the_reasons_are_given(trial: Trial) -> None:
    left_out = [NotTried(name=name, reason="no weights") for name in ("one", "two")]
    found = Found(original=original(), tried=[], left_out=left_out, seconds=0.0, finished=True)
    result = compose(trial.job(), current(), found)
    assert result.choice.reasons == (
        "The original is returned: nothing was worth a try (no weights).",
    )
    begun = compose(trial.job(), current(), replace(found, finished=False))
    assert "no candidate could be made" in begun.choice.reasons[0]


def test_a_choice_that_runs_elsewhere_says_where(trial: Trial) -> None:
    there = Target(runtime="openvino", options=(("INFERENCE_PRECISION_HINT", "bf16"),), threads=2)
    found = Found(
        original=original(),
        tried=[replace(FAST, name="fast@openvino", target=there)],
        left_out=[],
        seconds=1.0,
        finished=True,
    )
    notes = compose(trial.job(), current(), found).notes
    (said,) = [note for note in notes if note.startswith("fast@openvino was measured")]
    assert "openvino, INFERENCE_PRECISION_HINT=bf16, 2 threads" in said
    assert "the original on onnxruntime, 1 thread" in said
