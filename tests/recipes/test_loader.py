from pathlib import Path

import pytest
import yaml

from corpus.errors import AssayError
from recipes.loader import SHIPPED, load_recipe
from tests.snapshots import recipe_values


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe_values()), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.yaml")))
def test_every_shipped_recipe_loads_by_its_name(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_recipe(name).name == name
    assert load_recipe(f"{name}.yaml").name == name


def test_overrides_are_read_as_yaml(file: Path) -> None:
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
        ("source.uri=env:X", "unknown key 'source.uri' (value 'env:X'); it does not go with the other keys, remove it"),
        ("model.scratch.hidden=130", "model.scratch.hidden is 130, which model.scratch.attention_heads 4 does not"),
        ("model.lora={r: 4}", "model.lora freezes the encoder, and model.scratch begins with random weights; use one"),
        ("qqqqqqqq=1", "unknown key 'qqqqqqqq' (value 1); remove it"),
        ("training.epochs=many", "'training.epochs' is 'many'"),
        ("training.epochs", "is not KEY=VALUE, for example --set training.epochs=3"),
        ("=3", "is not KEY=VALUE"),
        ("name.first=x", "'name' holds 'tiny', not a group of keys"),
        ("training.epochs=[1", "is not a YAML value"),
    ],
)
def test_a_wrong_override_is_one_line_with_the_remedy(file: Path, override: str, message: str) -> None:
    with pytest.raises(AssayError) as caught:
        load_recipe(file, [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_faults_are_told_at_once(file: Path) -> None:
    with pytest.raises(AssayError) as caught:
        load_recipe(file, ["training.epoch=3", "split.sed=1", "registry={}"])
    for part in ("training.epochs", "split.seed", "key 'registry.name' is missing; add it"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1", "is not valid YAML"),
        (b"\xff\xfe\x00", "is not valid YAML"),
        (b"- a\n- b\n", "holds no mapping of keys"),
        (b"", "holds no mapping of keys"),
        (b"!!python/object/apply:os.getcwd []", "is not valid YAML"),
    ],
)
def test_a_file_that_is_no_recipe_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(AssayError, match=r"bad\.yaml") as caught:
        load_recipe(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_the_shipped_recipes(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="is neither a file nor a shipped recipe") as caught:
        load_recipe(tmp_path / "nothing.yaml")
    assert "news-joint" in str(caught.value)
