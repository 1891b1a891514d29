"""What every part of a recipe is made of: a closed, frozen schema, which readers and recipes share."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


def in_order(schema: dict[str, Any]) -> None:
    """Number the keys of a JSON schema: PostgreSQL forgets their order, and Prefect's forms go by the number.

    `kind` comes first: it says what the others are about.
    """
    names = sorted(schema.get("properties", {}), key=lambda name: name != "kind")
    for position, name in enumerate(names):
        schema["properties"][name]["position"] = position


class Closed(BaseModel):
    """Base of every part of a recipe: no unknown keys, no change after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, json_schema_extra=in_order)


# Random generators of numpy and torch take no other seeds.
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
