from mlflow.utils import validation

from assay.evaluation.gate_checks.metric_names import metric_name


def test_metric_name_is_accepted_by_mlflow_whatever_the_class() -> None:
    names = [metric_name("sentence", "recall", label) for label in ("B&W", "C++", "100 %", "größe", "a/b", "d:e", "C#")]
    assert names[0] == "sentence.recall.Bu26W"
    for name in names:
        validation._validate_metric_name(name)  # type: ignore[no-untyped-call]  # what log_batch asks
    assert len(set(names)) == len(names)
