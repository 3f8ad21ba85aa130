"""Streams, their entries, blobs and leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    stream = sa.ForeignKey("records_streams.id")
    op.create_table(
        "records_streams",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("length", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "records_entries",
        sa.Column("stream", sa.Integer, stream, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(200), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("checksum", sa.LargeBinary(32), nullable=False),
    )
    op.create_table(
        "records_blobs",
        sa.Column("stream", sa.Integer, stream.copy(), primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "records_leases",
        sa.Column("stream", sa.Integer, stream.copy(), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
