"""The tables. Rows never leave this package; `records.py` has the values that do.

Every result of a harvest hangs on a *run*, one dictionary in one harvest, so that (run, index) is a feature's key.
Counts are exact, times are UTC in ISO 8601, blobs are written by `packing.py`, `context_blocks.py` and `tokens.py`.
"""

import sys
from typing import Any

from sqlalchemy import JSON, BigInteger, Double, ForeignKey, Index, LargeBinary, MetaData, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
KEYED = {"sqlite_with_rowid": False}
NULLABLE_JSON = JSON(none_as_null=True)
LEAST_LIVE = sys.float_info.min
"""The least peak and mean of a feature that fired, so that the dead can be left out by a range of either."""


class Base(DeclarativeBase):
    """Root of the tables."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {str: Text, float: Double, bytes: LargeBinary, dict[str, Any]: JSON}  # noqa: RUF012


class ModelRow(Base):
    """A language model."""

    __tablename__ = "model"
    __table_args__ = (UniqueConstraint("weights_hash", "tokenizer_hash"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    source: Mapped[str]
    architecture: Mapped[str]
    weights_hash: Mapped[str]
    tokenizer_hash: Mapped[str]
    d_model: Mapped[int]
    n_layers: Mapped[int]
    d_vocab: Mapped[int]
    n_ctx: Mapped[int]
    tokenizer_rules: Mapped[dict[str, Any]]
    created_at: Mapped[str]


class VocabularyRow(Base):
    """The bytes of every token of one tokenizer."""

    __tablename__ = "vocabulary"
    id: Mapped[int] = mapped_column(primary_key=True)
    tokenizer_hash: Mapped[str] = mapped_column(unique=True)
    n_tokens: Mapped[int]
    payload: Mapped[bytes]


class DictionaryRow(Base):
    """A dictionary, known by its hash."""

    __tablename__ = "dictionary"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    hash: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"), index=True)
    hook_name: Mapped[str]
    kind: Mapped[str]
    d_in: Mapped[int]
    d_sae: Mapped[int]
    source: Mapped[str]
    conventions: Mapped[dict[str, Any]]
    config: Mapped[dict[str, Any]]
    quality: Mapped[dict[str, Any] | None] = mapped_column(NULLABLE_JSON)
    created_at: Mapped[str]


class CorpusRow(Base):
    """A tokenised corpus, known by its hash."""

    __tablename__ = "corpus"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    hash: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    tokenizer_hash: Mapped[str]
    n_tokens: Mapped[int] = mapped_column(BigInteger)
    n_documents: Mapped[int] = mapped_column(BigInteger)
    description: Mapped[dict[str, Any]]
    created_at: Mapped[str]


class DocumentRow(Base):
    """The name of a document of a corpus. number: its place in the corpus."""

    __tablename__ = "document"
    __table_args__ = (KEYED,)
    corpus_id: Mapped[int] = mapped_column(ForeignKey("corpus.id"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    name: Mapped[str]


class ContextSetRow(Base):
    """One way of cutting a corpus into contexts. conventions: what the cut depends on besides n_ctx."""

    __tablename__ = "context_set"
    __table_args__ = (UniqueConstraint("corpus_id", "n_ctx", "conventions"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    corpus_id: Mapped[int] = mapped_column(ForeignKey("corpus.id"))
    n_ctx: Mapped[int]
    conventions: Mapped[str]


class ContextBlockRow(Base):
    """Sixteen neighbouring contexts: those with id // 16 == block."""

    __tablename__ = "context_block"
    context_set_id: Mapped[int] = mapped_column(ForeignKey("context_set.id"), primary_key=True)
    block: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    payload: Mapped[bytes]


class HarvestRow(Base):
    """One harvest. key: its public id. features: which of its dictionaries' it is of, NULL for all."""

    __tablename__ = "harvest"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str]
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"), index=True)
    context_set_id: Mapped[int] = mapped_column(ForeignKey("context_set.id"), index=True)
    job_id: Mapped[str | None]
    features: Mapped[str | None]
    tokens_done: Mapped[int] = mapped_column(BigInteger)
    tokens: Mapped[int] = mapped_column(BigInteger)
    n_contexts: Mapped[int] = mapped_column(BigInteger)
    n_documents: Mapped[int] = mapped_column(BigInteger)
    plan: Mapped[dict[str, Any]]
    provenance: Mapped[dict[str, Any]]
    created_at: Mapped[str] = mapped_column(index=True)
    finished_at: Mapped[str | None]
    error: Mapped[str | None]


