from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.recipes.loader import parse_recipe
from assay.recipes.recipe import Recipe
from tests.snapshots import recipe_values

MONGO = {"kind": "mongo", "database": "d", "collection": "c"}


def refused(**parts: Any) -> str:
    with pytest.raises(AssayError) as caught:
        parse_recipe(recipe_values(**parts), "recipe.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_recipe_refuses_a_gate_without_thresholds() -> None:
    assert "key 'gate.min_f1' is missing; add it" in refused(gate={})
    assert "gate.min_f1 sets no threshold for the head 'sentence'; add gate.min_f1.sentence" in refused(
        gate={"min_f1": {}}
    )


def test_recipe_refuses_a_threshold_for_a_missing_head() -> None:
    assert "gate.min_f1.tokens is set" in refused(gate={"min_f1": {"sentence": 0.6, "tokens": 0.6}})


def test_recipe_refuses_credentials_without_repeating_them() -> None:
    message = refused(source={**MONGO, "uri": "mongodb://me:secret@host/db"})
    assert "write env:VARIABLE" in message
    assert "secret" not in message


def test_recipe_hides_credentials_under_an_unknown_key() -> None:
    message = refused(source={**MONGO, "url": "mongodb://me:secret@host/db"})
    assert "unknown key 'source.url' (value 'mongodb://***@host/db'); did you mean 'source.uri'?" in message


def test_recipe_refuses_credentials_without_scheme_and_for_mlflow() -> None:
    for parts in (
        {"source": {**MONGO, "uri": "me:secret@host:27017"}},
        {"registry": {"name": "tiny", "tracking_uri": "https://me:secret@mlflow.example.org"}},
    ):
        message = refused(**parts)
        assert "holds credentials" in message
        assert "secret" not in message


def test_recipe_refuses_a_field_that_the_format_does_not_read() -> None:
    message = refused(source={**MONGO, "format": "parse", "fields": {"label": "mood"}})
    assert "source.fields.label is not read in the format parse; name it in source.parse.label" in message


def test_recipe_accepts_an_address_without_credentials() -> None:
    source = {**MONGO, "uri": "mongodb://localhost:27017"}
    assert Recipe.model_validate(recipe_values(source=source)).source.kind == "mongo"


def test_recipe_refuses_a_hub_name_without_a_commit() -> None:
    assert "source.revision" in refused(source={"kind": "hub", "path": "owner/no-such-folder"})
    pinned = {"kind": "hub", "path": "owner/no-such-folder", "revision": "abc"}
    assert Recipe.model_validate(recipe_values(source=pinned)).source.kind == "hub"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"split": {"train": 0.9}}, "split.train + split.validation + split.test is 1.1; it must be 1"),
        ({"split": {"method": "time"}}, "split.method is time, but source.fields.time names no field"),
        ({"model": {"heads": ["sentence"]}}, "exactly one of model.encoder and model.scratch"),
        ({"model": {"scratch": {}, "heads": ["sentence"], "crf": True}}, "model.crf needs the token head"),
        ({"model": {"scratch": {}, "heads": ["sentence", "sentence"]}}, "names a head twice"),
        (
            {"gate": {"min_f1": {"sentence": 0.6}, "slices": {"columns": ["year"]}}},
            "gate.slices.columns names 'year', which source.fields.slices does not define",
        ),
        (
            {"gate": {"min_f1": {"sentence": 0.6}, "slices": {"expressions": {"old": "year < 2010"}}}},
            "gate.slices.expressions.old: 'year < 2010' names 'year', which source.fields.slices does not define",
        ),
        (
            {"gate": {"min_f1": {"sentence": 0.6}, "slices": {"expressions": {"old": "year.real < 2010"}}}},
            "gate.slices.expressions.old: 'year.real < 2010' holds 'year.real'; only comparisons",
        ),
        (
            {
                "model": {"scratch": {}, "heads": ["tokens"]},
                "gate": {"min_f1": {"tokens": 0.6}, "slices": {"label": True}},
            },
            "gate.slices.label needs the sentence or labels head, but model.heads is ['tokens']",
        ),
        ({"gate": {"min_f1": {"sentence": 0.6}, "primary": "tokens"}}, "gate.primary is 'tokens'"),
        ({"name": "Not A Name"}, "'name' is 'Not A Name'"),
        ({"training": {"epochs": 0}}, "'training.epochs' is 0"),
    ],
)
def test_recipe_refuses_conflicting_values(parts: dict[str, Any], message: str) -> None:
    assert message in refused(**parts)


