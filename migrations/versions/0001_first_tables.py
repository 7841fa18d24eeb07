"""First tables: pictures, their vectors, roots and the library's own facts."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "images",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(64)),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("ctime_ns", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer()),
        sa.Column("height", sa.Integer()),
        sa.Column("taken_at", sa.DateTime()),
        sa.Column("camera", sa.Text()),
        sa.Column("lens", sa.Text()),
        sa.Column("lat", sa.Double()),
        sa.Column("lon", sa.Double()),
        sa.Column("state", sa.String(7), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("scan", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_images"),
        sa.UniqueConstraint("path", name="uq_images_path"),
        sa.CheckConstraint("state IN ('ok', 'missing', 'bad')", name=op.f("ck_images_state")),
        sa.CheckConstraint("(error IS NOT NULL) = (state = 'bad')", name=op.f("ck_images_error")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_images_seq_id", "images", ["seq", "id"])
    op.create_index("ix_images_sha256", "images", ["sha256"])
    op.create_index("ix_images_state_path", "images", ["state", "path"])
    op.create_table(
        "encoders",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_encoders"),
        sa.UniqueConstraint("fingerprint", name="uq_encoders_fingerprint"),
    )
    op.create_table(
        "embeddings",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("encoder_id", sa.Integer(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("image_id", "encoder_id", name="pk_embeddings"),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name="fk_embeddings_image_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["encoder_id"], ["encoders.id"], name="fk_embeddings_encoder_id"),
    )
    op.create_table(
        "tags",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("image_id", "name", "source", name="pk_tags"),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name="fk_tags_image_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "tombstones",
        sa.Column("image_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("image_id", name="pk_tombstones"),
    )
    op.create_index("ix_tombstones_seq_image_id", "tombstones", ["seq", "image_id"])
    op.create_table(
        "roots",
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.BigInteger()),
        sa.Column("scanned_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_roots"),
    )
    meta = op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.bulk_insert(
        meta,
        [
            {"key": "uid", "value": uuid.uuid4().hex},
            {"key": "seq", "value": "0"},
            {"key": "scan", "value": "0"},
        ],
    )
