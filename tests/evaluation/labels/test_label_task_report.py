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


def test_report_names_a_command_that_takes_the_labels_of_the_model() -> None:
    names = LabelNames(classes=["up"], entity_types=[], row_labels=["sport"])
    report = LabelTaskReport(model="models:/news/1", recipe="news", rows=5, found=0, tasks=[], names=names)
    assert "assay labels issues models:/news/1 --output tasks.json --format label-studio" in report.markdown()