class HarvestTokensRow(Base):
    """How often each token id occurs in what a harvest went through."""

    __tablename__ = "harvest_tokens"
    harvest_id: Mapped[int] = mapped_column(ForeignKey("harvest.id"), primary_key=True, autoincrement=False)
    payload: Mapped[bytes]


class RunRow(Base):
    """One dictionary in one harvest. place: its place among the harvest's dictionaries."""

    __tablename__ = "run"
    __table_args__ = (UniqueConstraint("harvest_id", "dictionary_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    harvest_id: Mapped[int] = mapped_column(ForeignKey("harvest.id"))
    dictionary_id: Mapped[int] = mapped_column(ForeignKey("dictionary.id"), index=True)
    place: Mapped[int]
    summary: Mapped[dict[str, Any] | None] = mapped_column(NULLABLE_JSON)


class FeatureRow(Base):
    """What lists sort by, filter by and show. Density is tokens_fired over the harvest's tokens.

    top_token: id of the likeliest token, -1 where there is none; top_token_text: its text, case folded, to search in.
    promoted: token ids as varints. All that a page shows besides is in `FeaturePageRow`.
    """

    __tablename__ = "feature"
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tokens_fired: Mapped[int] = mapped_column(BigInteger)
    peak: Mapped[float]
    mean: Mapped[float]
    top_token: Mapped[int]
    top_token_text: Mapped[str]
    promoted: Mapped[bytes]
    sparkline: Mapped[bytes]
    __table_args__ = (
        Index(None, "run_id", "tokens_fired", "index"),
        Index(None, "run_id", "peak", "index"),
        Index(None, "run_id", "mean", "index"),
        Index(None, "run_id", "top_token", "index"),
        KEYED,
    )


class FeaturePageRow(Base):
    """Everything else of a feature, in one packed value."""

    __tablename__ = "feature_page"
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    payload: Mapped[bytes]


class PersonRow(Base):
    """Somebody who says something. How a person signs in hangs on this row and is no part of it.

    role: viewer, labeller or admin. kind: person or program.
    """

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    kind: Mapped[str]
    created_at: Mapped[str]


class PasswordRow(Base):
    """How a person signs in: the password as Argon2id keeps it."""

    __tablename__ = "password"
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, autoincrement=False)
    hash: Mapped[str]
    changed_at: Mapped[str]


class SessionRow(Base):
    """A browser in which somebody is signed in; it ends when its row goes. digest: SHA-256 of what its cookie says."""

    __tablename__ = "session"
    digest: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    client: Mapped[str]
    created_at: Mapped[str]
    expires_at: Mapped[str]
    __table_args__ = (Index(None, "person_id"),)


class InvitationRow(Base):
    """A link that lets somebody choose a password, once; it is used up when its row goes.

    digest: SHA-256 of what the link says. role: the one they get, NULL where they keep theirs.
    """

    __tablename__ = "invitation"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str | None]
    made_by: Mapped[str]
    created_at: Mapped[str]
    expires_at: Mapped[str]


class TokenRow(Base):
    """What a program of a person's shows instead of a password. digest: SHA-256 of it. scope: read, label or admin."""

    __tablename__ = "token"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    name: Mapped[str]
    scope: Mapped[str]
    created_at: Mapped[str]
    expires_at: Mapped[str]
    __table_args__ = (Index(None, "person_id"),)


