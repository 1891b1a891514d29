from assay.runs.environment import from_text, surroundings, to_text


def test_what_was_written_is_read_again() -> None:
    values = surroundings()
    assert {"python", "platform", "processor", "cpu", "threads", "torch==", "mlflow=="} <= set(values)
    assert from_text(to_text(values)) == values


def test_a_value_may_hold_anything_and_be_empty() -> None:
    values = {"platform": "Linux-6.1 == x", "cpu": "", "torch==": "2.13.0+cpu"}
    assert to_text(values) == "platform Linux-6.1 == x\ncpu \ntorch==2.13.0+cpu\n"
    assert from_text(to_text(values)) == values
