"""The tables that hold streams of records in a database: SQLite or PostgreSQL, the same in both."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, MetaData, String, Table, Text

METADATA: Final = MetaData()

# `length` is the number of its entries: whoever appends moves it on from what it had read, or was overtaken
STREAMS: Final = Table(
    "records_streams",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("length", BigInteger, nullable=False),
)

# `checksum` is the SHA-256 of the entry before's checksum and of this entry
ENTRIES: Final = Table(
    "records_entries",
    METADATA,
    Column("stream", Integer, ForeignKey("records_streams.id"), primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(200), nullable=False),
    Column("body", Text, nullable=False),
    Column("checksum", LargeBinary(32), nullable=False),
)

BLOBS: Final = Table(
    "records_blobs",
    METADATA,
    Column("stream", Integer, ForeignKey("records_streams.id"), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("content", LargeBinary, nullable=False),
)

LEASES: Final = Table(
    "records_leases",
    METADATA,
    Column("stream", Integer, ForeignKey("records_streams.id"), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("until", BigInteger, nullable=False),
)