def test_recipe_digest_covers_defaults_and_every_change() -> None:
    plain = Recipe.model_validate(recipe_values())
    spelled_out = Recipe.model_validate(recipe_values(split={"seed": 13}))
    changed = Recipe.model_validate(recipe_values(split={"seed": 14}))
    assert plain.digest == spelled_out.digest != changed.digest


def test_recipe_heads_are_ordered_and_the_first_is_primary() -> None:
    parts = {
        "model": {"scratch": {}, "heads": ["tokens", "sentence"]},
        "gate": {"min_f1": {"sentence": 0.1, "tokens": 0.1}},
    }
    recipe = Recipe.model_validate(recipe_values(**parts))
    assert recipe.heads == ["sentence", "tokens"]
    assert recipe.primary == "sentence"


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"training.seed": [1, 2]}, "tuning.space names 'training.seed'; it takes keys of training and model"),
        ({"gate.min_f1": [0.1]}, "tuning.space names 'gate.min_f1'"),
        ({"training.speed": [1]}, "tuning.space names 'training.speed'"),
        ({"training.batch_size": []}, "tuning.space.training.batch_size has no choices"),
        (
            {"training.batch_size": [8, 0]},
            "tuning.space.training.batch_size would try 0: 'training.batch_size' is 0, but must be",
        ),
        (
            {"training.warmup_ratio": {"low": 0.1, "high": 1.0}},
            "is 1.0, but must be a number (allowed: at least 0, below 1)",
        ),
        ({"model.crf": [True]}, "tuning.space.model.crf would try true: model.crf needs the token head"),
        ({"training.learning_rate": {"low": 1, "high": 1}}, "low 1 is not below high 1"),
        ({"training.learning_rate": {"low": 0, "high": 1, "log": True}}, "a logarithmic range starts above 0"),
    ],
)
def test_recipe_refuses_an_invalid_search_space(space: dict[str, Any], message: str) -> None:
    assert message in refused(tuning={"space": space})


