"""Bounds of the settings of a server."""

import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from assay.serving.http.server_settings import Limits, LogSettings, Settings
from tests.numbers import unbounded_numbers


@pytest.mark.parametrize("kind", [Settings, Limits, LogSettings])
def test_settings_bound_every_number(kind: type[Any]) -> None:
    assert list(unbounded_numbers(TypeAdapter(kind).json_schema())) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 1e300])
def test_settings_refuse_numbers_out_of_bounds(value: float) -> None:
    for make in (
        lambda: Limits(deadline=value),
        lambda: LogSettings(Path("log"), share=value),
        lambda: Settings("model", drain=value),
    ):
        with pytest.raises(ValidationError):
            make()
