"""Recipe section of the split."""

from typing import Literal

from pydantic import Field, model_validator

from assay.corpus.settings import Seed, StrictModel


class Split(StrictModel):
    """Settings of the assignment of rows to splits."""

    method: Literal["stratified", "published", "time"] = Field(
        "stratified",
        description="stratified: over label and entity types together. published: as in the source, a missing "
        "validation is held out from train. time: oldest rows train, newest test; with remember, of the new rows",
    )
    train: float = Field(0.8, gt=0, lt=1, description="Share of rows to train on")
    validation: float = Field(0.1, gt=0, lt=1, description="Share of rows for decisions during training")
    test: float = Field(0.1, gt=0, lt=1, description="Share of rows for the verdict")
    duplicates: Literal["text", "text_pair", "both"] = Field(
        "text", description="For pairs: the text that makes two rows duplicates; both: the pair as a whole"
    )
    remember: bool = Field(
        True,
        description="Rows keep their split of earlier runs of the recipe, and new rows fill up the shares "
        "(published splits excepted)",
    )
    seed: Seed = Field(13, description="Seed of the assignment")

    @model_validator(mode="after")
    def _shares_add_up(self) -> "Split":
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"split.train + split.validation + split.test is {total:g}; it must be 1")
        return self
