"""Jobs have a priority, shards say how far each is, and workers say which jobs they cannot do."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("job") as job:
        job.add_column(sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "shard_progress",
        sa.Column("harvest_id", sa.Text(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("harvest_id", "shard", name=op.f("pk_shard_progress")),
    )
    op.create_table(
        "refusal",
        sa.Column("executor_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("executor_id", "job_id", name=op.f("pk_refusal")),
    )


def downgrade() -> None:
    op.drop_table("refusal")
    op.drop_table("shard_progress")
    op.drop_column("job", "priority")
