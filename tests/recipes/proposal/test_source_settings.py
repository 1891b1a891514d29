import pytest

from assay.corpus.errors import AssayError
from assay.recipes.proposal.source_settings import check_settings, source_settings, with_settings


def test_source_settings_reads_keys_of_the_source() -> None:
    overrides = ["source.file.encoding=latin-1", "source.file.rows=items", "source.no_label=[NA]"]
    assert source_settings(overrides) == {"file": {"encoding": "latin-1", "rows": "items"}, "no_label": ["NA"]}
    assert source_settings([]) == {}


@pytest.mark.parametrize("override", ["training.epochs=3", "source.fields.text=body", "source.paths={}", "source=3"])
def test_source_settings_refuses_other_keys(override: str) -> None:
    with pytest.raises(AssayError, match=r"^--set [\w.]+: assay init takes only file, filter, .* of source; name"):
        source_settings([override])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("source.file.encoding=utf-99", "source.file.encoding is 'utf-99', which is not a text encoding"),
        ("source.file.code=utf-8", "source.file.code"),
        ("source.fold_labels=maybe", "source.fold_labels"),
        ("source.tagging.scheme=bio3", "source.tagging.scheme"),
        ("source.limit=0", "source.limit"),
        ("source.max_reject_share=2", "source.max_reject_share"),
    ],
)
def test_check_settings_names_a_wrong_key_or_value(override: str, message: str) -> None:
    assert message in refusal("files", override)


@pytest.mark.parametrize(
    ("kind", "override", "message"),
    [
        ("hub", "source.file.encoding=latin-1", "unknown key 'source.file'"),
        ("mongo", "source.file.encoding=latin-1", "unknown key 'source.file'"),
        ("hub", "source.filter={stars: {$gt: 3}}", "source.filter"),
        ("files", "source.filter={stars: {$gt: 3}}", "source.filter"),
        ("mongo", "source.filter={$where: x}", "source.filter"),
    ],
)
def test_check_settings_refuses_what_the_kind_of_source_lacks(kind: str, override: str, message: str) -> None:
    assert message in refusal(kind, override)


def refusal(kind: str, override: str) -> str:
    """Return the line that refuses a setting."""
    with pytest.raises(AssayError, match=r"^--set: ") as error:
        check_settings(kind, source_settings([override]))
    assert "pydantic" not in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kind", ["files", "hub", "mongo"])
def test_check_settings_accepts_what_each_kind_of_source_has(kind: str) -> None:
    check_settings(kind, source_settings(["source.filter.lang=en", "source.limit=100", "source.no_label=[NA]"]))


def test_check_settings_accepts_the_operators_of_a_database() -> None:
    check_settings("mongo", source_settings(["source.filter={stars: {$gt: 3}}"]))


def test_source_settings_needs_a_value() -> None:
    with pytest.raises(AssayError, match="is not KEY=VALUE"):
        source_settings(["source.file"])


def test_with_settings_lets_the_user_decide() -> None:
    layout = {"format": "tokens", "tagging": {"scheme": "iob2", "join": ""}}
    merged = with_settings(layout, {"tagging": {"scheme": "io"}, "file": {"encoding": "latin-1"}})
    assert (merged.format, merged.tagging.scheme, merged.tagging.join) == ("tokens", "io", "")
