from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.serving.engine import Engine, Row
from assay.serving.json_objects import as_object
from assay.serving.prediction_options import ALL, PredictionOptions, read_options

TEXT = "good Apple"


def of(engine: Engine, **options: Any) -> dict[str, Any]:
    return as_object(TEXT, engine.predict([Row(TEXT)])[0], engine, PredictionOptions(**options))


def test_options_leave_out_what_they_say(engine: Engine) -> None:
    whole = of(engine)
    assert list(whole["probabilities"]) == ["down", "up"]
    assert of(engine, top_k=1) == whole | {"probabilities": {"up": whole["probabilities"]["up"]}}
    assert list(of(engine, top_k=9)["probabilities"]) == ["up", "down"]
    assert of(engine, labels_only=True) == {name: value for name, value in whole.items() if name != "probabilities"}
    above = max(whole["probabilities"].values()) + 1e-6
    assert of(engine, threshold=above)["label"] is None
    assert of(engine, threshold=above - 2e-6)["label"] == "up"
    assert (len(of(engine)["entities"]), of(engine, threshold=1)["entities"]) == (1, [])


def test_read_options_reads_query_strings() -> None:
    values = {"top_k": "2", "threshold": "0.5", "labels_only": "true", "other": "x"}
    assert read_options(values) == PredictionOptions(2, 0.5, True)
    assert read_options({"other": "x"}) is ALL
    assert read_options({"top_k": None, "threshold": None, "labels_only": None}) is ALL


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"top_k": 0}, "top_k is 0; send a number of classes from 1"),
        ({"top_k": "many"}, "top_k is 'many'; send a number of classes"),
        ({"threshold": 1.5}, "threshold is 1.5; send a probability from 0 to 1"),
        ({"threshold": "nan"}, "threshold is 'nan'; send a probability"),
        ({"top_k": True}, "top_k is True; send a number of classes"),
        ({"threshold": False}, "threshold is False; send a probability"),
        ({"labels_only": "perhaps"}, "labels_only is 'perhaps'; send true or false"),
    ],
)
def test_read_options_names_what_is_out_of_range(values: dict[str, Any], error: str) -> None:
    with pytest.raises(AssayError, match=error):
        read_options(values)
