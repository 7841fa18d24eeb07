"""Present pictures by when they were taken, without touching a row."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_images_state_taken_at", "images", ["state", "taken_at"])
