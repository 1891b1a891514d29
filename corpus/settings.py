"""Base of all recipe sections: a closed, frozen schema that readers and recipes share."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


def in_order(schema: dict[str, Any]) -> None:
    """Number the keys of a JSON schema, `kind` first.

    PostgreSQL drops the order of keys, and Prefect's forms sort by number.
    """
    names = sorted(schema.get("properties", {}), key=lambda name: name != "kind")
    for position, name in enumerate(names):
        schema["properties"][name]["position"] = position


class StrictModel(BaseModel):
    """Base of all recipe sections: immutable, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, json_schema_extra=in_order)


# Range of valid seeds for the random generators of numpy and torch.
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
