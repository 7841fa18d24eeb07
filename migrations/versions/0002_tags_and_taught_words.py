"""Tags with their confidence, what was asked for them, and taught words."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tags", sa.Column("confidence", sa.Double()))
    op.add_column("tags", sa.Column("fingerprint", sa.String(64)))
    op.create_index("ix_tags_name", "tags", ["name"])
    op.create_table(
        "guessed",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("image_id", name="pk_guessed"),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name="fk_guessed_image_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "taught",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", "fingerprint", name="pk_taught"),
    )
    op.create_table(
        "taught_pictures",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", "sha256", name="pk_taught_pictures"),
    )
