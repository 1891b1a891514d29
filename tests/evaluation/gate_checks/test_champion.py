from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.evaluation.gate_checks.champion import check_champion
from assay.evaluation.row_sample import sample_rows
from assay.evaluation.slice_checks import check_slices
from assay.serving.bundle import MODEL
from tests.gate_candidates import ALL_CLASSES, FEWER_CLASSES, FEWER_ENTITIES, PAIRS, MakeCandidate, a_run, checks_of


@pytest.mark.usefixtures("champion")
def test_check_champion_passes_a_better_candidate(candidate: MakeCandidate, champion_store: Path) -> None:
    case = candidate(in_store=champion_store, gate_rules={"champion": {"improve": True}})
    verdict = case.verdict()
    assert verdict.outcome == "passed"
    assert verdict.champion == "1"
    check = checks_of(verdict)["champion: sentence"]
    assert check.why == "better than the champion"
    assert "(1.000 against 0.733 of version 1)" in check.measured
    assert check.required == "a difference above 0 with 95% confidence"
    # The other head need not improve.
    assert checks_of(verdict)["champion: tokens"].required == "a difference above -0.01 with 95% confidence"


@pytest.mark.usefixtures("champion")
def test_check_champion_reports_the_number_of_challengers_on_the_same_rows(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path
) -> None:
    case = candidate(in_store=champion_store, gate_rules={"champion": {"improve": True}}).context(tmp_path)
    client = MlflowClient(tracking_uri=f"sqlite:///{champion_store}/mlflow.db")
    same = [row.id for row in case.examples]
    # Given two that were compared on these rows, of which one had further ones, and one on other rows,
    for bundle, rows in (("one", same), ("two", [*same, "new"]), ("three", ["other", "rows"])):
        tags = {"assay.bundle": bundle, "assay.splits": f"with other training rows {bundle}"}
        client.create_model_version("toy", "file:///gone", tags={**tags, "assay.test_rows": sample_rows(rows)})
    check = check_champion(case, "sentence")
    assert check.passed
    assert "challenger 3 tested on these rows, without a correction for multiplicity" in check.why


@pytest.mark.usefixtures("champion")
def test_check_champion_corrects_for_many_challengers(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path
) -> None:
    rules = {"champion": {"improve": True, "multiplicity": "corrected"}}
    case = candidate(in_store=champion_store, gate_rules=rules).context(tmp_path)
    case.challengers_before = 2
    # The third one may err with a twelfth of the 5 %.
    check = check_champion(case, "sentence")
    assert check.required == "a difference above 0 with 99.583% confidence"
    assert check.why.endswith("challenger 3 tested on these rows, for which the confidence is corrected")


@pytest.mark.usefixtures("champion")
def test_check_champion_refuses_a_worse_candidate(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path
) -> None:
    # Given a candidate that also misreads `poor`, which the champion knows,
    worse = FEWER_CLASSES | {"poor": "positive"}
    rules = {"champion": {"margin": 0.02}}
    case = candidate(worse, FEWER_ENTITIES, in_store=champion_store, gate_rules=rules).context(tmp_path)
    check = check_champion(case, "sentence")
    assert not check.passed
    assert "may be worse by more than the margin" in check.why
    assert "smallest detectable difference 0." in check.why
    assert check_champion(case, "tokens").passed


@pytest.mark.usefixtures("champion")
def test_check_champion_passes_an_equal_candidate_unless_it_must_improve(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path
) -> None:
    # Given the champion's answers from a bundle of its own (it knows one more word, which no row holds),
    same = FEWER_CLASSES | {"unheard": "positive"}
    rules = {"champion": {"improve": True, "margin": 0.02}}
    case = candidate(same, FEWER_ENTITIES, in_store=champion_store, gate_rules=rules).context(tmp_path)
    # then the head that must improve fails, and the other is not inferior.
    primary, other = check_champion(case, "sentence"), check_champion(case, "tokens")
    assert not primary.passed
    assert "not shown to be better" in primary.why
    assert other.passed
    assert other.why == "not worse than the champion"


@pytest.mark.usefixtures("champion")
def test_check_champion_needs_enough_rows_for_a_small_margin(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path
) -> None:
    same = FEWER_CLASSES | {"unheard": "positive"}
    case = candidate(same, FEWER_ENTITIES, in_store=champion_store).context(tmp_path)
    check = check_champion(case, "tokens")
    assert not check.passed
    assert "240 rows cannot show a margin of 0.01: about 300 rows are needed" in check.why
    assert check.measured.endswith(" of version 1), 240 rows")


