from assay.evaluation.attempts import Attempt


def test_attempt_says_in_one_line_what_was_tried_and_what_became_of_it() -> None:
    attempt = Attempt(
        kind="tuned",
        number=2,
        why="the score is below gate.min_f1",
        settings={"training.learning_rate": 0.0003},
        f1={"sentence": 0.71234, "tokens": 0.8},
        accepted=False,
        reason="the first training scored higher",
    )
    assert str(attempt) == (
        "tuned 2 (the score is below gate.min_f1): F1 on validation rows sentence 0.712, tokens 0.800; "
        "not kept: the first training scored higher"
    )
    assert attempt.overrides == "training.learning_rate=0.0003"


def test_attempt_without_a_number_is_named_by_its_kind() -> None:
    first = Attempt(kind="first", why="as it stands", f1={"sentence": 1.0}, accepted=True, reason="the only one")
    assert (first.name, first.overrides) == ("first", "")