class AuditRow(Base):
    """Who signed in or decided something, and when; rows are only ever added. Names are kept as they were then."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[str]
    act: Mapped[str]
    person: Mapped[str]
    about: Mapped[str]
    address: Mapped[str]


class LabelRow(Base):
    """What somebody proposes that a feature means. It hangs on the dictionary's hash, so it outlives every harvest.

    key: its public id. tags: comma separated. confidence: percent. version: grows with every wording, from 1.
    ups, downs: the votes for and against it, counted whenever one is given. harvest_key: the harvest it was judged on.
    """

    __tablename__ = "label"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    dictionary_hash: Mapped[str]
    index: Mapped[int]
    text: Mapped[str]
    note: Mapped[str]
    tags: Mapped[str]
    confidence: Mapped[int | None]
    author_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    version: Mapped[int]
    hidden: Mapped[bool]
    ups: Mapped[int]
    downs: Mapped[int]
    harvest_key: Mapped[str | None]
    created_at: Mapped[str]
    changed_at: Mapped[str]
    __table_args__ = (Index(None, "dictionary_hash", "index", "id"), Index(None, "author_id", "id"))


class LabelChangeRow(Base):
    """One thing that was done to a label; rows are only ever added. version: the label's after it.

    text, note, tags, confidence: the whole wording, where it is about one, else NULL; note: the reason, where there is
    one. vote: 1, -1 or 0 for one taken back.
    """

    __tablename__ = "label_change"
    id: Mapped[int] = mapped_column(primary_key=True)
    label_id: Mapped[int] = mapped_column(ForeignKey("label.id"))
    version: Mapped[int]
    act: Mapped[str]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    at: Mapped[str]
    text: Mapped[str | None]
    note: Mapped[str | None]
    tags: Mapped[str | None]
    confidence: Mapped[int | None]
    vote: Mapped[int | None]
    __table_args__ = (Index(None, "label_id", "id"), Index(None, "person_id", "id"))


class LabelVoteRow(Base):
    """A person's one vote on a label: 1 or -1. version: of the wording it was given for."""

    __tablename__ = "label_vote"
    __table_args__ = (KEYED,)
    label_id: Mapped[int] = mapped_column(ForeignKey("label.id"), primary_key=True, autoincrement=False)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, autoincrement=False)
    value: Mapped[int]
    version: Mapped[int]
    at: Mapped[str]


class LabellingRow(Base):
    """What the labels of one feature come to. Whoever changes any of them holds this row meanwhile.

    label_id, text: the accepted label, NULL where none is; lists read its text here. chosen_by: the admin who chose it.
    n_labels: those not hidden. last_change: the newest of their changes.
    """

    __tablename__ = "labelling"
    dictionary_hash: Mapped[str] = mapped_column(primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label_id: Mapped[int | None] = mapped_column(ForeignKey("label.id"))
    text: Mapped[str | None]
    chosen_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    n_labels: Mapped[int]
    disputed: Mapped[bool]
    last_change: Mapped[int]
    __table_args__ = (Index(None, "disputed", "last_change"), KEYED)


class ExampleRow(Base):
    """Text of somebody's own that was pinned to a feature. It hangs on the dictionary's hash, as labels do.

    payload: what live inference made of it when it was pinned, deflated.
    """

    __tablename__ = "example"
    id: Mapped[int] = mapped_column(primary_key=True)
    dictionary_hash: Mapped[str]
    index: Mapped[int]
    text: Mapped[str]
    author: Mapped[str]
    created_at: Mapped[str]
    payload: Mapped[bytes]
    __table_args__ = (Index(None, "dictionary_hash", "index", "id"),)


class JobRow(Base):
    """A long piece of work."""

    __tablename__ = "job"
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    title: Mapped[str]
    status: Mapped[str] = mapped_column(index=True)
    done: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    unit: Mapped[str]
    rate: Mapped[float | None]
    seconds_left: Mapped[float | None]
    message: Mapped[str]
    error: Mapped[str | None]
    created_at: Mapped[str] = mapped_column(index=True)
    started_at: Mapped[str | None]
    finished_at: Mapped[str | None]
    priority: Mapped[int] = mapped_column(server_default="0")


class ShardProgressRow(Base):
    """How many tokens of a shard of a harvest under way are done; the most there ever were."""

    __tablename__ = "shard_progress"
    harvest_id: Mapped[str] = mapped_column(primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    done: Mapped[int] = mapped_column(BigInteger)


class RefusalRow(Base):
    """A job that a worker cannot do, because a file of it is not at hand there, say."""

    __tablename__ = "refusal"
    executor_id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]


class WorkerHeartbeatRow(Base):
    """A worker process and when it was last heard of."""

    __tablename__ = "worker_heartbeat"
    executor_id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    version: Mapped[str]
    device: Mapped[str]
    last_seen_at: Mapped[str] = mapped_column(index=True)
    live_address: Mapped[str | None]
