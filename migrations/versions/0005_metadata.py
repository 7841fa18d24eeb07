"""What files say of their pictures, the formats that they are of, and what is wrong with them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Added one by one, which SQLite does in place: nothing is copied, however many rows there are.
    # `metadata_version` 0 has the next run of the indexer read the files' headers again.
    for column in (
        sa.Column("taken_offset", sa.Integer()),
        sa.Column("focal", sa.Double()),
        sa.Column("iso", sa.Integer()),
        sa.Column("rating", sa.Integer()),
        sa.Column("description", sa.Text()),
        sa.Column("keywords", sa.Text()),
        sa.Column("place", sa.Text()),
        sa.Column("format", sa.String(16)),
        sa.Column("damage", sa.Text()),
        sa.Column("sidecar_ns", sa.BigInteger()),
        sa.Column("metadata_version", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("images", column)
    damaged = sa.text("damage IS NOT NULL")
    op.create_index(
        "ix_images_damaged", "images", ["path"], sqlite_where=damaged, postgresql_where=damaged
    )
