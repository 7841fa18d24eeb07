"""Which pictures a write of tags, or of names of places, was about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("tagged", "placed"):
        op.create_table(
            name,
            sa.Column("image_id", sa.Integer(), nullable=False),
            sa.Column("number", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint("image_id", name=f"pk_{name}"),
            sa.ForeignKeyConstraint(
                ["image_id"], ["images.id"], name=f"fk_{name}_image_id", ondelete="CASCADE"
            ),
        )
        op.create_index(f"ix_{name}_number_image_id", name, ["number", "image_id"])
