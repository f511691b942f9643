"""The door through which everything is written. The SQL is in the files beside this one, a file per noun."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from catalog.live_answers import LiveFirings
from catalog.records import (
    ContextBatch,
    CorpusRecord,
    DictionaryRecord,
    DictionarySummary,
    FeatureRecord,
    HarvestRecord,
    HarvestStatus,
    JobRecord,
    ModelRecord,
    WorkerRecord,
)
from catalog.tokens import Vocabulary
from catalog.writer import contexts, examples, harvests, job_control, jobs, models, previews
from catalog.writer.accounts import AccountWriter, Doer
from catalog.writer.features import FeatureWriter
from catalog.writer.labels import LabelWriter
from catalog.writer.turns import take_turn


class CatalogWriter:
    """Writes through one session of `catalog.engine.session_scope(engine, write=True)`.

    Short writes are committed by the scope. The bulk ones, `add_contexts` and `write_features`, commit as they go, in
    transactions of at most some tens of milliseconds, so that others never wait long; what they wrote stays if they
    fail, and writing it again is harmless. Identities decide: adding what is there already changes nothing.
    labels: what people say of features.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.labels = LabelWriter(session)

    def accounts(self, by: Doer) -> AccountWriter:
        """How people sign in. by: who changes it."""
        return AccountWriter(self._session, by)

    def take_turn(self) -> None:
        """Waits for others that are adding models, dictionaries, corpora or harvests; they wait until the commit then.

        For whoever must know what is there before adding to it. What adds them takes a turn by itself.
        """
        take_turn(self._session, "registration")

    def add_model(self, record: ModelRecord) -> str:
        """Adds a model and gives its slug: the one wished for, with a number behind it where that is taken."""
        self.take_turn()
        return models.add_model(self._session, record)

    def add_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Adds the bytes of a tokenizer's tokens."""
        self.take_turn()
        models.add_vocabulary(self._session, vocabulary)

    def add_dictionary(self, record: DictionaryRecord) -> str:
        """Adds a dictionary and gives its slug; record.harvest is not looked at. Its model must be there."""
        self.take_turn()
        return models.add_dictionary(self._session, record)

    def set_quality(self, slug: str, quality: Mapping[str, Any]) -> None:
        """Writes down how good a dictionary is, replacing what was written before."""
        models.set_quality(self._session, slug, quality)

    def add_corpus(self, record: CorpusRecord) -> str:
        """Adds a corpus and gives its slug."""
        self.take_turn()
        return models.add_corpus(self._session, record)

    def add_harvest(self, record: HarvestRecord) -> str:
        """Adds a harvest and gives its id; its model, corpus and dictionaries must be there, named by slug.

        An empty id is replaced by a new one. A harvest that is there already is left as it is.
        """
        self.take_turn()
        return harvests.add_harvest(self._session, record)

    def update_progress(self, harvest_id: str, *, tokens_done: int, status: HarvestStatus = "running") -> None:
        """How far a harvest is."""
        harvests.update(self._session, harvest_id, {"tokens_done": tokens_done, "status": status})

    def add_provenance(self, harvest_id: str, facts: Mapping[str, Any]) -> None:
        """Adds JSON values to what a harvest says of where its numbers come from, by name."""
        harvests.add_provenance(self._session, harvest_id, facts)

    def finish_harvest(
        self,
        harvest_id: str,
        *,
        status: HarvestStatus = "complete",
        error: str | None = None,
        replaces: str | None = None,
        **totals: int,
    ) -> None:
        """Ends a harvest. totals: tokens, n_contexts, n_documents, where they turned out otherwise than planned.

        When it is complete, the complete harvests of the same dictionaries on the same corpus that came before it
        get the status "replaced", and so does the one of the id `replaces`, if this one has all its dictionaries.
        """
        harvests.finish(self._session, harvest_id, status=status, error=error, totals=totals)
        if replaces is not None and status == "complete":
            harvests.mark_replaced(self._session, harvest_id, replaces)

    def show_preview(self, harvest_id: str) -> None:
        """Lets the pages show a harvest that was added with what it is `SO_FAR`, now that all of it is written."""
        harvests.update(self._session, harvest_id, {"status": previews.SHOWN})

    def remove_outdated_previews(self, harvest_id: str) -> None:
        """Removes the previews that this harvest, complete or a newer preview, stands in for; commits as it goes."""
        for outdated in previews.outdated(self._session, harvest_id):
            previews.remove_harvest(self._session, outdated)

    def remove_harvest(self, harvest_id: str) -> bool:
        """Removes a harvest with all its pages, committing as it goes; whether there was one.

        Labels stay, and contexts stay as long as another harvest is cut like it.
        """
        return previews.remove_harvest(self._session, harvest_id)

    def write_summary(self, harvest_id: str, dictionary_slug: str, summary: DictionarySummary) -> None:
        """What a harvest says of a whole dictionary."""
        harvests.write_summary(self._session, harvest_id, dictionary_slug, summary)

    def set_token_counts(self, harvest_id: str, counts: NDArray[np.integer]) -> None:
        """How often each token id occurs in what a harvest went through, [d_vocab]."""
        harvests.set_token_counts(self._session, harvest_id, counts)

    def add_contexts(
        self, harvest_id: str, batches: Iterable[ContextBatch], *, document_names: Mapping[int, str] | Sequence[str]
    ) -> int:
        """Stores contexts and the names of their documents in bulk; how many contexts there were.

        Contexts belong to the corpus and the way it is cut: what an earlier harvest stored is kept and shared.
        document_names: by document id; only those that a context belongs to are stored.
        """
        return contexts.add_contexts(self._session, harvest_id, batches, document_names=document_names)

    def write_features(
        self,
        harvest_id: str,
        dictionary_slug: str,
        features: Iterable[FeatureRecord],
        *,
        on_progress: Callable[[int], None] | None = None,
    ) -> int:
        """Writes features in bulk, overwriting those that are there; how many there were.

        on_progress is told how many are written. Raises BadRecord where the harvest has no such dictionary, the
        model's vocabulary is missing, or a record contradicts itself.
        """
        return FeatureWriter(self._session, harvest_id, dictionary_slug).write(features, on_progress)

    def add_example(
        self, index: int, live: LiveFirings, *, text: str, author: str, facts: Mapping[str, Any] | None = None
    ) -> int:
        """Pins a text to feature `index` with what live inference made of it; gives the example's id.

        Raises NotFound where the dictionary that `live` names has no such feature, BadRecord where there is too much.
        """
        return examples.add_example(self._session, index, live, text=text, author=author, facts=facts or {})

    def remove_example(self, dictionary_hash: str, index: int, example_id: int) -> None:
        """Takes an example of a feature down. Raises NotFound where it has none of that id."""
        examples.remove_example(self._session, dictionary_hash, index, example_id)

    def save_job(self, record: JobRecord) -> None:
        """Writes a job down, or what has changed of it."""
        jobs.save_job(self._session, record)

    def update_job(self, job_id: str, *, unless: Collection[str] = (), **values: Any) -> bool:
        """Changes some fields of a job, unless its status is one of those given; whether it did."""
        return jobs.update_job(self._session, job_id, values, unless=unless)

    def cancel_job(self, job_id: str, *, message: str = "Stopped by hand.") -> None:
        """Ends a job and the harvests it left running. Raises NotFound, and JobOver where it was over before."""
        job_control.cancel(self._session, job_id, message=message)

    def pause_job(self, job_id: str) -> None:
        """Lets a job rest. Raises as `cancel_job`."""
        job_control.pause(self._session, job_id)

    def resume_job(self, job_id: str) -> None:
        """Lets a job that rests go on. Raises as `cancel_job`."""
        job_control.resume(self._session, job_id)

    def set_priority(self, job_id: str, priority: int) -> None:
        """Of the jobs that wait, those of a higher priority go first. Raises as `cancel_job`, and BadRecord."""
        job_control.set_priority(self._session, job_id, priority)

    def shard_done(self, job_id: str, harvest_id: str, shard: int, *, done: int) -> int:
        """Writes down how far a shard is, never less than before; the sum over the shards of its harvest."""
        return jobs.shard_done(self._session, job_id, harvest_id, shard, done=done)

    def refuse(self, executor_id: str, job_id: str, reason: str) -> None:
        """Writes down that a worker cannot do a job."""
        jobs.refuse(self._session, executor_id, job_id, reason)

    def forget_refusals(self, job_id: str) -> None:
        """Nobody refuses the job any more."""
        jobs.forget_refusals(self._session, job_id)

    def heartbeat(self, record: WorkerRecord) -> None:
        """Writes down that a worker lives; last_seen_at is set to now."""
        jobs.heartbeat(self._session, record)

    def forget_worker(self, executor_id: str) -> None:
        """Removes a worker that has said goodbye."""
        jobs.forget_worker(self._session, executor_id)
