"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "model",
    "vocabulary",
    "dictionary",
    "corpus",
    "document",
    "context_set",
    "context_block",
    "harvest",
    "harvest_tokens",
    "run",
    "feature",
    "feature_page",
    "label",
    "job",
    "worker_heartbeat",
)


def upgrade() -> None:
    _create_models()
    _create_corpora()
    _create_harvests()
    _create_features()
    _create_jobs()
    if op.get_bind().dialect.name == "postgresql":
        _keep_packed_rows_whole()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def _keep_packed_rows_whole() -> None:
    """Packed values are deflated already and fit a page of 8 KB: PostgreSQL need neither squeeze nor move them."""
    for table in ("context_block", "feature_page"):
        op.execute(f"ALTER TABLE {table} ALTER COLUMN payload SET STORAGE EXTERNAL")
        op.execute(f"ALTER TABLE {table} SET (toast_tuple_target = 8160)")


def _create_models() -> None:
    op.create_table(
        "model",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("architecture", sa.Text(), nullable=False),
        sa.Column("weights_hash", sa.Text(), nullable=False),
        sa.Column("tokenizer_hash", sa.Text(), nullable=False),
        sa.Column("d_model", sa.Integer(), nullable=False),
        sa.Column("n_layers", sa.Integer(), nullable=False),
        sa.Column("d_vocab", sa.Integer(), nullable=False),
        sa.Column("n_ctx", sa.Integer(), nullable=False),
        sa.Column("tokenizer_rules", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model")),
        sa.UniqueConstraint("slug", name=op.f("uq_model_slug")),
        sa.UniqueConstraint("weights_hash", "tokenizer_hash", name=op.f("uq_model_weights_hash_tokenizer_hash")),
    )
    op.create_table(
        "vocabulary",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tokenizer_hash", sa.Text(), nullable=False),
        sa.Column("n_tokens", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vocabulary")),
        sa.UniqueConstraint("tokenizer_hash", name=op.f("uq_vocabulary_tokenizer_hash")),
    )
    op.create_table(
        "dictionary",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("hook_name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("d_in", sa.Integer(), nullable=False),
        sa.Column("d_sae", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("conventions", sa.JSON(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("quality", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_dictionary_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dictionary")),
        sa.UniqueConstraint("hash", name=op.f("uq_dictionary_hash")),
        sa.UniqueConstraint("slug", name=op.f("uq_dictionary_slug")),
    )
    op.create_index(op.f("ix_dictionary_model_id"), "dictionary", ["model_id"], unique=False)


def _create_corpora() -> None:
    op.create_table(
        "corpus",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tokenizer_hash", sa.Text(), nullable=False),
        sa.Column("n_tokens", sa.BigInteger(), nullable=False),
        sa.Column("n_documents", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corpus")),
        sa.UniqueConstraint("hash", name=op.f("uq_corpus_hash")),
        sa.UniqueConstraint("slug", name=op.f("uq_corpus_slug")),
    )
    op.create_table(
        "document",
        sa.Column("corpus_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["corpus_id"], ["corpus.id"], name=op.f("fk_document_corpus_id")),
        sa.PrimaryKeyConstraint("corpus_id", "number", name=op.f("pk_document")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "context_set",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("corpus_id", sa.Integer(), nullable=False),
        sa.Column("n_ctx", sa.Integer(), nullable=False),
        sa.Column("conventions", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["corpus_id"], ["corpus.id"], name=op.f("fk_context_set_corpus_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_context_set")),
        sa.UniqueConstraint(
            "corpus_id", "n_ctx", "conventions", name=op.f("uq_context_set_corpus_id_n_ctx_conventions")
        ),
    )
    op.create_table(
        "context_block",
        sa.Column("context_set_id", sa.Integer(), nullable=False),
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["context_set_id"], ["context_set.id"], name=op.f("fk_context_block_context_set_id")),
        sa.PrimaryKeyConstraint("context_set_id", "block", name=op.f("pk_context_block")),
    )


def _create_harvests() -> None:
    op.create_table(
        "harvest",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("context_set_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("tokens_done", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("n_contexts", sa.BigInteger(), nullable=False),
        sa.Column("n_documents", sa.BigInteger(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("provenance", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["context_set_id"], ["context_set.id"], name=op.f("fk_harvest_context_set_id")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_harvest_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_harvest")),
        sa.UniqueConstraint("key", name=op.f("uq_harvest_key")),
    )
    op.create_index(op.f("ix_harvest_context_set_id"), "harvest", ["context_set_id"], unique=False)
    op.create_index(op.f("ix_harvest_created_at"), "harvest", ["created_at"], unique=False)
    op.create_index(op.f("ix_harvest_model_id"), "harvest", ["model_id"], unique=False)
    op.create_table(
        "harvest_tokens",
        sa.Column("harvest_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["harvest_id"], ["harvest.id"], name=op.f("fk_harvest_tokens_harvest_id")),
        sa.PrimaryKeyConstraint("harvest_id", name=op.f("pk_harvest_tokens")),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("harvest_id", sa.Integer(), nullable=False),
        sa.Column("dictionary_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("summary", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["dictionary_id"], ["dictionary.id"], name=op.f("fk_run_dictionary_id")),
        sa.ForeignKeyConstraint(["harvest_id"], ["harvest.id"], name=op.f("fk_run_harvest_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint("harvest_id", "dictionary_id", name=op.f("uq_run_harvest_id_dictionary_id")),
    )
    op.create_index(op.f("ix_run_dictionary_id"), "run", ["dictionary_id"], unique=False)


def _create_features() -> None:
    op.create_table(
        "feature",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tokens_fired", sa.BigInteger(), nullable=False),
        sa.Column("peak", sa.Double(), nullable=False),
        sa.Column("mean", sa.Double(), nullable=False),
        sa.Column("top_token", sa.Integer(), nullable=False),
        sa.Column("top_token_text", sa.Text(), nullable=False),
        sa.Column("promoted", sa.LargeBinary(), nullable=False),
        sa.Column("sparkline", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_feature_run_id")),
        sa.PrimaryKeyConstraint("run_id", "index", name=op.f("pk_feature")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_feature_run_id_mean_index"), "feature", ["run_id", "mean", "index"], unique=False)
    op.create_index(op.f("ix_feature_run_id_peak_index"), "feature", ["run_id", "peak", "index"], unique=False)
    op.create_index(
        op.f("ix_feature_run_id_tokens_fired_index"), "feature", ["run_id", "tokens_fired", "index"], unique=False
    )
    op.create_index(
        op.f("ix_feature_run_id_top_token_index"), "feature", ["run_id", "top_token", "index"], unique=False
    )
    op.create_table(
        "feature_page",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_feature_page_run_id")),
        sa.PrimaryKeyConstraint("run_id", "index", name=op.f("pk_feature_page")),
    )
    op.create_table(
        "label",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dictionary_hash", sa.Text(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label")),
    )
    op.create_index(
        op.f("ix_label_dictionary_hash_index_id"), "label", ["dictionary_hash", "index", "id"], unique=False
    )


def _create_jobs() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("rate", sa.Double(), nullable=True),
        sa.Column("seconds_left", sa.Double(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    op.create_index(op.f("ix_job_created_at"), "job", ["created_at"], unique=False)
    op.create_table(
        "worker_heartbeat",
        sa.Column("executor_id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("last_seen_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("executor_id", name=op.f("pk_worker_heartbeat")),
    )
    op.create_index(op.f("ix_worker_heartbeat_last_seen_at"), "worker_heartbeat", ["last_seen_at"], unique=False)
