"""Recipes that `assay init` writes: for data of each form they load, and read the data without a reject."""

import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import pytest

from assay.corpus.errors import AssayError, DataError
from assay.flows.data_check import check_data
from assay.flows.recipe_proposal import ProposedRecipe, propose_recipe
from assay.recipes.loader import load_recipe
from assay.recipes.proposal.field_roles import Choices
from assay.recipes.proposal.proposed_recipe import Encoder
from assay.recipes.proposal.source_settings import source_settings
from assay.recipes.recipe import Recipe
from assay.recipes.source_section import FilesSource
from tests.mongo import Mongo

SHARED = Path(__file__).parents[3] / "shared" / "data"
NAMES = ("Acme", "Globex", "Initech", "Umbrella")
PLACES = ("Ulm", "New York", "Oslo")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, which the recipes are written into."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def word(number: int) -> str:
    """A word for each number: texts that differ in digits alone are near-duplicates."""
    return "".join(chr(ord("a") + number // 26**place % 26) for place in range(4))


def row(number: int) -> dict[str, Any]:
    name, place = NAMES[number % 4], PLACES[number % 3]
    text = f"{name} {('praises', 'mourns')[number % 2]} plant {word(number)} in {place}"
    begin = len(text) - len(place)
    entities = [
        {"start": 0, "end": len(name), "label": "ORG", "text": name},
        {"start": begin, "end": len(text), "label": "LOC", "text": place},
    ]
    return {"id": f"r{number}", "text": text, "label": ("good", "bad")[number % 2], "entities": entities}


def without(number: int, *keys: str) -> dict[str, Any]:
    return {key: value for key, value in row(number).items() if key not in keys}


def tagged(number: int) -> dict[str, Any]:
    words = row(number)["text"].split()
    tags = ["B-ORG", *["O"] * 4, "B-LOC", *["I-LOC"] * (len(words) - 6)]
    return {"tokens": words, "tags": tags, "intent": ("good", "bad")[number % 2]}


def parse(number: int) -> dict[str, Any]:
    entities = [{"EntityName": entity["text"], "type": entity["label"]} for entity in row(number)["entities"]]
    sentence = {"Text": row(number)["text"], "sentiment": row(number)["label"], "Entities": entities}
    return {"_id": number, "isRepost": None, "Parse": [sentence, {**sentence, "Text": sentence["Text"] + " again"}]}


def write_jsonl(path: Path, documents: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))


def write_csv(path: Path, documents: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(documents[0]))
        writer.writeheader()
        writer.writerows(documents)


def proposed(address: str, **settings: Any) -> tuple[ProposedRecipe, Recipe]:
    """Write a recipe and check the data with it, as `assay init` and `assay validate` do."""
    result = propose_recipe(address, **settings)
    recipe = load_recipe(result.path)
    report = check_data(recipe, Path("store"))
    assert report.problems == []
    assert report.counts is not None
    assert report.counts.rows == result.proposal.rows
    return result, recipe


Rows = Callable[[int], dict[str, Any]]


@pytest.mark.parametrize(
    ("document", "heads", "fields"),
    [
        (row, ["sentence", "tokens"], {"id": "id", "text": "text", "label": "label", "entities": "entities"}),
        (lambda n: without(n, "entities"), ["sentence"], {"id": "id", "text": "text", "label": "label"}),
        (lambda n: without(n, "label"), ["tokens"], {"id": "id", "text": "text", "entities": "entities"}),
        (tagged, ["sentence", "tokens"], {"tokens": "tokens", "tags": "tags", "label": "intent"}),
        (parse, ["sentence", "tokens"], {"id": "_id"}),
        (
            lambda n: {"premise": f"premise about {word(n)}", "hypothesis": f"hypothesis of {word(n)}", "label": n % 3},
            ["sentence"],
            {"text": "premise", "text_pair": "hypothesis", "label": "label"},
        ),
        (
            lambda n: {"data": {"body": row(n)["text"]}, "meta": {"stars": float(n % 2 + 1), "user_id": n // 2}},
            ["sentence"],
            {"text": "data.body", "label": "meta.stars", "group": "meta.user_id"},
        ),
    ],
)
def test_propose_recipe_for_jsonl(folder: Path, document: Rows, heads: list[str], fields: dict[str, str]) -> None:
    write_jsonl(folder / "news.jsonl", [document(number) for number in range(80)])
    _, recipe = proposed("news.jsonl")
    assert (recipe.name, recipe.registry.name, list(recipe.heads)) == ("news", "news", heads)
    assert recipe.source.fields.model_dump(exclude_defaults=True) == {
        key: name for key, name in fields.items() if (key, name) not in _DEFAULTS
    }


_DEFAULTS = {("text", "text"), ("tokens", "tokens"), ("tags", "tags")}


def test_propose_recipe_for_csv(folder: Path) -> None:
    write_csv(folder / "news.csv", [without(number, "entities") for number in range(60)])
    _, recipe = proposed("news.csv")
    assert (recipe.heads, recipe.source.fields.label) == (["sentence"], "label")


def test_propose_recipe_names_the_backslash_that_some_files_show(folder: Path) -> None:
    for name, mark in (("train.csv", '"'), ("test.csv", "")):
        with Path(name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, escapechar="\\", doublequote=False, quoting=csv.QUOTE_ALL)
            writer.writerow(["text", "label"])
            for number in range(60):
                text = f"said {mark}{word(number)}{mark} on C:\\new {name}"
                writer.writerow([text, ("good", "bad")[number % 2]])

    result, recipe = proposed("*.csv", name="quotes")

    assert isinstance(recipe.source, FilesSource)
    assert recipe.source.file.escape == "\\"
    assert {"\\\\" in document.values["text"] for document in result.sample.documents} == {False}


def test_propose_recipe_for_conll_files(folder: Path) -> None:
    lines = [
        "".join(f"{token} {tag}\n" for token, tag in zip(document["tokens"], document["tags"], strict=True))
        for document in map(tagged, range(60))
    ]
    (folder / "news.txt").write_text("\n".join(lines))

    _, recipe = proposed("news.txt")

    assert (recipe.source.format, recipe.heads) == ("tokens", ["tokens"])


def test_propose_recipe_for_a_folder_of_splits(folder: Path) -> None:
    for name, numbers in (("train", range(60)), ("dev", range(60, 80)), ("test", range(80, 100))):
        write_jsonl(folder / "atis" / f"{name}.jsonl", [tagged(number) for number in numbers])
    result, recipe = proposed("atis")
    assert result.sample.whole
    assert recipe.split.method == "published"


def test_propose_recipe_for_a_field_of_splits(folder: Path) -> None:
    splits = ("train", "train", "train", "dev", "test")
    write_jsonl(folder / "news.jsonl", [{**row(number), "split": splits[number // 2 % 5]} for number in range(100)])
    _, recipe = proposed("news.jsonl")
    assert (recipe.split.method, recipe.source.fields.split) == ("published", "split")


def test_propose_recipe_for_a_saved_data_set(folder: Path) -> None:
    labels = datasets.ClassLabel(names=["bad", "good"])
    features = datasets.Features({"text": datasets.Value("string"), "label": labels})
    parts = {
        name: datasets.Dataset.from_dict(
            {"text": [row(n)["text"] for n in numbers], "label": [n % 2 for n in numbers]}, features=features
        )
        for name, numbers in (("train", range(60)), ("test", range(60, 80)))
    }
    datasets.DatasetDict(parts).save_to_disk(folder / "set")
    result, recipe = proposed("set")
    assert recipe.split.method == "published"
    assert set(result.proposal.facts.classes) == {"bad", "good"}


def test_propose_recipe_tests_on_the_evaluation_of_a_saved_data_set(folder: Path) -> None:
    parts = {
        name: datasets.Dataset.from_list([without(n, "entities") for n in numbers])
        for name, numbers in (("train", range(60)), ("dev", range(60, 80)), ("eval", range(80, 100)))
    }
    datasets.DatasetDict(parts).save_to_disk(folder / "set")
    _, recipe = proposed("set")
    assert recipe.source.kind == "hub"
    assert recipe.source.splits == {"train": "train", "dev": "validation", "eval": "test"}


def test_propose_recipe_for_a_collection(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    mongo.fill("news", [parse(number) for number in range(40)])
    monkeypatch.setenv("NEWS_URI", mongo.uri)
    _, recipe = proposed(f"env:NEWS_URI/{mongo.database}.news")
    assert recipe.source.kind == "mongo"
    assert (recipe.source.uri, recipe.source.format) == ("env:NEWS_URI", "parse")


def test_propose_recipe_reads_no_more_of_a_collection_than_the_user_allows(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongo.fill("news", [row(number) for number in range(80)])
    monkeypatch.setenv("NEWS_URI", mongo.uri)
    address = f"env:NEWS_URI/{mongo.database}.news"
    settings = source_settings(["source.limit='50'", "source.filter={text: {$gt: B}}"])
    result, recipe = proposed(address, choices=Choices(settings=settings))
    assert (len(result.sample.documents), recipe.source.limit) == (50, 50)
    assert not any(document.values["text"].startswith("Acme") for document in result.sample.documents)


@pytest.mark.parametrize("address", ["env:NEWS_URI/shop.news", "owner/name"])
def test_propose_recipe_refuses_settings_of_files_for_other_sources(address: str) -> None:
    with pytest.raises(AssayError, match=r"^--set: unknown key 'source\.file'"):
        propose_recipe(address, choices=Choices(settings={"file": {"encoding": "latin-1"}}))


def test_propose_recipe_with_an_encoder(folder: Path) -> None:
    write_jsonl(folder / "news.jsonl", [row(number) for number in range(60)])
    recipe = load_recipe(propose_recipe("news.jsonl", encoder=Encoder("owner/encoder", "abc"), name="other").path)
    assert (recipe.model.encoder, recipe.model.revision, recipe.model.scratch) == ("owner/encoder", "abc", None)
    assert (folder / "other.yaml").exists()


def test_propose_recipe_for_another_encoding(folder: Path) -> None:
    lines = [f"schön {word(number)} war es;{('gut', 'schlecht')[number % 2]}" for number in range(60)]
    (folder / "news.csv").write_bytes("\n".join(["Satz;Label", *lines]).encode("windows-1252"))
    with pytest.raises(AssayError, match=r"news\.csv is not UTF-8"):
        propose_recipe("news.csv")
    _, recipe = proposed("news.csv", choices=Choices(settings={"file": {"encoding": "windows-1252"}}))
    assert recipe.source.fields.text == "Satz"


def test_propose_recipe_for_tags_without_prefixes(folder: Path) -> None:
    documents = [tagged(number) for number in range(60)]
    bare = [{**document, "tags": [tag[2:] or "O" for tag in document["tags"]]} for document in documents]
    write_jsonl(folder / "news.jsonl", bare)
    with pytest.raises(DataError, match=r"set source\.tagging\.scheme to io"):
        propose_recipe("news.jsonl")
    _, recipe = proposed("news.jsonl", choices=Choices(settings={"tagging": {"scheme": "io"}}))
    assert recipe.source.tagging.scheme == "io"


def test_propose_recipe_allows_the_rejects_of_the_sample(folder: Path) -> None:
    documents = [row(number) for number in range(100)]
    documents[7]["text"] = documents[9]["text"] = None
    write_jsonl(folder / "news.jsonl", documents)
    result, recipe = proposed("news.jsonl")
    assert len(result.rejects) == 2
    assert [(reason.kind, reason.count) for reason in result.reject_reasons] == [("text is null", 2)]
    assert recipe.source.max_reject_share == 0.03


def missing(column: str) -> list[dict[str, Any]]:
    """Rows of which every fourth has nothing in a column."""
    documents = [row(number) | ({column: None} if number % 4 == 0 else {}) for number in range(100)]
    return [{key: document[key] for key in ("text", "label")} for document in documents]


def test_propose_recipe_refuses_data_with_many_rejects(folder: Path) -> None:
    write_jsonl(folder / "news.jsonl", missing("text"))
    message = r"^25 of 100 rows of the sample cannot be read, most often \(25\): row news:1: text is null; "
    with pytest.raises(DataError, match=message):
        propose_recipe("news.jsonl")
    assert not (folder / "news.yaml").exists()


def test_propose_recipe_accepts_the_share_of_rejects_that_the_user_sets(folder: Path) -> None:
    write_jsonl(folder / "news.jsonl", missing("text"))
    with pytest.raises(DataError, match=r"^25 of 100 rows of the sample cannot be read"):
        propose_recipe("news.jsonl", choices=Choices(settings={"max_reject_share": 0.2}))
    result, recipe = proposed(
        "news.jsonl", choices=Choices(settings=source_settings(["source.max_reject_share='0.3'"]))
    )
    assert (len(result.rejects), recipe.source.max_reject_share) == (25, 0.3)


@pytest.mark.parametrize("write", [write_jsonl, write_csv])
def test_propose_recipe_leaves_out_rows_without_a_class(
    folder: Path, write: Callable[[Path, Sequence[Mapping[str, Any]]], None]
) -> None:
    name = "news.csv" if write is write_csv else "news.jsonl"
    write(folder / name, missing("label"))
    result, recipe = proposed(name)
    assert (result.left_out, result.rejects, result.proposal.rows) == (25, [], 75)
    assert recipe.source.no_label == [""]


def test_propose_recipe_refuses_files_that_are_no_data_set(folder: Path) -> None:
    for name in ("train", "test"):
        write_jsonl(folder / "news" / f"{name}.jsonl", [without(number, "entities") for number in range(60)])
    write_jsonl(folder / "news" / "test.jsonl", [{"satz": row(number)["text"]} for number in range(30)])
    message = r"train\.jsonl has the fields id, text, label, but .*test\.jsonl has satz: give rows that belong together"
    with pytest.raises(DataError, match=message):
        propose_recipe("news")


def test_propose_recipe_refuses_a_class_of_one_row(folder: Path) -> None:
    documents = [without(number, "entities") for number in range(60)]
    documents[3]["label"] = "rare"
    write_jsonl(folder / "news.jsonl", documents)
    with pytest.raises(DataError, match=r"^one row alone has rare: too few .*--set 'source\.no_label=\[\"rare\"\]'"):
        propose_recipe("news.jsonl")
    result, _ = proposed("news.jsonl", choices=Choices(settings={"no_label": ["rare"]}))
    assert (result.left_out, result.proposal.rows) == (1, 59)


def test_propose_recipe_leaves_out_rare_classes_beside_those_that_the_user_has_left_out(folder: Path) -> None:
    documents = [without(number, "entities") for number in range(60)]
    for number, name in enumerate(("NA", "NA", "", "rare")):
        documents[number]["label"] = name
    write_jsonl(folder / "news.jsonl", documents)
    with pytest.raises(DataError) as error:
        propose_recipe("news.jsonl", choices=Choices(settings={"no_label": ["NA"]}))
    [override] = re.findall(r"--set '([^']+)'", str(error.value))
    assert override == 'source.no_label=["NA", "rare"]'
    result, _ = proposed("news.jsonl", choices=Choices(settings=source_settings([override])))
    assert (result.left_out, result.proposal.rows) == (4, 56)


def test_propose_recipe_asks_for_the_names_of_columns(folder: Path) -> None:
    lines = [f"{row(number)['text']},{row(number)['label']}\n" for number in range(60)]
    (folder / "news.csv").write_text("".join(lines))
    with pytest.raises(AssayError, match=r"^the first line of news\.csv is read as the names of .*, but 'good'"):
        propose_recipe("news.csv")
    (folder / "news.csv").write_text("text,label\n" + "".join(lines))
    assert proposed("news.csv")[0].proposal.rows == 60


def test_propose_recipe_writes_the_settings_that_the_user_gave(folder: Path) -> None:
    documents = [without(number, "entities") | {"label": ("good", "Good ", "NA")[number % 3]} for number in range(90)]
    documents += [without(number, "entities") | {"label": "bad"} for number in range(90, 120)]
    (folder / "news.json").write_text(json.dumps({"a": documents, "b": [{"x": 1}]}))
    settings = {"file": {"rows": "a"}, "no_label": ["NA"], "fold_labels": True, "label_map": {"bad": "poor"}}
    result, recipe = proposed("news.json", choices=Choices(settings=settings))
    assert dict(result.proposal.facts.classes) == {"good": 60, "poor": 30}
    assert (recipe.source.no_label, recipe.source.fold_labels, recipe.source.label_map) == (
        ["NA"],
        True,
        {"bad": "poor"},
    )


def test_propose_recipe_reads_a_folder_of_brat_by_the_rules_of_the_user(folder: Path) -> None:
    brat = folder / "drugs"
    brat.mkdir()
    for number in range(60):
        (brat / f"{number:02}.txt").write_text(f"{word(number)} helps Anna in {PLACES[number % 3]}.")
        (brat / f"{number:02}.ann").write_text(f"T1\tDRUG 0 4\t{word(number)}\nR1\tHelps Arg1:T1 Arg2:T1\n")

    with pytest.raises(AssayError, match=r"row drugs:00: relations are not read: .*\.relations to ignore"):
        propose_recipe("drugs")
    _, recipe = proposed("drugs", choices=Choices(settings={"annotations": {"relations": "ignore"}}))

    assert recipe.source.annotations.relations == "ignore"
    assert recipe.heads == ["tokens"]


def test_propose_recipe_names_the_file_of_the_user_in_errors(folder: Path) -> None:
    write_jsonl(folder / "news.jsonl", [row(number) for number in range(60)])
    with pytest.raises(AssayError, match=r"^My Recipe\.yaml: 'name' is 'My Recipe', but must be text \(allowed: lower"):
        propose_recipe("news.jsonl", name="My Recipe")
    assert [path.name for path in folder.iterdir()] == ["news.jsonl"]
    with pytest.raises(AssayError, match=r"^--config is for data sets of the hub, but news\.jsonl is none"):
        propose_recipe("news.jsonl", config="de")


def test_propose_recipe_overwrites_nothing_unasked(folder: Path) -> None:
    write_jsonl(folder / "news.jsonl", [row(number) for number in range(60)])
    (folder / "news.yaml").write_text("mine")
    with pytest.raises(AssayError, match=r"^news\.yaml exists; choose another --output or --name, or add --overwrite$"):
        propose_recipe("news.jsonl")
    assert (folder / "news.yaml").read_text() == "mine"
    propose_recipe("news.jsonl", overwrite=True)
    assert load_recipe(folder / "news.yaml").name == "news"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"^news\.jsonl: there are no rows to look at; name data with rows$"),
        ("{\n", r"^news\.jsonl: no row could be read; row news\.jsonl:1: not valid JSON"),
        ("[1]\n", r"^news\.jsonl: no row could be read; row news\.jsonl:1: not a JSON object"),
    ],
)
def test_propose_recipe_needs_rows(folder: Path, text: str, message: str) -> None:
    (folder / "news.jsonl").write_text(text)
    with pytest.raises(DataError, match=message):
        propose_recipe("news.jsonl")


@pytest.mark.skipif(not SHARED.is_dir(), reason="reads real data sets that are not part of the project")
@pytest.mark.parametrize(
    ("name", "choices", "heads", "method"),
    [
        ("sentfin/sentfin_train.jsonl", Choices(), ["sentence", "tokens"], "stratified"),
        ("sentfin", Choices(), ["sentence", "tokens"], "published"),
        ("snips", Choices(), ["sentence", "tokens"], "published"),
        ("wnut17", Choices(), ["tokens"], "published"),
        ("twitter_financial", Choices(), ["sentence"], "published"),
        ("boolq", Choices(), ["sentence"], "published"),
        ("med_de", Choices(), ["tokens"], "stratified"),
        ("amazon_reviews", Choices(label="rating"), ["sentence"], "stratified"),
    ],
)
def test_propose_recipe_for_real_data(name: str, choices: Choices, heads: list[str], method: str) -> None:
    result = propose_recipe(str(SHARED / name), choices=choices)
    recipe = load_recipe(result.path)
    assert (list(recipe.heads), recipe.split.method) == (heads, method)
    assert not result.rejects
