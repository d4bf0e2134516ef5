"""What all parts of a recipe are built from."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Tier = Literal["dirty", "clean"]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """Base of all parts of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Hub(Section):
    """A data set of the Hugging Face hub, streamed; `revision` pins its content."""

    dataset: str = Field(min_length=1, description="owner/name, or a local folder in the same layout")
    subset: str | None = None
    split: str = "train"
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$", description="commit; needed for all but local folders")
    parts: Positive = Field(64, description="units of work: data files are shared out among them")
    data_files: Positive | None = Field(None, description="read only so many of its data files, spread evenly; default: all")

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if self.revision is None and not self.dataset.startswith(("/", "./", "data/")):
            raise ValueError(f"hub: {self.dataset} needs revision, the 40 hex digits of a commit, so that a rerun reads the same text")
        return self
