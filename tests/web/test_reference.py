"""The reference of the API: Swagger UI in a browser, within the policy and without a network."""

from __future__ import annotations

import os

import pytest
from playwright import sync_api

from tests.support.browser import CHROMIUM, launched
from tests.support.served import tab_of

if CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("needs chromium", allow_module_level=True)
pytest.importorskip("fastapi")
expect = sync_api.expect


def test_reference_shows_every_operation_and_tries_one(photo_server: str) -> None:
    expect.set_options(timeout=60_000)
    # tab_of fails if anything complains, as of the policy, or is asked of another server.
    with launched() as browser, tab_of(browser, photo_server, color_scheme="dark") as tab:
        tab.goto(photo_server)
        tab.get_by_role("button", name="Help").click()
        tab.get_by_role("link", name="the reference of the API").click()
        expect(tab).to_have_url(f"{photo_server}/docs")
        expect(tab.locator("html")).to_have_class("dark-mode")
        described = tab.request.get(f"{photo_server}/api/openapi.json").json()
        operations = sum(len(path) for path in described["paths"].values())
        expect(tab.locator(".opblock")).to_have_count(operations)
        tab.locator("#operations-library-get_revision .opblock-summary-control").click()
        tab.locator("#operations-library-get_revision button.execute").click()
        answer = tab.locator("#operations-library-get_revision .live-responses-table .microlight")
        there = tab.request.get(f"{photo_server}/api/v1/revision").json()["pictures"]
        assert there >= 84  # another test of this server may have added one
        expect(answer.first).to_contain_text(f'"pictures": {there}')
