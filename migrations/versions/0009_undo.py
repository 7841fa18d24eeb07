"""Where rows stood before the last run of the indexer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "undo",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(7), nullable=False),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("image_id", name="pk_undo"),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name="fk_undo_image_id", ondelete="CASCADE"
        ),
    )