@pytest.mark.usefixtures("champion")
def test_check_champion_names_rows_and_clusters(candidate: MakeCandidate, champion_store: Path, tmp_path: Path) -> None:
    # Given test rows of which every ten are of one document, when a better candidate is compared,
    case = candidate(in_store=champion_store, gate_rules={"slices": {"columns": ["medium"]}}).context(tmp_path)
    case.clusters = {row.id: case.examples[n // 10 * 10].id for n, row in enumerate(case.examples)}
    rows = [replace(row, cluster=case.clusters[row.id]) for row in case.evaluation.rows]
    case.evaluation.rows = rows
    # then champion check and slice checks say how much there was to go by.
    assert check_champion(case, "sentence").measured.endswith(" of version 1), 240 rows in 24 clusters")
    slices = check_slices(rows, case.rules.slices, ["sentence"])
    assert all("rows in 24 clusters (" in check.measured for check in slices)


@pytest.mark.usefixtures("champion")
def test_check_champion_passes_the_champion_itself(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path
) -> None:
    rules = {"champion": {"improve": True}}
    case = candidate(FEWER_CLASSES, FEWER_ENTITIES, in_store=champion_store, gate_rules=rules).context(tmp_path)
    check = check_champion(case, "sentence")
    assert check.passed
    assert check.why == "it is the champion itself"


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ledger": "another"}, "may have been trained on the test rows"),
        ({"ledger": None}, "may have been trained on the test rows"),
        ({"seen_in_training": 3}, "3 test rows were training rows of an earlier run"),
        ({"classes": ALL_CLASSES | {"so": "neutral"}}, "the label sets differ: 'neutral' only in the candidate"),
        ({"manifest": {"pair": True}, "rows": PAIRS}, "the champion reads single texts"),
    ],
)
def test_check_champion_refuses_an_incomparable_one_unless_allowed(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    made = candidate(in_store=champion_store, **change)
    check = check_champion(made.context(tmp_path), "sentence")
    assert not check.passed
    assert check.measured == "not comparable"
    assert reason in check.why
    assert "gate.champion.allow_not_comparable" in check.why
    made.run = a_run(champion_store, {"champion": {"allow_not_comparable": True}})
    check = check_champion(made.context(tmp_path), "sentence")
    assert check.passed
    assert not check.tested


@pytest.mark.usefixtures("champion")
def test_check_champion_compares_a_head_with_equal_labels(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path
) -> None:
    case = candidate(ALL_CLASSES | {"so": "neutral"}, in_store=champion_store).context(tmp_path)
    assert check_champion(case, "tokens").why == "better than the champion"


@pytest.mark.usefixtures("champion")
def test_check_champion_refuses_one_with_changed_bytes(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path
) -> None:
    # Given a champion whose stored graph was tampered with, then nothing is compared with it.
    (model,) = champion_store.rglob(MODEL)
    original = model.read_bytes()
    model.write_bytes(original + b" ")
    try:
        with pytest.raises(AssayError, match="differs from its digest"):
            check_champion(candidate(in_store=champion_store).context(tmp_path), "sentence")
    finally:
        model.write_bytes(original)


def test_check_champion_compares_with_the_previous_champion_if_it_is_missing(
    candidate: MakeCandidate, deserted: MlflowClient, store: Path
) -> None:
    # Given a champion whose version somebody deleted in MLflow,
    deserted.delete_model_version("toy", "2")
    # when an equal of the one before comes, then it is no first of its name.
    equal = candidate(ALL_CLASSES | {"unheard": "positive"}, FEWER_ENTITIES, gate_rules={"champion": {"improve": True}})
    verdict = equal.verdict()
    check = checks_of(verdict)["champion: sentence"]
    assert not check.passed
    assert "(1.000 against 1.000 of version 1)" in check.measured
    assert "version 2 was the last one and is gone; compared with version 1" in check.why
    # The promotion expects what the registry says: no champion.
    assert verdict.champion is None


def test_check_champion_compares_with_one_without_alias(
    candidate: MakeCandidate, deserted: MlflowClient, tmp_path: Path
) -> None:
    deserted.delete_registered_model_alias("toy", "champion")
    check = check_champion(candidate().context(tmp_path), "sentence")
    assert check.passed
    assert "(1.000 against 0.733 of version 2)" in check.measured
    assert "version 2 was the last one and lost its alias; compared with version 2" in check.why


@pytest.mark.parametrize("whole_model", [False, True])
def test_check_champion_refuses_missing_champions_unless_allowed(
    candidate: MakeCandidate, deserted: MlflowClient, store: Path, tmp_path: Path, whole_model: bool
) -> None:
    # Given a registry without any former champion, or without the model itself,
    if whole_model:
        deserted.delete_registered_model("toy")
    else:
        for number in ("1", "2"):
            deserted.delete_model_version("toy", number)
    # then nobody knows whether the candidate is better, and the reason names the version that is gone.
    made = candidate()
    check = check_champion(made.context(tmp_path), "sentence")
    assert (check.passed, check.measured) == (False, "not comparable")
    assert "version 2 was the last one, and no earlier champion is left" in check.why
    made.run = a_run(store, {"champion": {"allow_not_comparable": True}})
    check = check_champion(made.context(tmp_path), "sentence")
    assert (check.passed, check.tested) == (True, False)


def test_check_champion_skips_a_previous_one_that_cannot_be_downloaded(
    candidate: MakeCandidate, deserted: MlflowClient, store: Path, tmp_path: Path
) -> None:
    deserted.delete_registered_model_alias("toy", "champion")
    model_id = deserted.get_model_version("toy", "2").tags["assay.model"]
    (graph,) = [path for path in store.rglob(MODEL) if model_id in str(path)]
    graph.write_bytes(b"damaged")
    check = check_champion(candidate().context(tmp_path), "sentence")
    assert "compared with version 1" in check.why
