"""What pictures look like: perceptual hashes, and how sharp they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("images", sa.Column("phash", sa.BigInteger()))
    op.add_column("images", sa.Column("sharpness", sa.Double()))
