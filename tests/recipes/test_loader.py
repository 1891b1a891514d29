from pathlib import Path

import pytest
import yaml

from assay.corpus.errors import AssayError
from assay.recipes.loader import SHIPPED, load_recipe
from tests.snapshots import recipe_values


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe_values()), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.yaml")))
def test_load_recipe_finds_every_shipped_recipe_by_name(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_recipe(name).name == name
    assert load_recipe(f"{name}.yaml").name == name


def test_load_recipe_reads_overrides_as_yaml(file: Path) -> None:
    recipe = load_recipe(
        file,
        [
            "training.epochs=5",
            "split.remember=false",
            "gate.min_f1={sentence: 0.7}",
            "training.early_stopping=2",
            "validation.labels=[a, b]",
            "source.label_map={'0': bad}",
        ],
    )
    assert recipe.training.epochs == 5
    assert recipe.split.remember is False
    assert recipe.gate.min_f1 == {"sentence": 0.7}
    assert recipe.validation.labels == ["a", "b"]
    assert recipe.source.label_map == {"0": "bad"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epoch=3", "unknown key 'training.epoch' (value 3); did you mean 'training.epochs'?"),
        ("trainig.epochs=3", "unknown key 'trainig' (value {'epochs': 3}); did you mean 'training'?"),
        ("split.metod=time", "did you mean 'split.method'?"),
        ("source.fields.lable=x", "did you mean 'source.fields.label'?"),
        ("gate.min_precision_at={sentence: {coverages: 1}}", "did you mean 'gate.min_precision_at.sentence.coverage'?"),
        ("source.uri=env:X", "unknown key 'source.uri' (value 'env:X'); it does not go with the other keys, remove it"),
        (
            "model.scratch.hidden=130",
            "model.scratch.hidden is 130, which is not a multiple of model.scratch.attention_heads 4",
        ),
        ("model.lora={r: 4}", "model.lora freezes the encoder, but model.scratch starts from random weights; use one"),
        ("qqqqqqqq=1", "unknown key 'qqqqqqqq' (value 1); remove it"),
        ("training.epochs=many", "'training.epochs' is 'many'"),
        ("training.epochs", "is not KEY=VALUE, for example --set training.epochs=3"),
        ("=3", "is not KEY=VALUE"),
        ("name.first=x", "'name' holds 'tiny', which has no keys; set 'name' itself"),
        ("training.epochs=[1", "is not a YAML value"),
    ],
)
def test_load_recipe_reports_a_wrong_override_with_the_remedy(file: Path, override: str, message: str) -> None:
    with pytest.raises(AssayError) as caught:
        load_recipe(file, [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_load_recipe_reports_all_faults_at_once(file: Path) -> None:
    with pytest.raises(AssayError) as caught:
        load_recipe(file, ["training.epoch=3", "split.sed=1", "registry={}"])
    for part in ("training.epochs", "split.seed", "key 'registry.name' is missing; add it"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1", "is not valid YAML"),
        (b"\xff\xfe\x00", "is not valid YAML"),
        (b"- a\n- b\n", "is not a mapping of keys"),
        (b"", "is not a mapping of keys"),
        (b"!!python/object/apply:os.getcwd []", "is not valid YAML"),
    ],
)
def test_load_recipe_names_a_file_that_is_not_a_recipe(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(AssayError, match=r"bad\.yaml") as caught:
        load_recipe(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_load_recipe_lists_the_shipped_recipes_for_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="is neither a file nor a shipped recipe") as caught:
        load_recipe(tmp_path / "nothing.yaml")
    assert "news-joint" in str(caught.value)


SOURCE = "source: {kind: files, paths: {rows.jsonl: all}, fields: {label: label}"
REST = """
name: tiny
model: {scratch: {}, heads: [sentence]}
gate: {min_f1: {sentence: 0.6}}
registry: {name: tiny}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "written.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("written_map", "read"),
    [
        ("{0: bearish, 1: bullish}", {"0": "bearish", "1": "bullish"}),
        ("{no: negative, yes: positive}", {"no": "negative", "yes": "positive"}),
        ("{on: up, off: down, y: a, n: b}", {"on": "up", "off": "down", "y": "a", "n": "b"}),
        ("{true: yes, false: no}", {"true": "yes", "false": "no"}),
        ("{True: yes, FALSE: no}", {"true": "yes", "false": "no"}),
        ("{12:30: early, 1_000: many, 010: ten}", {"12:30": "early", "1_000": "many", "010": "ten"}),
        ("{2026-01-01: new}", {"2026-01-01": "new"}),
        ("{1.0: one, 1e-3: small, -1: below}", {"1.0": "one", "1e-3": "small", "-1": "below"}),
        ("{a: 12:30, b: 1_000}", {"a": "12:30", "b": "1_000"}),
    ],
)
def test_load_recipe_reads_keys_and_labels_as_they_are_written(
    tmp_path: Path, written_map: str, read: dict[str, str]
) -> None:
    recipe = load_recipe(written(tmp_path, f"{SOURCE}, label_map: {written_map}}}{REST}"))
    assert recipe.source.label_map == read
    other = load_recipe(written(tmp_path, f"{SOURCE}}}{REST}"), [f"source.label_map={written_map}"])
    assert other.source.label_map == read


def test_load_recipe_reads_numbers_without_a_point(tmp_path: Path) -> None:
    tuning = "tuning: {space: {training.learning_rate: [1e-3, 5E-4], training.seed_of: [1]}}"
    recipe = load_recipe(written(tmp_path, f"{SOURCE}}}{REST}" + tuning.replace(", training.seed_of: [1]", "")))
    assert recipe.tuning is not None
    assert recipe.tuning.space == {"training.learning_rate": [0.001, 0.0005]}
    assert load_recipe(written(tmp_path, f"{SOURCE}}}{REST}"), ["training.deterministic=yes"]).training.deterministic


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{SOURCE}}}{REST}gate: {{min_f1: {{sentence: 0.1}}}}", "the key 'gate' is already in line 4"),
        (f"{SOURCE}, label_map: {{1: a, '1': b}}}}{REST}", "line 1: the key '1' is already in line 1"),
        (f"{SOURCE}, label_map: {{a: x, a: x}}}}{REST}", "the key 'a' is already in line 1"),
        (f"{SOURCE}, label_map: {{~: a}}}}{REST}", "a key is empty or null; name it"),
        (f"{SOURCE}, label_map: {{? [a, b] : c}}}}{REST}", "a list or mapping cannot be a key"),
        (
            f"{SOURCE}, label_map: &m {{a: *m}}}}{REST}",
            "is not valid YAML: line 1: a reference to the list or mapping that it is in; remove it",
        ),
        (f"{SOURCE}, label_map: {{a: 2026-13-45}}}}{REST}", "if it is text, put it in quotes"),
        (f"{SOURCE}}}{REST}1: x", "unknown key '1' (value 'x')"),
        (f"{SOURCE}}}{REST}validation: {{labels: [1, 2]}}", "'validation.labels.0' is a number, but must be text"),
        (
            f"source: {{kind: mongo, database: d, collection: c, filter: {{seen: no}}}}{REST}",
            'source.filter holds no, which may be a boolean or text; write true or false, or "no" in quotes',
        ),
    ],
)
def test_load_recipe_refuses_ambiguous_yaml_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(AssayError, match=r"written\.yaml") as caught:
        load_recipe(written(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("&a {b: *a}", "a reference to the list or mapping that it is in"),
        ("&a [*a]", "a reference to the list or mapping that it is in"),
        ("&a {b: [*a]}", "a reference to the list or mapping that it is in"),
        ("[" * 3000, "nested too deeply; remove levels"),
        ("[" * 3000 + "]" * 3000, "nested too deeply; remove levels"),
        ("{a: " * 3000 + "1" + "}" * 3000, "nested too deeply; remove levels"),
        ("[" * 330 + "]" * 330, ""),  # near the limit: whichever part gives up first
        ("!!bool maybe", "line 1: 'maybe' cannot be read as bool; if it is text, put it in quotes"),
        ("!!timestamp foo", "line 1: 'foo' cannot be read as timestamp"),
        ("!!int x", "line 1: 'x' cannot be read as int"),
        ("!!float ''", "line 1: '' cannot be read as float"),
        ("!!map foo", "the value after !!map is not a mapping"),
        ("!!map [a]", "the value after !!map is not a mapping"),
        ("!!seq {a: b}", "the value after !!seq is not a list"),
        ("!!seq a", "the value after !!seq is not a list"),
        ("!!binary ü", "failed to convert base64"),
        ("!!omap a", "expected"),
        ("!!str [a]", "expected"),
        ("1" * 6000, "cannot be read as int"),
        ("2026-02-30", "'2026-02-30' cannot be read as timestamp"),
        ("2026-01-01 10:00:00+99:00", "cannot be read as timestamp"),
        ("!!python/name:os.getcwd", "could not determine a constructor"),
    ],
)
def test_load_recipe_reports_an_unreadable_value_in_one_line(tmp_path: Path, value: str, message: str) -> None:
    recipe = written(tmp_path, f"{SOURCE}}}{REST}")
    with pytest.raises(AssayError) as override:
        load_recipe(recipe, [f"source.label_map={value}"])
    with pytest.raises(AssayError) as file:
        load_recipe(written(tmp_path, f"name: {value}\n"))
    with pytest.raises(AssayError) as whole:
        load_recipe(written(tmp_path, value))
    if "holds no mapping" in str(whole.value):
        whole = file
    for caught in (override, file, whole):
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_load_recipe_reports_keys_nested_too_deeply_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="nested too deeply; remove levels"):
        load_recipe(written(tmp_path, f"{SOURCE}}}{REST}"), [".".join("a" * 2000) + "=1"])


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1", "number"),
        ("0123456", "number"),
        ("12e4567", "number"),
        ("0x1f", "number"),
        ("1.50", "number"),
        ("True", "boolean"),
        ("2026-01-01", "date"),
        ("2026-01-01 10:00:00Z", "datetime"),
    ],
)
def test_load_recipe_asks_for_quotes(tmp_path: Path, value: str, kind: str) -> None:
    recipe = written(tmp_path, f"{SOURCE}}}{REST}")
    for key in ("model.revision", "registry.experiment", "source.label_map.a", "source.fields.text"):
        with pytest.raises(AssayError) as caught:
            load_recipe(recipe, [f"{key}={value}"])
        message = f"'{key}' is a {kind}, but must be text; put it in quotes"
        assert message in str(caught.value).split(": ", 1)[1].split("; '")
    remedied = load_recipe(recipe, [f"source.label_map.a='{value}'", f"registry.experiment='{value}'"])
    assert remedied.source.label_map["a"] == remedied.registry.experiment == value


@pytest.mark.parametrize("value", ["", "~", "null"])
@pytest.mark.parametrize("key", ["name", "source.label_map.a", "registry.name"])
def test_load_recipe_asks_for_a_missing_text(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(AssayError) as caught:
        load_recipe(written(tmp_path, f"{SOURCE}}}{REST}"), [f"{key}={value}"])
    message = f"'{key}' is empty or null, but must be text; write a text"
    assert str(caught.value).endswith(message + (", or remove it" if key == "source.label_map.a" else ""))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: a\n\tsource: b\n", "line 2: a tab begins a value; indent with spaces"),
        ("name: 'a\nsource: {}\n", "line 3: the quote that opens in line 1 is never closed; close it"),
        ('name: a\ndescription: "b\n', "line 3: the quote that opens in line 2 is never closed; close it"),
        ("description: a: b\n", "line 1: a colon where no key may be; indent keys of one section alike"),
        ("name: a\nsource\nmodel: {}\n", "line 3: a line without KEY: VALUE; add the colon"),
        ("name: a\nlabels: [a, b\nmodel: x\n", "line 3: the list that opens in line 2 is not closed; add ]"),
        ("name: a\nsource: {kind: files\n", "line 3: the mapping that opens in line 2 is not closed; add }"),
        ("name: 'a' b\n", "line 1: a value that does not continue the section of line 1; indent its keys alike"),
        ("name: @a\n", "line 1: a value begins with a character that YAML keeps; put it in quotes"),
        ("name: *a\n", "line 1: * begins a reference to a name that is not defined"),
        ("name: a\x00\n", "holds the control character"),
    ],
)
def test_load_recipe_names_the_line_that_is_not_yaml(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(AssayError, match=r"written\.yaml is not valid YAML: ") as caught:
        load_recipe(written(tmp_path, content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_load_recipe_keeps_yes_and_no_as_keys_of_labels(tmp_path: Path) -> None:
    keys = "yes: up, no: down, on: up, off: down, Yes: up, NO: down, true: up, 1: up, ~a: down"
    recipe = load_recipe(written(tmp_path, f"{SOURCE}, label_map: {{{keys}}}}}{REST}"))
    assert list(recipe.source.label_map) == ["yes", "no", "on", "off", "Yes", "NO", "true", "1", "~a"]


def test_load_recipe_reads_yes_and_no_as_names_of_classes(tmp_path: Path) -> None:
    text = f"{SOURCE}}}{REST}validation: {{labels: [yes, no, on, off]}}"
    assert load_recipe(written(tmp_path, text)).validation.labels == ["yes", "no", "on", "off"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("source=null", "run `assay init DATA`, which writes a recipe for your data"),
        ("source={paths: {a.jsonl: all}}", "key 'source.kind' is missing; add one of mongo, hub, files"),
        ("source={kind: file}", "'source.kind' is 'file', but must be one of mongo, hub, files; did you mean 'files'?"),
        ("split.method=stratify", "must be one of stratified, published, time; did you mean 'stratified'?"),
        (
            "gate.min_f1={sentnce: 0.5}",
            "unknown key 'gate.min_f1.sentnce'; allowed: sentence, labels, tokens; did you mean",
        ),
        ("training.epochs=true", "'training.epochs' is true, but must be a number (allowed: above 0, at most 10,000)"),
        ("tuning.space.training.epochs=5", "'tuning.space.training.epochs' is 5, but must be"),
        ("tuning.space.training.epochs=[{a: 1}]", "'tuning.space.training.epochs.0' is {'a': 1}, but must be a number"),
        ("validation.labels=a", "'validation.labels' is 'a', but must be a list of texts or null"),
    ],
)
def test_load_recipe_says_what_a_key_takes(file: Path, override: str, message: str) -> None:
    with pytest.raises(AssayError) as caught:
        load_recipe(file, [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_load_recipe_says_how_to_begin_without_a_source(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="key 'source' is missing; run `assay init DATA`, which writes a recipe"):
        load_recipe(written(tmp_path, REST))


def test_load_recipe_takes_a_dotted_name_as_one_key_of_a_mapping_of_names(file: Path) -> None:
    recipe = load_recipe(file, ["tuning.space.training.epochs=[1, 2]", "source.paths.more.jsonl=all"])
    assert recipe.tuning is not None
    assert recipe.tuning.space == {"training.epochs": [1, 2]}
    assert recipe.source.model_dump()["paths"] == {"rows.jsonl": "all", "more.jsonl": "all"}


MONGO = "kind: mongo, database: d, collection: c"


@pytest.mark.parametrize(
    "filtered",
    [
        "{active: yes}",
        "{active: {$in: [no, 1]}}",
        "{$or: [{a: 1}, {b: {$ne: OFF}}]}",
        "{<<: {active: no}}",
        "{<<: [{b: 1}, {active: no}]}",
    ],
)
def test_load_recipe_refuses_yes_and_no_in_a_filter(tmp_path: Path, filtered: str) -> None:
    message = "source.filter holds .*, which may be a boolean or text; write true or false, or"
    own = written(tmp_path, f"source: {{{MONGO}}}{REST}")
    for override in (f"source.filter={filtered}", f"source={{{MONGO}, filter: {filtered}}}", "source.filter.active=y"):
        with pytest.raises(AssayError, match=rf"--set .*{message}") as caught:
            load_recipe(own, [override])
        assert "\n" not in str(caught.value)
    for source in (
        f"source: {{{MONGO}, filter: {filtered}}}",
        f"source: {{<<: {{{MONGO}, filter: {filtered}}}, seed: 1}}",
        f"source:\n  <<: {{{MONGO}, filter: {filtered}}}\n",
        f"<<: {{source: {{{MONGO}, filter: {filtered}}}}}",
    ):
        with pytest.raises(AssayError, match=message):
            load_recipe(written(tmp_path, source + REST))


def test_load_recipe_accepts_yes_and_no_in_quotes_and_outside_filters(tmp_path: Path) -> None:
    text = f"source: {{{MONGO}, filter: {{<<: {{a: no}}, a: 'no', b: [true, \"on\"]}}}}{REST}"
    overrides = ["source.filter.c='yes'", "source.filter.no=true", "source.fields.text=on", "split.seed=3"]
    recipe = load_recipe(written(tmp_path, text), overrides)
    assert recipe.source.model_dump()["filter"] == {"a": "no", "b": [True, "on"], "c": "yes", "no": True}
    assert recipe.source.fields.text == "on"


def test_load_recipe_keeps_anchors_and_merge_keys(tmp_path: Path) -> None:
    text = REST.replace("gate: {min_f1: {sentence: 0.6}}", "gate: &g {min_f1: {sentence: 0.6}, baseline: 'off'}")
    merged = text.replace("registry:", "monitoring: {limits: {f1: 0.1}}\nregistry:")
    assert load_recipe(written(tmp_path, f"{SOURCE}}}{merged}")).gate.baseline == "off"
    merge = text.replace("gate: &g", "gate: {<<: &g").replace("'off'}", "'off'}, baseline: tfidf}")
    assert load_recipe(written(tmp_path, f"{SOURCE}}}{merge}")).gate.baseline == "tfidf"


def test_load_recipe_sets_a_key_of_a_section_that_the_file_leaves_empty(tmp_path: Path) -> None:
    path = written(tmp_path, yaml.safe_dump(recipe_values()) + "training:\n")
    assert load_recipe(path, ["training.epochs=7"]).training.epochs == 7
