"""The shapes of the JSON answers, for the OpenAPI description. Answers are built without passing through these."""

from typing import Any

from pydantic import BaseModel, Field

Fired = tuple[int, float]


class ErrorBody(BaseModel):
    """What every failing request answers."""

    code: str
    message: str
    hint: str


class ErrorAnswer(BaseModel):
    """An error."""

    error: ErrorBody


class SoFarShape(BaseModel):
    """What a preview is of: shards and text tokens of a harvest. stopped: how that ended, where it did early."""

    harvest: str
    shards: int
    of_shards: int
    tokens: int
    of_tokens: int
    stopped: str | None = None


class HarvestShape(BaseModel):
    """The harvest whose numbers are shown. so_far: where it is a preview, with the status "preview"."""

    id: str
    status: str
    tokens: int
    corpus: str
    so_far: SoFarShape | None = None


class DictionaryShape(BaseModel):
    """A dictionary. hash is its identity, slug its readable alias."""

    name: str
    slug: str
    hash: str
    model: str
    hook_name: str
    kind: str
    d_in: int
    d_sae: int
    quality: dict[str, Any] | None
    harvest: HarvestShape | None


class DictionariesAnswer(BaseModel):
    """Every dictionary."""

    dictionaries: list[DictionaryShape]


class FeatureLine(BaseModel):
    """One feature of a list. top_token: text of its likeliest token."""

    index: int
    density: float = Field(description="share of tokens on which it fires, 0 to 1")
    peak: float
    mean: float
    tokens_fired: int
    label: str | None
    top_token: str | None
    promoted: list[str]


class FeaturesAnswer(BaseModel):
    """A page of a list. next: the cursor to pass as `after`, or null at the end."""

    features: list[FeatureLine]
    next: str | None
    previous: str | None
    harvest: str | None


class ContextShape(BaseModel):
    """A whole context. activations: [position, value] pairs, positions counted from the context's first token."""

    context: int
    document: str
    start: int
    peak: float
    peak_position: int | None
    tokens: list[str]
    token_ids: list[int]
    activations: list[Fired]


class BandShape(BaseModel):
    """A fifth of the sampled firing contexts, strongest first."""

    low: float
    high: float
    share_of_firings: float
    share_of_activation: float
    contexts: list[ContextShape]


class FeatureAnswer(BaseModel):
    """Everything the page of one feature shows."""

    index: int
    dictionary: str
    counts: dict[str, Any]
    histogram: dict[str, list[float] | list[int]]
    top_contexts: list[ContextShape]
    bands: dict[str, Any]
    controls: list[dict[str, Any]]
    promoted: list[dict[str, Any]]
    suppressed: list[dict[str, Any]]
    logit_histogram: dict[str, Any] | None
    token_statistics: dict[str, list[dict[str, Any]]]
    neighbours: list[dict[str, Any]]
    coactivation: list[dict[str, Any]]
    position: dict[str, Any]
    labels: list[dict[str, Any]]
    examples: list[dict[str, Any]] = Field(description="texts pinned to the feature, newest first")
    previous: int | None
    next: int | None
    provenance: dict[str, Any]


class JobsAnswer(BaseModel):
    """Jobs, newest first, and workers."""

    jobs: list[dict[str, Any]]
    workers: list[dict[str, Any]]


class LiveFeatureShape(BaseModel):
    """A feature that fires. activations: [position, value] pairs, positions counted from the text's first token.

    label, density, harvest_peak and surprise are there where details were asked for.
    """

    index: int
    peak: float
    sum: float
    n_tokens: int
    activations: list[Fired]
    label: str | None = None
    density: float | None = None
    harvest_peak: float | None = None
    surprise: float | None = Field(
        default=None, description="-log10 of the share of corpus tokens with this peak or more"
    )


class LiveResultShape(BaseModel):
    """What one dictionary makes of one text. text: its place in the request. context_starts: where contexts begin."""

    text: int
    dictionary: str
    hash: str
    harvest: str | None
    tokens: list[str]
    token_ids: list[int]
    context_starts: list[int]
    n_features: int = Field(description="features that fire, those beyond the limit included")
    features: list[LiveFeatureShape]


class LiveAnswerShape(BaseModel):
    """A result for each text and dictionary. provenance: by dictionary, what the worker computed with."""

    results: list[LiveResultShape]
    provenance: dict[str, dict[str, Any]]


class RerunTokenShape(BaseModel):
    """A token that fires in a stored context, or when it is run again; 0 where it is silent.

    flip: it fires on one side only. near_bar: a flip whose pre-activation is as near its bar as rounding allows.
    """

    position: int
    token: str
    token_id: int
    stored: float
    live: float
    difference: float
    flip: bool
    near_bar: bool


class RerunAnswer(BaseModel):
    """A stored context, run again. agrees: null where what made the harvest is not what the worker has."""

    dictionary: str
    index: int
    context: int
    harvest: str
    agrees: bool | None
    other_makings: list[str] = Field(description="which of model, tokenizer and dictionary another hash is at work of")
    greatest_difference: float = Field(description="over tokens that fire on both sides, in units of the activations")
    allowed_difference: float
    tolerance: float = Field(description="as a share of the feature's harvest maximum, the storage step apart")
    flips: int
    unexplained_flips: int
    tokens: list[RerunTokenShape]
    harvested_in: str
    worker: dict[str, Any]
