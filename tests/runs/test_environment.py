from assay.runs.environment import current_environment, from_text, to_text


def test_from_text_reads_what_to_text_wrote() -> None:
    values = current_environment()
    assert {"python", "platform", "processor", "cpu", "threads", "torch==", "mlflow=="} <= set(values)
    assert from_text(to_text(values)) == values


def test_from_text_reads_empty_values_and_any_characters() -> None:
    values = {"platform": "Linux-6.1 == x", "cpu": "", "torch==": "2.13.0+cpu"}
    assert to_text(values) == "platform Linux-6.1 == x\ncpu \ntorch==2.13.0+cpu\n"
    assert from_text(to_text(values)) == values
