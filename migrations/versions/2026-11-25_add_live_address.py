"""A worker says where its door for live inference is."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("worker_heartbeat", sa.Column("live_address", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("worker_heartbeat", "live_address")
