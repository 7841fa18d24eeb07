"""The prompt of `lexpix search -i`: one question after the other, while the library stays open.

A line is a query as `lexpix search` takes it, or a command that begins with a colon. Whatever goes
wrong with one line is told, and the next one is asked for.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from searchengine.cli.options import asked_for, picture_of
from searchengine.cli.output import show_answer
from searchengine.cli.pictures import of_hits, require_terminal, show_sheet
from searchengine.config import history_file
from searchengine.errors import LexpixError, QueryError
from searchengine.search.suggestions import Suggestions
from searchengine.terminal import printable, printable_lines
from searchengine.types import Answer, Hit, MinMatch

if TYPE_CHECKING:
    from searchengine.search.engine import Engine

PROMPT = "lexpix> "
COMMANDS: dict[str, tuple[str, str]] = {
    "more": ("", "the next pictures of the last answer"),
    "similar": ("N", "pictures like the one with this number"),
    "show": ("[N ...]", "draw the last answer, or some pictures, in the terminal"),
    "open": ("N", "open a picture in the program of your desktop"),
    "tag": ("N NAME", "give a picture a tag"),
    "untag": ("N NAME", "take a tag away from a picture for good"),
    "help": ("", "this list"),
    "quit": ("", "end; so does Ctrl+D"),
}
"""What a line may begin with behind a colon, what follows it, and what it does."""
_OF_TAGS = ("tag", "untag")


@dataclass(frozen=True, slots=True)
class Options:
    """What holds for every question of a conversation, as for one of `lexpix search`."""

    limit: int | None
    unlikely: bool
    min_match: MinMatch | None
    collapse: bool
    show: bool


def converse(engine: Engine, options: Options, first: str = "") -> None:
    """Answer lines until there are no more.

    Args:
        engine: Stays open.
        options: Of every answer.
        first: A query that is answered before any line is read.
    """
    conversation = Conversation(engine, options)
    session: PromptSession[str] = PromptSession(
        PROMPT,
        history=_history(),
        completer=LineCompleter(Suggestions(engine.settings)),
        complete_while_typing=False,
        complete_in_thread=True,
    )
    count = f"{len(engine.catalog.present()):,} pictures"
    click.echo(f"{count}; Tab completes, :help tells more, Ctrl+D ends", err=True)
    if first:
        conversation.answer(first)
    while True:
        try:
            line = session.prompt()
        except KeyboardInterrupt:  # Ctrl+C takes the line away
            continue
        except EOFError:
            return
        if not conversation.answer(line):
            return


class LineCompleter(Completer):
    """Complete a line: as the shells do what is a query, and commands with their tags."""

    def __init__(self, suggestions: Suggestions) -> None:
        self._suggestions = suggestions

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002
    ) -> Iterable[Completion]:
        """Yield what may stand in place of the end of the text before the cursor."""
        text = document.text_before_cursor.lstrip()
        if not text.startswith(":"):
            for one in self._suggestions.suggest(text):
                yield Completion(one.text, one.start - len(text), display_meta=one.about)
            return
        command, space, rest = text[1:].partition(" ")
        _, behind_number, begun = rest.lstrip().partition(" ")
        if not space:
            for name, (_, about) in COMMANDS.items():
                if name.startswith(command):
                    yield Completion(name, -len(command), display_meta=about)
        elif command in _OF_TAGS and behind_number:
            for name in self._suggestions.values("tag", begun):
                yield Completion(name, -len(begun))


class Conversation:
    """What was asked so far, so that a line may speak of it."""

    def __init__(self, engine: Engine, options: Options) -> None:
        self._engine, self._options = engine, options
        self._ask: Callable[[int | None], Answer] | None = None
        self._shown: list[Hit] = []
        self._commands: dict[str, Callable[[str], None]] = {
            "more": self._more,
            "similar": self._similar,
            "show": self._show,
            "open": self._open,
            "tag": self._tag,
            "untag": self._untag,
            "help": self._help,
        }

    def answer(self, line: str) -> bool:
        """Do what a line asks for; say what is wrong with it. False if it ends the conversation."""
        line = line.strip()
        name, _, rest = line[1:].partition(" ") if line.startswith(":") else ("", "", "")
        if name in ("quit", "q"):
            return False
        try:
            if name in self._commands:
                self._commands[name](rest.strip())
            elif line.startswith(":"):
                raise QueryError(f":{name} is no command; there are: {_listed()}")
            elif line:
                self._search(line)
        except LexpixError as error:
            click.echo(f"lexpix: {printable_lines(str(error))}", err=True)
        except (OSError, click.ClickException) as error:
            said = error.format_message() if isinstance(error, click.ClickException) else str(error)
            click.echo(f"lexpix: {printable_lines(said)}", err=True)
        except KeyboardInterrupt:
            click.echo("lexpix: interrupted", err=True)
        sys.stdout.flush()
        return True

    def _search(self, text: str) -> None:
        asked, within = asked_for((text,))
        assert asked is not None, "a text is a query or an error"
        self._first(partial(self._engine.search, asked, within=within))

    def _similar(self, rest: str) -> None:
        self._first(partial(self._engine.similar, _picture(rest)))

    def _first(self, ask: Callable[..., Answer]) -> None:
        """Ask, and keep the question for `:more`."""
        self._engine.refresh()
        self._engine.follow_taught()
        options = self._options

        def ask_for(limit: int | None) -> Answer:
            return ask(
                limit=limit,
                unlikely=options.unlikely,
                min_match=options.min_match,
                collapse=options.collapse,
            )

        answer = ask_for(options.limit)
        self._ask, self._shown = ask_for, list(answer.hits)
        self._print(answer)

    def _more(self, _: str) -> None:
        if self._ask is None:
            raise QueryError(":more needs an answer to go on with; ask for something first")
        known = {hit.id for hit in self._shown}
        page = self._options.limit or self._engine.settings.limit
        answer = self._ask(len(self._shown) + page)
        new = tuple(hit for hit in answer.hits if hit.id not in known)
        if not new:
            click.echo("lexpix: that was all", err=True)
            return
        self._shown += new
        said = replace(answer, hits=new, copies=(), hints=(), translated=(), unknown_words=())
        self._print(said)

    def _print(self, answer: Answer) -> None:
        if self._options.show:
            show_sheet(self._engine, of_hits((*answer.copies, *answer.hits)))
        show_answer(answer, None)

    def _show(self, rest: str) -> None:
        require_terminal()
        if not rest:
            if not self._shown:
                raise QueryError(":show needs an answer or the numbers of pictures, :show 12 15")
            show_sheet(self._engine, of_hits(self._shown))
            return
        rows = [self._engine.picture(_number(text)) for text in rest.split()]
        hits = [Hit(row.id, row.path, None) for row in rows]
        show_sheet(self._engine, of_hits(hits))

    def _open(self, rest: str) -> None:
        path = self._engine.picture(_number(rest)).path
        if not os.path.exists(path):
            raise QueryError(f"{path}: is not there; see: lexpix index {os.path.dirname(path)}")
        if click.launch(path):
            raise QueryError(f"{path}: no program of this desktop opens it")
        click.echo(f"opened {printable(path)}", err=True)

    def _tag(self, rest: str) -> None:
        number, name = _numbered(rest)
        self._engine.edit_tags(number, add=[name])
        click.echo(f"#{number} is tagged {printable(name)}", err=True)

    def _untag(self, rest: str) -> None:
        number, name = _numbered(rest)
        self._engine.edit_tags(number, remove=[name])
        click.echo(f"#{number} is no longer tagged {printable(name)}", err=True)

    def _help(self, _: str) -> None:
        for name, (takes, about) in COMMANDS.items():
            click.echo(f"  {f':{name} {takes}':<16}{about}")
        click.echo("  all else is a query: dog - ./cat.jpg + snow tag:winter")


def _listed() -> str:
    return ", ".join(f":{name}" for name in COMMANDS)


def _number(text: str) -> int:
    digits = text.removeprefix("#")
    if not digits.isdecimal():
        raise QueryError(f"{text!r} is no number of a picture, as the answer has them: 12 or #12")
    return int(digits)


def _numbered(text: str) -> tuple[int, str]:
    number, _, name = text.partition(" ")
    if not name.strip():
        raise QueryError("give the number of a picture and a tag: 12 sunset")
    return _number(number), name.strip()


def _picture(text: str) -> int | str:
    if not text:
        raise QueryError("give the number of a picture, or a file: 12 or ./a.jpg")
    return int(text) if text.isdecimal() else picture_of(text)


def _history() -> History:
    """Return what was typed before, which nobody else may read; where none is kept, nothing."""
    path = history_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    except OSError:  # such as a home that is read only
        return InMemoryHistory()
    return _LastingHistory(path)


class _LastingHistory(FileHistory):
    def store_string(self, string: str) -> None:
        with contextlib.suppress(OSError):  # a full disk is no reason to end
            super().store_string(string)
