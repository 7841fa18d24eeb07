"""The tables of a library; migrations/ makes them, and a test proves that both agree."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from searchengine.catalog.column_types import EscapedText, FilePath, TextList, UtcDateTime
from searchengine.documents import Kind
from searchengine.types import State


class Schema(DeclarativeBase):
    """Hold the metadata of all tables."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class ImageRow(Schema):
    """One file; `seq` is that of its last change which matters to an index.

    `sidecar_ns` is that of its `FileStat`; `metadata_version` that of what read the file last.
    `phash` and `sharpness` are a `Look`, of pictures that were decoded since these are kept.
    """

    __tablename__ = "images"
    __table_args__ = (
        sa.CheckConstraint("state IN ('ok', 'missing', 'bad')", name="state"),
        sa.CheckConstraint("(error IS NOT NULL) = (state = 'bad')", name="error"),
        sa.Index(None, "seq", "id"),
        sa.Index(  # few
            "ix_images_damaged",
            "path",
            sqlite_where=sa.text("damage IS NOT NULL"),
            postgresql_where=sa.text("damage IS NOT NULL"),
        ),
        sa.Index(None, "state", "path"),  # "present and under this folder" without touching a row
        sa.Index(None, "state", "taken_at"),  # "present and of that time" likewise
        {"sqlite_autoincrement": True},  # an id that was forgotten never comes back
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(FilePath, unique=True)
    root: Mapped[str] = mapped_column(FilePath)
    sha256: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    size: Mapped[int] = mapped_column(sa.BigInteger)
    mtime_ns: Mapped[int] = mapped_column(sa.BigInteger)
    ctime_ns: Mapped[int] = mapped_column(sa.BigInteger)
    width: Mapped[int | None]
    height: Mapped[int | None]
    taken_at: Mapped[dt.datetime | None]
    camera: Mapped[str | None] = mapped_column(EscapedText)
    lens: Mapped[str | None] = mapped_column(EscapedText)
    taken_offset: Mapped[int | None]
    focal: Mapped[float | None] = mapped_column(sa.Double)
    iso: Mapped[int | None]
    rating: Mapped[int | None]
    description: Mapped[str | None] = mapped_column(EscapedText)
    keywords: Mapped[tuple[str, ...] | None] = mapped_column(TextList)
    place: Mapped[str | None] = mapped_column(EscapedText)
    format: Mapped[str | None] = mapped_column(sa.String(16))
    damage: Mapped[str | None] = mapped_column(EscapedText)
    at: Mapped[float | None] = mapped_column(sa.Double)
    phash: Mapped[int | None] = mapped_column(sa.BigInteger)
    sharpness: Mapped[float | None] = mapped_column(sa.Double)
    sidecar_ns: Mapped[int | None] = mapped_column(sa.BigInteger)
    metadata_version: Mapped[int] = mapped_column(server_default="0")
    lat: Mapped[float | None] = mapped_column(sa.Double)
    lon: Mapped[float | None] = mapped_column(sa.Double)
    state: Mapped[State] = mapped_column(sa.String(7))
    error: Mapped[str | None] = mapped_column(EscapedText)
    scan: Mapped[int] = mapped_column(sa.BigInteger)
    seq: Mapped[int] = mapped_column(sa.BigInteger)


class EncoderRow(Schema):
    """A model whose vectors the library holds."""

    __tablename__ = "encoders"

    id: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(sa.String(64), unique=True)
    name: Mapped[str] = mapped_column(sa.Text)
    dim: Mapped[int]


class EmbeddingRow(Schema):
    """The vector of the bytes that the picture's `sha256` names: `dim` float16, little-endian."""

    __tablename__ = "embeddings"

    image_id: Mapped[int] = mapped_column(
        sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True
    )
    encoder_id: Mapped[int] = mapped_column(sa.ForeignKey("encoders.id"), primary_key=True)
    vector: Mapped[bytes] = mapped_column(sa.LargeBinary)


class FrameRow(Schema):
    """The vector of a frame of a film, as `EmbeddingRow` has that of the one which stands for it.

    This one is among the frames; a film of one scene has no other.
    """

    __tablename__ = "frames"

    image_id: Mapped[int] = mapped_column(
        sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True
    )
    encoder_id: Mapped[int] = mapped_column(sa.ForeignKey("encoders.id"), primary_key=True)
    seconds: Mapped[float] = mapped_column(sa.Double, primary_key=True)
    vector: Mapped[bytes] = mapped_column(sa.LargeBinary)


class TagRow(Schema):
    """A name for a picture: the `user`'s word, a model's `guess`, or a user's `no` to a name.

    A guess has its confidence, and the fingerprint of the model that made it.
    """

    __tablename__ = "tags"
    __table_args__ = (sa.Index(None, "name"),)

    image_id: Mapped[int] = mapped_column(
        sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    source: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    confidence: Mapped[float | None] = mapped_column(sa.Double)
    fingerprint: Mapped[str | None] = mapped_column(sa.String(64))


class GuessedRow(Schema):
    """A picture that a model was asked for tags; `version` is that of all else that decides."""

    __tablename__ = "guessed"

    image_id: Mapped[int] = mapped_column(
        sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True
    )
    fingerprint: Mapped[str] = mapped_column(sa.String(64))
    version: Mapped[str] = mapped_column(sa.String(64))


class TaggedRow(Schema):
    """A picture whose tags were written, and the number of the last such write (`touching`)."""

    __tablename__ = "tagged"
    __table_args__ = (sa.Index(None, "number", "image_id"),)

    image_id: Mapped[int] = mapped_column(
        sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(sa.BigInteger)


class PlacedRow(Schema):
    """A picture whose place was named, and the number of the last such write."""

    __tablename__ = "placed"
    __table_args__ = (sa.Index(None, "number", "image_id"),)

    image_id: Mapped[int] = mapped_column(
        sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(sa.BigInteger)


class TaughtRow(Schema):
    """A word that was taught from pictures: its vector, `dim` float16, for each model."""

    __tablename__ = "taught"

    name: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    vector: Mapped[bytes] = mapped_column(sa.LargeBinary)


class TaughtPictureRow(Schema):
    """A picture that a word was taught from, remembered for the next model."""

    __tablename__ = "taught_pictures"

    name: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    sha256: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    path: Mapped[str] = mapped_column(FilePath)


class CaptionRow(Schema):
    """The sentence that a captioner, named by its fingerprint, wrote about a picture's bytes."""

    __tablename__ = "captions"

    image_id: Mapped[int] = mapped_column(
        sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True
    )
    fingerprint: Mapped[str] = mapped_column(sa.String(64))
    text: Mapped[str] = mapped_column(EscapedText)
    logprob: Mapped[float] = mapped_column(sa.Double)
    confidence: Mapped[float | None] = mapped_column(sa.Double)
    sure: Mapped[bool]


class CaptionWordRow(Schema):
    """A word, in the singular, of a caption that is sure enough to be found by it."""

    __tablename__ = "caption_words"
    __table_args__ = (sa.Index(None, "word"),)

    image_id: Mapped[int] = mapped_column(
        sa.ForeignKey("captions.image_id", ondelete="CASCADE"), primary_key=True
    )
    word: Mapped[str] = mapped_column(EscapedText, primary_key=True)


class TextRow(Schema):
    """A text: named by `key` within the file `source`; `sha256` is that of all its parts."""

    __tablename__ = "texts"
    __table_args__ = (
        sa.UniqueConstraint("source", "key"),
        sa.CheckConstraint("kind IN ('text', 'recipe')", name="kind"),
        sa.Index(None, "seq", "id"),
        sa.Index(None, "kind"),  # counts and ids of a kind without touching a row
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[Kind] = mapped_column(sa.String(6))
    title: Mapped[str] = mapped_column(EscapedText)
    body: Mapped[tuple[str, ...]] = mapped_column(TextList)
    ingredients: Mapped[tuple[str, ...]] = mapped_column(TextList)
    source: Mapped[str] = mapped_column(FilePath)
    key: Mapped[str] = mapped_column(EscapedText)
    image: Mapped[str | None] = mapped_column(FilePath)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    seq: Mapped[int] = mapped_column(sa.BigInteger)


class TextEmbeddingRow(Schema):
    """The vector, float16, that a text model made of a text; none if it knows no word of it."""

    __tablename__ = "text_embeddings"

    text_id: Mapped[int] = mapped_column(
        sa.ForeignKey("texts.id", ondelete="CASCADE"), primary_key=True
    )
    fingerprint: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    vector: Mapped[bytes | None] = mapped_column(sa.LargeBinary)


class IngredientRow(Schema):
    """What a recipe needs, without amounts: the name that was parsed from a line."""

    __tablename__ = "text_ingredients"
    __table_args__ = (sa.Index(None, "name"),)

    text_id: Mapped[int] = mapped_column(
        sa.ForeignKey("texts.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(EscapedText, primary_key=True)


class TextTombstoneRow(Schema):
    """A text that was removed, kept so that indexes can drop it."""

    __tablename__ = "text_tombstones"
    __table_args__ = (sa.Index(None, "seq", "text_id"),)

    row_id: Mapped[int] = mapped_column("text_id", primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(sa.BigInteger)


class UndoRow(Schema):
    """Where a row stood before the run that changed it by the write `seq`."""

    __tablename__ = "undo"

    image_id: Mapped[int] = mapped_column(
        sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True
    )
    run: Mapped[int] = mapped_column(sa.BigInteger)
    seq: Mapped[int] = mapped_column(sa.BigInteger)
    path: Mapped[str] = mapped_column(FilePath)
    root: Mapped[str] = mapped_column(FilePath)
    state: Mapped[State] = mapped_column(sa.String(7))
    error: Mapped[str | None] = mapped_column(EscapedText)


class SearchRow(Schema):
    """A search that was saved under a name: its question, as JSON in ASCII."""

    __tablename__ = "searches"
    __table_args__ = (sa.UniqueConstraint("name"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(EscapedText)
    question: Mapped[str] = mapped_column(sa.Text)


class TombstoneRow(Schema):
    """A picture that was forgotten, kept so that indexes can drop it."""

    __tablename__ = "tombstones"
    __table_args__ = (sa.Index(None, "seq", "image_id"),)

    row_id: Mapped[int] = mapped_column("image_id", primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(sa.BigInteger)


class RootRow(Schema):
    """A folder that was indexed, with the device it was on."""

    __tablename__ = "roots"

    path: Mapped[str] = mapped_column(FilePath, primary_key=True)
    device: Mapped[int | None] = mapped_column(sa.BigInteger)
    scanned_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)


class MetaRow(Schema):
    """Facts: the library's uid, its counters (`seq`, `scan`, `texts_seq`, those of `touching`)."""

    __tablename__ = "meta"

    key: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    value: Mapped[str] = mapped_column(sa.Text)
