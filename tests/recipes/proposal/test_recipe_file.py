import yaml

from assay.recipes.proposal.recipe_file import Line, recipe_text, values_of

LINES = [
    Line("name", "news", "a comment"),
    Line("source", children=(Line("paths", {"a: b.jsonl": "all"}), Line("empty", "")), comment="where rows come from"),
    Line("map", {f"key-{number}": "a long value" for number in range(20)}),
]


def test_recipe_text_holds_the_values() -> None:
    assert yaml.safe_load(recipe_text(["head"], LINES)) == values_of(LINES)


def test_recipe_text_has_a_comment_beside_each_key_and_no_long_line() -> None:
    lines = recipe_text(["written by a test", ""], LINES).splitlines()
    assert lines[:2] == ["# written by a test", "#"]
    assert lines[3] == "name: news                                      # a comment"
    assert max(map(len, lines)) <= 118
