"""What V8 says that it ran, as lines: a script with known ends, run in the real browser."""

from __future__ import annotations

import os

import pytest

from tests.support.browser import CHROMIUM, launched
from tests.support.browser_coverage import lines_of_code, lines_run

if CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("needs chromium", allow_module_level=True)
pytest.importorskip("playwright.sync_api")

SCRIPT = """\
// A comment with 😀, two units of UTF-16.
const smile = "😀😀";
/* Several
   lines. */
function used(wanted) {
  if (wanted) {
    return smile;
  }
  return "never returned";
}

const unused = () => {
  return used(false);
};
used(true);
//# sourceURL=http://localhost/probe.js
"""


def test_lines_that_never_ran_are_told_from_those_that_did() -> None:
    with launched() as browser:
        tab = browser.new_page()
        session = tab.context.new_cdp_session(tab)
        session.send("Profiler.enable")
        session.send("Profiler.startPreciseCoverage", {"callCount": False, "detailed": True})
        tab.evaluate("source => (0, eval)(source)", SCRIPT)
        scripts = session.send("Profiler.takePreciseCoverage")["result"]
    [probe] = [one for one in scripts if one["url"].endswith("/probe.js")]
    assert lines_of_code(SCRIPT) == {2, 5, 6, 7, 9, 12, 13, 15}
    assert lines_run(SCRIPT, probe["functions"]) == {2, 5, 6, 7, 12, 15}
