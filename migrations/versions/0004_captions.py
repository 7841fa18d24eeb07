"""Captions of pictures, and the words they can be found by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "captions",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("logprob", sa.Double(), nullable=False),
        sa.Column("confidence", sa.Double()),
        sa.Column("sure", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("image_id", name="pk_captions"),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name="fk_captions_image_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "caption_words",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("image_id", "word", name="pk_caption_words"),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["captions.image_id"],
            name="fk_caption_words_image_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_caption_words_word", "caption_words", ["word"])
