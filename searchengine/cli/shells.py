"""The scripts that ask for completions in bash, zsh and fish, and how each is answered.

A script calls `lexpix` itself with `_LEXPIX_COMPLETE` set, and click answers. Its own scripts would
do for commands and options; these let a value hold spaces, colons and quotes, as parts of a query
do, and say nothing of errors.
"""

from __future__ import annotations

import os
import re
from typing import Any

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

GOES_ON = "part"
"""The type of an item that no space follows."""

_BASH = r"""# Put this into ~/.bashrc:  eval "$(lexpix completion bash)"
%(complete_func)s() {
    local line kind
    COMPREPLY=()
    while IFS= read -r line; do
        kind=${line%%%%,*}
        case $kind in
            plain) COMPREPLY+=("${line#*,}") ;;
            part) COMPREPLY+=("${line#*,}"); compopt -o nospace 2>/dev/null ;;
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
        esac
    done < <(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null ||
    complete -F %(complete_func)s %(prog_name)s
"""

_ZSH = r"""#compdef %(prog_name)s
# Put this into ~/.zshrc, behind compinit:  eval "$(lexpix completion zsh)"
%(complete_func)s() {
    local -a lines plain part explained
    local kind value about
    (( $+commands[%(prog_name)s] )) || return 1
    # As it was typed: of a quote in mid-word PREFIX says nothing.
    local typed=${${words[CURRENT]%%"$QISUFFIX"}%%"$SUFFIX"}
    lines=("${(@f)$(env COMP_WORDS="${(j: :)words[1,CURRENT-1]} $typed" \
        COMP_CWORD=$((CURRENT-1)) %(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")
    for kind value about in "${lines[@]}"; do
        case $kind in
            plain) [[ $about == _ ]] && plain+=("$value") || explained+=("$value:$about") ;;
            part) part+=("$value") ;;
            dir) _path_files -/ ;;
            file) _path_files -f ;;
        esac
    done
    (( $#explained )) && _describe -V unsorted explained -U
    (( $#plain )) && compadd -U -V unsorted -a plain
    (( $#part )) && compadd -U -S '' -V parts -a part
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH = r"""# Write this to a file:  lexpix completion fish > ~/.config/fish/completions/lexpix.fish
function %(complete_func)s
    set -l lines (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp | string collect) \
        COMP_CWORD=(commandline -ct | string collect) %(prog_name)s 2>/dev/null)
    for line in $lines
        set -l item (string split -m 1 , -- $line)
        switch $item[1]
            case dir
                __fish_complete_directories (commandline -ct)
            case file
                __fish_complete_path (commandline -ct)
            case '*'
                echo -- $item[2]
        end
    end
end
complete --command %(prog_name)s --no-files --keep-order --arguments '(%(complete_func)s)'
"""


class _Bash(BashComplete):
    """Read the line itself, because bash cuts words at colons and quotes.

    Bash replaces the piece behind the last cut; so a value is answered without what stands before.
    """

    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """Say nothing of old versions: the script also works where there is no `nosort`."""

    def get_completion_args(self) -> tuple[list[str], str]:
        breaks = os.environ.get("COMP_WORDBREAKS", "")
        words, self._fixed, self._quote = words_of(os.environ["COMP_LINE"], breaks)
        return words[1:-1], words[-1]

    def format_completion(self, item: CompletionItem[Any]) -> str:
        value = str(item.value)
        if item.type not in ("plain", GOES_ON) or not value.startswith(self._fixed):
            return f"{item.type if item.type in ('dir', 'file') else 'none'},"
        return f"{item.type},{_escaped(value[len(self._fixed) :], self._quote)}"


class _Zsh(ZshComplete):
    source_template = _ZSH

    def get_completion_args(self) -> tuple[list[str], str]:
        words, _, _ = words_of(os.environ["COMP_WORDS"])
        return words[1:-1], words[-1]

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        items = super().get_completions(args, incomplete)
        # zsh keeps what all values begin with. Where some are in quotes, that would be less than
        # what was typed, so all are then.
        if not all(item.value.startswith(incomplete) for item in items):
            for item in items:
                item.value = _BARE.sub(r'\1"\2"', item.value)
        return items

    def format_completion(self, item: CompletionItem[Any]) -> str:
        if item.type == GOES_ON:
            return f"{item.type}\n{item.value}\n_"
        return super().format_completion(item)


class _Fish(FishComplete):
    source_template = _FISH

    def get_completion_args(self) -> tuple[list[str], str]:
        words, _, _ = words_of(os.environ["COMP_WORDS"])
        return words[1:-1], words[-1]


_BARE = re.compile(r'((?:^|(?<=\s))[+-]?\w+:)([^"\s]+)\Z')
"""A filter at the end whose value is in no quotes."""

SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def register() -> None:
    """Make click answer these shells in the ways of this module."""
    for name, shell in SHELLS.items():
        add_completion_class(shell, name)


def words_of(line: str, breaks: str = "") -> tuple[list[str], str, str]:
    """Cut what was typed so far into words, as a shell does.

    Args:
        line: A command up to the cursor; its last word may be empty, or a quote be open.
        breaks: Where the shell cuts the last word once more.

    Returns:
        The words without quotes; what of the last one stands before the last cut; the open quote.
    """
    words, value, fixed, quote = [], "", "", ""
    is_word, opened, before, characters = False, 0, "", iter(line)
    for character in characters:
        if quote:
            if character == quote:
                quote, fixed = "", before  # a pair of quotes cuts nothing
            elif character == "\\" and quote == '"':
                following = next(characters, "")
                value += following if following in '"\\$`' else character + following
            else:
                value += character
        elif character.isspace():
            words += [value] * is_word
            value, fixed, is_word = "", "", False
        else:
            is_word = True
            if character in "'\"":
                quote, opened, before, fixed = character, len(value), fixed, value
            elif character == "\\":
                value += next(characters, "")
            else:
                value += character
                fixed = value if character in breaks else fixed
    # Whoever opens a quote behind a filter means that of the query, which is hidden by the shell's.
    if quote and value[:opened].endswith(":") and value[opened : opened + 1] != '"':
        value = f'{value[:opened]}"{value[opened:]}'
    return [*words, value], fixed, quote


def _escaped(value: str, quote: str) -> str:
    """Return a value as it is written in a shell, behind an open quote if there is one."""
    if quote == "'":
        return value.replace("'", r"'\''")
    if quote:
        escaped = re.sub(r'(["\\$`])', r"\\\1", value)
        # Where the last character is a quote, bash takes the one that is open for closed.
        return f'{escaped}"' if escaped.endswith('"') else escaped
    return re.sub(r"([^\w@%+=:,./~-])", r"\\\1", value)
