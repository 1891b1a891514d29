from mlflow.utils import validation

from assay.evaluation.gate_checks.metric_names import metric_name


def test_metric_name_is_accepted_by_mlflow_whatever_the_class() -> None:
    classes = ("B&W", "C++", "100 %", "größe", "a/b", "d:e", "C#", "a//b", "a/", "a/./b", "a/../b", "ü" * 90, "ü" * 91)
    names = [metric_name("sentence", "recall", label, "high") for label in classes]
    assert names[0] == "sentence.recall.Bu26W.high"
    for name in names:
        assert len(f"test.{name}") <= validation.MAX_ENTITY_KEY_LENGTH
        validation._validate_metric_name(name)  # type: ignore[no-untyped-call]  # what log_batch asks
    assert len(set(names)) == len(names)
