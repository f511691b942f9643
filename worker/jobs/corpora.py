"""Finds the tokenised corpus of a request in the store, and makes it where it is not there yet."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from worker.corpus.build import BuildProgress, build_corpus
from worker.corpus.errors import CorpusBusy
from worker.corpus.joined import KIND as JOINED
from worker.corpus.joined import Joined, Part
from worker.corpus.sources import parse_source
from worker.corpus.tokenized import META, Corpus
from worker.jobs.corpus_spec import corpus_name
from worker.jobs.errors import JobError, NotAtHand
from worker.jobs.places import content_key, corpus_place
from worker.jobs.progress import Stages
from worker.jobs.store import Store
from worker.lm.tokenizer import Tokenizer

LOOK_EVERY_SECONDS = 1.0


def corpus_of(
    store: Store,
    spec: str,
    tokenizer: Tokenizer,
    *,
    stages: Stages,
    max_documents: int | None = None,
    max_tokens: int | None = None,
    joined: Sequence[Mapping[str, Any]] = (),
) -> Corpus:
    """The corpus, tokenised for this tokenizer; a finished one is opened as it is.

    spec: the folder of a corpus that is tokenised already, or what `parse_source` takes.
    joined: further corpora behind it, as a `HarvestRequest` has them.
    Files that have changed since make another corpus. Raises CorpusError on an empty one, NotAtHand where the files
    are those of another machine.
    """
    if (Path(spec) / META).is_file() and not joined:
        return Corpus.open(spec, tokenizer=tokenizer)
    check_is_here(spec, *(part["corpus"] for part in joined))
    source = joined_source(spec, joined) if joined else parse_source(spec)
    key = content_key(
        dict(source.description), _fingerprint(source.description), tokenizer.hash, max_documents, max_tokens
    )
    place = corpus_place(key)
    if store.has(f"{place}/{META}"):
        return Corpus.open(store.take(place), tokenizer=tokenizer)
    folder = store.path(place)

    def build() -> Corpus:
        progress = stages("Tokenising the corpus", total=max_tokens or 0, unit="tokens")

        def tell(built: BuildProgress) -> None:
            progress.update(built.tokens, total=max_tokens or built.tokens)

        return build_corpus(
            source, tokenizer, folder, on_progress=tell, max_documents=max_documents, max_tokens=max_tokens
        )

    corpus = _when_free(build, stages)
    store.put(place, folder, last=META)
    return corpus


def check_is_here(*specs: str) -> None:
    """Raises NotAtHand where a spec is a path of some machine and this one has nothing there."""
    for spec in specs:
        place = Path(spec.partition("?")[0].rpartition(":")[2])
        if place.is_absolute() and not place.exists():
            raise NotAtHand(f"There is no file or folder {str(place)!r} here, which the corpus is to be read from.")


def _when_free(build: Callable[[], Corpus], stages: Stages) -> Corpus:
    """The corpus, once nobody else is building it; what was built meanwhile is opened as it is."""
    while True:
        try:
            return build()
        except CorpusBusy:
            stages("Waiting for another job that tokenises the same corpus", total=0, unit="")
            time.sleep(LOOK_EVERY_SECONDS)


def shared_place(store: Store, corpus: Corpus) -> str:
    """Under what every worker finds the corpus: its place, or its path where the store is a home that nobody shares.

    A corpus that lies elsewhere is put into a shared store first.
    """
    for place in (f"corpora/{corpus.folder.name}", corpus_place(content_key(corpus.hash))):
        if corpus.folder == store.path(place):
            return place
    if not store.is_shared:
        return str(corpus.folder)
    if not store.has(f"{place}/{META}"):
        store.put(place, corpus.folder, last=META)
    return place


def corpus_at(store: Store, place: str, tokenizer: Tokenizer) -> Corpus:
    """The corpus that `shared_place` named. Raises MissingInStore or CorpusError where this worker cannot see it."""
    return Corpus.open(place if Path(place).is_absolute() else store.take(place), tokenizer=tokenizer)


def joined_source(spec: str, joined: Sequence[Mapping[str, Any]]) -> Joined:
    """The sources one behind the other. Raises JobError on a corpus of which only the tokens are there."""
    specs = [spec, *(part["corpus"] for part in joined)]
    for each in specs:
        if (Path(each) / META).is_file():
            raise JobError(
                f"{each!r} is a corpus that is tokenised already, and its text is not there to be joined with others. "
                "Name the text itself."
            )
    ends = [*(part["behind"] for part in joined), None]
    names = ["", *(corpus_name(each) for each in specs[1:])]
    return Joined(
        tuple(Part(parse_source(each), end, name) for each, end, name in zip(specs, ends, names, strict=True))
    )


def _fingerprint(description: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """Names, sizes and times of the files behind a local source, so that a change of them is seen."""
    if description["kind"] == JOINED:
        return [found for part in description["parts"] for found in _fingerprint(part["source"])]
    if "path" not in description:
        return []
    path = Path(description["path"])
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    try:
        stats = [(str(file), file.stat()) for file in files if file.is_file()]
    except OSError as error:
        raise JobError(f"The files of the corpus in {str(path)!r} cannot be read: {error}.") from error
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
