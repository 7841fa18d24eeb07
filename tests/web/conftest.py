"""A browser, and the page of the photographs in it; a test module may have an `url` of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import launched
from tests.support.served import tab_of

if TYPE_CHECKING:
    from playwright import sync_api


@pytest.fixture(scope="module")  # while it runs, asyncio.run of other tests would fail
def browser() -> Iterator[sync_api.Browser]:
    """A browser without a window."""
    from tests.support.page import WAIT, expect

    expect.set_options(timeout=WAIT)
    with launched() as browser:
        yield browser


@pytest.fixture
def url(photo_server: str) -> str:
    """The address of the server that pages are opened at."""
    return photo_server


@pytest.fixture
def page(browser: sync_api.Browser, url: str) -> Iterator[sync_api.Page]:
    """A tab of the page; at the end, nothing may have complained or been asked of others."""
    with tab_of(browser, url) as tab:
        yield tab
