from assay.evaluation.labels.label_task_report import LabelTaskReport
from assay.evaluation.labels.task_formats import LabelNames


def test_report_without_a_wrong_label_speaks_of_labels() -> None:
    report = LabelTaskReport(
        model="models:/news/1",
        recipe="news",
        rows=500,
        found=0,
        tasks=[],
        names=LabelNames(classes=[], entity_types=[]),
    )
    assert report.summary == "0 of 500 held-out rows of models:/news/1 have labels that may be wrong"
