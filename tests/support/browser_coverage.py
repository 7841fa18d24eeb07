"""The scripts of the page in the coverage report: what V8 ran, as a plugin of coverage.py reads it.

`pytest --cov` measures Python in every process. While it does, a tab counts what its scripts run,
and `save` writes that beside the data of the processes, so that one report has both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import coverage
from coverage.plugin import FileReporter

import searchengine.web

STATIC = Path(searchengine.web.__file__).resolve().parent / "page" / "static"
PLUGIN = "tests.support.browser_coverage.BrowserCoverage"
_COMMENT = re.compile(r"/\*.*?\*/|^[ \t]*//[^\n]*", re.DOTALL | re.MULTILINE)


def lines_of_code(source: str) -> set[int]:
    """Return the numbers of the lines with more on them than brackets and comments."""
    bare = _COMMENT.sub(lambda found: "\n" * found.group().count("\n"), source)
    return {number for number, line in enumerate(bare.split("\n"), 1) if re.search(r"\w", line)}


def lines_run(source: str, functions: Iterable[dict[str, Any]]) -> set[int]:
    """Return the lines of code of which anything ran.

    Args:
        source: A script.
        functions: Of it, as V8 reports them: ranges with counts, the inner after the outer ones.
    """
    # V8 counts in units of UTF-16.
    units = "".join(one if ord(one) < 0x10000 else one + one for one in source)
    ran = bytearray(len(units))
    for function in functions:
        for part in function["ranges"]:
            start, end = part["startOffset"], part["endOffset"]
            ran[start:end] = bytes([part["count"] > 0]) * (end - start)
    found, number = set(), 1
    for unit, did in zip(units, ran, strict=True):
        if unit == "\n":
            number += 1
        elif did and not unit.isspace():
            found.add(number)
    return found & lines_of_code(source)


class Script(FileReporter):
    """What of a script could run."""

    def lines(self) -> set[int]:
        return lines_of_code(self.source())


class BrowserCoverage(coverage.CoveragePlugin):
    """Reads scripts for the report; it traces nothing."""

    def file_reporter(self, filename: str) -> FileReporter:
        return Script(filename)

    def find_executable_files(self, src_dir: str) -> Iterator[str]:
        return map(str, Path(src_dir).rglob("web/page/static/*.js"))


def coverage_init(registry: Any, options: Any) -> None:
    registry.add_file_tracer(BrowserCoverage())


@contextmanager
def counted(tab: Any) -> Iterator[None]:
    """Count what the scripts of a tab run, if coverage is being measured."""
    if coverage.Coverage.current() is None:
        yield
        return
    session = tab.context.new_cdp_session(tab)
    session.send("Profiler.enable")
    session.send("Profiler.startPreciseCoverage", {"callCount": False, "detailed": True})
    yield
    save(session.send("Profiler.takePreciseCoverage")["result"])


def save(scripts: Iterable[dict[str, Any]]) -> None:
    """Write what ran of the scripts of the page to a data file of its own."""
    found: dict[str, set[int]] = {}
    for script in scripts:
        file = STATIC / Path(urlsplit(script["url"]).path).name
        if file.suffix == ".js" and file.exists():
            ran = lines_run(file.read_text(encoding="utf-8"), script["functions"])
            found.setdefault(str(file), set()).update(ran)
    current = coverage.Coverage.current()
    assert current is not None
    data = coverage.CoverageData(current.config.data_file, suffix=True)
    # Where Python's branches are measured a file has arcs, of which a line's is the one into it.
    data.add_arcs({file: {(-1, line) for line in lines} for file, lines in found.items()})
    data.add_file_tracers(dict.fromkeys(found, PLUGIN))
    data.write()
