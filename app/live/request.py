"""What a program asks of live inference, read from JSON that may be anything."""

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.live.failures import LiveFailure

Asked = TypeVar("Asked", bound=BaseModel)


class LiveBody(BaseModel):
    """Texts, or token ids of contexts, and the dictionaries that are to read them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    texts: list[str] = Field(default=[], description="texts, each read by every dictionary")
    token_ids: list[list[int]] = Field(
        default=[], description="in place of texts: contexts as they go through the model, BOS included"
    )
    dictionaries: list[str] = Field(description="slugs or hashes of dictionaries", min_length=1)
    mode: Literal["cut", "whole"] = Field(
        default="cut",
        description="a text longer than the harvest's contexts: cut as the harvest cuts it, or left whole",
    )
    only: list[int] | None = Field(default=None, description="features to answer; all that fire by default")
    limit: int | None = Field(
        default=None, ge=0, description="at most so many features of a result, greatest peak first"
    )
    details: bool = Field(
        default=False, description="add label, density, harvest_peak and surprise to each feature, from its harvest"
    )

    def for_worker(self, hashes: list[str]) -> dict[str, Any]:
        """The request as the worker's door reads it."""
        return {
            "texts": self.texts,
            "token_ids": self.token_ids,
            "dictionaries": hashes,
            "mode": self.mode,
            "only": self.only,
        }


def read_json(kind: type[Asked], body: bytes, *, example: str) -> Asked:
    """Raises LiveFailure naming what is wrong. example: what would be right."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        problems: Sequence[Any] = error.errors(include_url=False, include_input=False, include_context=False)
        first = problems[0]
        place = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise LiveFailure(
            f"The request is not understood: {f'{place}: ' if place else ''}{said}.",
            status=400 if first["type"] == "json_invalid" else 422,
            code="invalid",
            hint=f"Send {example}; /api/v1/openapi.json describes the rest.",
        ) from error
