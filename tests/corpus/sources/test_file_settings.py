from typing import Any

import pytest
from pydantic import ValidationError

from assay.corpus.sources.file_settings import FileSettings, same_encoding


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"encoding": "latin-x"},
            "source.file.encoding is 'latin-x', which is not a text encoding; write windows-1252",
        ),
        ({"encoding": "base64"}, "source.file.encoding is 'base64', which is not a text encoding; write windows-1252"),
        ({"separator": '"'}, "source.file.separator is '\"'; write one of , ; | or"),
        ({"separator": "a"}, "source.file.separator is 'a'; write one of , ; | or"),
        ({"columns": {"tokens": 0}}, "source.file.columns.tokens is 0; columns are counted from 1, or from -1"),
    ],
)
def test_file_settings_refuse_with_the_remedy(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        FileSettings.model_validate(settings)
    assert message in str(error.value)


def test_same_encoding_knows_the_names_of_an_encoding() -> None:
    assert same_encoding("windows-1252", "CP1252")
    assert not same_encoding("utf-8", "utf-8-sig")
