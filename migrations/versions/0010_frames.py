"""Vectors of the scenes of films."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "frames",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("encoder_id", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("image_id", "encoder_id", "seconds", name="pk_frames"),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name="fk_frames_image_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["encoder_id"], ["encoders.id"], name="fk_frames_encoder_id"),
    )
