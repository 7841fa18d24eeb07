"""`create_app`: everything that is served, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from searchengine import plugins
from searchengine.config import Settings
from searchengine.search.engine import Engine
from searchengine.web.answers import API
from searchengine.web.groups import Groups
from searchengine.web.live import Live
from searchengine.web.media.decoding import Decoding
from searchengine.web.media.thumbs import Thumbs
from searchengine.web.media.uploads import Uploads
from searchengine.web.metrics import install_metrics
from searchengine.web.page.pages import install_pages
from searchengine.web.page.preferring import prefer_languages
from searchengine.web.routes import albums, duplicates, library, pictures, search, texts, words
from searchengine.web.safety.access import Safety, install_safety
from searchengine.web.safety.methods import AnswerHead
from searchengine.web.safety.parameters import refuse_unknown
from searchengine.web.safety.problems import install_problems

EXTENSIONS = "lexpix.web"
"""Entry points of others that add to the app: functions of app, library and settings."""

THUMBS = "thumbs"
"""Folder of the thumbnails inside of a library."""


COMPRESSION = 5
"""Level of gzip: answers of 40 kB take a millisecond, and higher ones save a hundredth more."""
NOT_COMPRESSED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "image/*", "application/octet-stream")
"""Types of content that are compressed already, are sent in ranges, or must flow at once."""

TAGS = {
    "search": "Find pictures by words, pictures and sums of both; count what can narrow them down",
    "images": "One picture: what is known of it, its file, its tags, what it is like",
    "texts": "Texts and recipes, by words or by a picture",
    "words": "What is near to a word, and how a query may go on",
    "library": "The library as a whole",
    "duplicates": "Pictures that are there more than once, and which to keep",
    "albums": "Searches that are kept under a name",
    "jobs": "Index a folder, and follow it",
}
"""Groups of operations, in the order in which they are described."""
ROOMS = {
    "search": search,
    "images": pictures,
    "texts": texts,
    "words": words,
    "library": library,
    "duplicates": duplicates,
    "albums": albums,
}
"""The modules whose routes are in these groups; those of `jobs` are an extension's."""


def create_app(
    settings: Settings,
    engine: Engine | None = None,
    safety: Safety | None = None,
    *,
    watches: bool = False,
) -> FastAPI:
    """Return an app that serves one library; it closes the library when it ends.

    Args:
        settings: Names of library, model and index.
        engine: The library, if it is open already.
        safety: Who may ask, and for how much; programs and pages of this machine if None.
        watches: Whether an extension that can index follows the folders of the library.

    Raises:
        NothingIndexed, LibraryError, ModelError: As `Engine.open` does.
    """
    live = Live(engine or Engine.open(settings), settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        live.close()

    app = FastAPI(
        title="lexpix",
        summary="Search a photo collection by words, pictures and arithmetic on them",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(refuse_unknown)],
        openapi_tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        # What generators of clients make functions of.
        generate_unique_id_function=lambda route: route.name,
    )
    # Each goes around the ones before it.
    app.add_middleware(AnswerHead)
    app.add_middleware(
        GZipMiddleware, compresslevel=COMPRESSION, exclude_content_types=NOT_COMPRESSED
    )
    install_problems(app)
    install_safety(app, safety or Safety())
    metrics = install_metrics(app, {"library": live.check_library, "model": live.check_model})
    metrics.watch("lexpix_pictures", "Pictures that can be found", live.count)
    decoding = Decoding()
    app.state.live = live
    app.state.watches = watches
    app.state.groups = Groups(live)
    app.state.uploads = Uploads(decoding)
    live.on_move.append(app.state.uploads.forget_all)
    app.state.thumbs = Thumbs(settings.library / THUMBS, decoding)
    languages = [Depends(prefer_languages)]
    for tag, room in ROOMS.items():
        app.include_router(room.router, prefix=API, tags=[tag], dependencies=languages)
    install_pages(app)
    for name in plugins.names(EXTENSIONS):
        plugins.load(EXTENSIONS, name)(app, live, settings)
    return app
