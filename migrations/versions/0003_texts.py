"""Texts beside the pictures, their vectors and ingredients."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "texts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(6), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("ingredients", sa.Text(), nullable=False),
        sa.Column("source", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("image", sa.LargeBinary()),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_texts"),
        sa.UniqueConstraint("source", "key", name="uq_texts_source_key"),
        sa.CheckConstraint("kind IN ('text', 'recipe')", name=op.f("ck_texts_kind")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_texts_kind", "texts", ["kind"])
    op.create_index("ix_texts_seq_id", "texts", ["seq", "id"])
    op.create_table(
        "text_embeddings",
        sa.Column("text_id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("vector", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("text_id", "fingerprint", name="pk_text_embeddings"),
        sa.ForeignKeyConstraint(
            ["text_id"], ["texts.id"], name="fk_text_embeddings_text_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "text_ingredients",
        sa.Column("text_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("text_id", "name", name="pk_text_ingredients"),
        sa.ForeignKeyConstraint(
            ["text_id"], ["texts.id"], name="fk_text_ingredients_text_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_text_ingredients_name", "text_ingredients", ["name"])
    op.create_table(
        "text_tombstones",
        sa.Column("text_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("text_id", name="pk_text_tombstones"),
    )
    op.create_index("ix_text_tombstones_seq_text_id", "text_tombstones", ["seq", "text_id"])