def test_recipe_accepts_a_search_space_of_ranges_and_choices() -> None:
    space = {"training.learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}, "model.head_dropout": [0.1, 0.2]}
    recipe = Recipe.model_validate(recipe_values(tuning={"space": space}))
    assert recipe.tuning is not None
    assert recipe.tuning.when == "first"


def test_gate_reads_false_as_off() -> None:
    recipe = Recipe.model_validate(recipe_values(gate={"min_f1": {"sentence": 0.6}, "baseline": False}))
    assert recipe.gate.baseline == "off"


def test_recipe_describes_every_key() -> None:
    whole = Recipe.model_json_schema()
    sections = {"recipe": whole, **whole["$defs"]}
    for name, section in sections.items():
        for key, value in section.get("properties", {}).items():
            inner = sections.get(value.get("$ref", "").rpartition("/")[2], {})
            choices = [sections[part["$ref"].rpartition("/")[2]] for part in value.get("anyOf", ()) if "$ref" in part]
            described = [value, inner, *choices]
            assert any(schema.get("description") for schema in described), f"{name}.{key} has no description"


def test_recipe_schema_keeps_the_order_of_keys_for_forms() -> None:
    whole = Recipe.model_json_schema()
    shown = sorted(whole["properties"], key=lambda name: whole["properties"][name]["position"])
    assert shown == list(Recipe.model_fields)
    files = whole["$defs"]["FilesSource"]["properties"]
    assert min(files, key=lambda name: files[name]["position"]) == "kind"
    # Prefect's forms support anyOf, but not oneOf
    assert {part["$ref"].rpartition("/")[2] for part in whole["properties"]["source"]["anyOf"]} == {
        "MongoSource",
        "HubSource",
        "FilesSource",
    }


@pytest.mark.parametrize(
    ("model", "rate", "epochs"),
    [
        ({"scratch": {"layers": 1}, "heads": ["sentence"]}, 1e-3, 10),
        ({"encoder": ".", "heads": ["sentence"], "lora": {}}, 3e-4, 3),
        ({"encoder": ".", "heads": ["sentence"]}, 5e-5, 3),
    ],
)
def test_recipe_fills_in_training_defaults_by_the_kind_of_model(
    model: dict[str, Any], rate: float, epochs: float
) -> None:
    recipe = Recipe.model_validate(recipe_values(model=model))
    assert (recipe.training.learning_rate, recipe.training.epochs) == (rate, epochs)
    record = recipe.model_dump(mode="json")
    assert record["training"]["learning_rate"] == rate
    assert Recipe.model_validate(record).digest == recipe.digest
    given = Recipe.model_validate(recipe_values(model=model, training={"learning_rate": 0.007, "batch_size": 4}))
    assert (given.training.learning_rate, given.training.epochs, given.training.batch_size) == (0.007, epochs, 4)


def test_recipe_schema_omits_defaults_that_depend_on_the_model() -> None:
    """A form would set a default for every kind of model."""
    schema = Recipe.model_json_schema()
    assert "default" not in schema["properties"]["training"]
    keys = schema["$defs"]["Training"]["properties"]
    assert [key for key, value in keys.items() if "default" not in value] == ["epochs", "learning_rate"]


FILES = {"kind": "files", "fields": {"label": "label"}}


@pytest.mark.parametrize(
    ("paths", "method", "message"),
    [
        ({"v.jsonl": "validation"}, "stratified", "names the splits validation, but split.method is stratified"),
        ({"a": "train", "b": "all"}, "stratified", "set split.method: published, or write all in source.paths"),
        ({"v.jsonl": "validation"}, "published", "source.paths names no train"),
        ({"t": "train", "v": "validation"}, "published", "source.paths names no test split; write v: test there"),
        ({"t": "train"}, "published", "source.paths names no test split; write NAME: test there"),
    ],
)
def test_recipe_refuses_to_ignore_a_split_of_the_source(paths: dict[str, str], method: str, message: str) -> None:
    assert message in refused(source={**FILES, "paths": paths}, split={"method": method})


@pytest.mark.parametrize("paths", [{"t": "train", "v": "test"}, {"t": "train", "v": "validation", "e": "test"}])
def test_recipe_accepts_published_splits_with_a_test_split(paths: dict[str, str]) -> None:
    recipe = Recipe.model_validate(recipe_values(source={**FILES, "paths": paths}, split={"method": "published"}))
    assert recipe.split.method == "published"


def test_recipe_refuses_windows_of_pairs() -> None:
    source = {"kind": "files", "paths": {"a.jsonl": "all"}, "fields": {"text_pair": "answer", "label": "label"}}
    model = {"scratch": {}, "heads": ["sentence"], "long_texts": "windows"}
    message = refused(model=model, source=source)
    assert "model.long_texts is windows, but the rows are pairs of texts; set it to truncate" in message


def test_recipe_limits_abstentions_of_the_heads_that_decide() -> None:
    decision, limit = {"sentence": {"precision": 0.95}}, {"min_f1": {"sentence": 0.6}, "max_abstain": {"sentence": 0.4}}
    recipe = parse_recipe(recipe_values(decision=decision, gate=limit), "recipe.yaml")
    assert recipe.gate.max_abstain == {"sentence": 0.4}
    message = "gate.max_abstain.sentence is set, but decision.sentence is not; set it, or remove the key"
    assert message in refused(gate=limit)
