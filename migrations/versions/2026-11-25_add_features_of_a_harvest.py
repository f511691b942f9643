"""Which features a harvest is of, where it is not of all."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("harvest", sa.Column("features", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("harvest", "features")
