from typing import Any

import pytest
from pydantic import ValidationError

from assay.recipes.model_section import ModelSection


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"scratch": {}}, "scratch"),
        ({"encoder": "owner/name", "lora": {}}, "lora"),
        ({"encoder": "owner/name"}, "full"),
    ],
)
def test_model_section_knows_which_weights_are_trained(values: dict[str, Any], kind: str) -> None:
    assert ModelSection.model_validate({"heads": ["sentence"], **values}).kind == kind


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "model needs exactly one of model.encoder and model.scratch; set one, and remove the other"),
        ({"encoder": "a/b", "scratch": {}}, "model needs exactly one of model.encoder and model.scratch"),
        ({"scratch": {}, "lora": {}}, "model.lora freezes the encoder, but model.scratch starts from random weights"),
        ({"scratch": {}, "crf": True}, "model.crf needs the token head; add tokens to model.heads or remove crf"),
        ({"scratch": {}, "heads": ["tokens", "tokens"]}, r"model.heads \['tokens', 'tokens'\] names a head twice"),
        ({"scratch": {}, "heads": []}, "heads"),
        ({"scratch": {}, "max_length": 513}, "max_length"),
        (
            {"scratch": {"hidden": 130}},
            "model.scratch.hidden is 130, which is not a multiple of model.scratch.attention_heads 4; choose",
        ),
    ],
)
def test_model_section_refuses_parts_that_do_not_go_together(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ModelSection.model_validate({"heads": ["sentence"], **values})


def test_model_section_takes_a_crf_beside_both_heads() -> None:
    assert ModelSection.model_validate({"scratch": {}, "heads": ["sentence", "tokens"], "crf": True}).crf
