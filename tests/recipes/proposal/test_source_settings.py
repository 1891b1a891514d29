import pytest

from assay.corpus.errors import AssayError
from assay.recipes.proposal.source_settings import source_settings, with_settings


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
        ("source.file", "is not KEY=VALUE"),
    ],
)
def test_source_settings_names_a_wrong_key_or_value(override: str, message: str) -> None:
    with pytest.raises(AssayError) as error:
        source_settings([override])
    assert message in str(error.value)
    assert "pydantic" not in str(error.value)
    assert "\n" not in str(error.value)


def test_with_settings_lets_the_user_decide() -> None:
    layout = {"format": "tokens", "tagging": {"scheme": "iob2", "join": ""}}
    merged = with_settings(layout, {"tagging": {"scheme": "io"}, "file": {"encoding": "latin-1"}})
    assert (merged.format, merged.tagging.scheme, merged.tagging.join) == ("tokens", "io", "")
