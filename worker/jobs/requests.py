"""What a person can ask of a worker: frozen, kept as JSON with the job, refusing what it does not know."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from worker.jobs.errors import JobError

JOINED_KEYS = ("corpus", "behind")
Request = TypeVar("Request", "CorpusRequest", "HarvestRequest", "TrainRequest", "DemoRequest")


@dataclass(frozen=True, slots=True)
class CorpusRequest:
    """Tokenise a source for a model. source: what `worker.corpus.sources.parse_source` takes."""

    model: str
    source: str
    max_documents: int | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class HarvestRequest:
    """Run a corpus through the model of the dictionaries, named by slug.

    max_tokens: take so many tokens of the corpus from its start; None takes all.
    shard_tokens: size of the pieces that workers share out; None chooses by the size of the corpus.
    again: harvest although a complete harvest of the same things is there.
    features: numbers of those to be harvested, of each dictionary, such as '0-4095,5000'; None for all.
    grow: id of the harvest whose kept state this one adds to; None begins anew.
    joined: further corpora behind the first, each with the keys of `JOINED_KEYS`: its name as people type it, and how
    many documents there are at most when the one before it ends.
    memory_limit: most bytes that a worker may hold meanwhile; None for what the worker itself was told.
    """

    dictionaries: tuple[str, ...]
    corpus: str
    max_tokens: int | None = None
    max_documents: int | None = None
    n_top: int = 20
    n_sample: int = 128
    seed: int = 0
    shard_tokens: int | None = None
    again: bool = False
    features: str | None = None
    grow: str | None = None
    joined: tuple[Mapping[str, Any], ...] = ()
    memory_limit: int | None = None


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """Train a dictionary on a corpus. config: the JSON of `worker.train.config.TrainConfig`; folder: where it goes."""

    model: str
    corpus: str
    name: str
    folder: str
    config: Mapping[str, Any]
    n_ctx: int = 128


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """Register and harvest what is bundled. key: the hash of all that goes in."""

    key: str


def to_json(request: Request) -> dict[str, Any]:
    """Plain JSON values that `from_json` reads back."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(request).items()}


def from_json(kind: type[Request], values: Mapping[str, Any]) -> Request:
    """Raises JobError on keys that are no options, and on missing ones."""
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise JobError(f"A {kind.__name__} has no {', '.join(unknown)}; it has {', '.join(sorted(known))}.")
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    try:
        return kind(**given)
    except TypeError as error:
        raise JobError(f"This is no {kind.__name__}: {error}.") from error
