"""Scripts that steps run on another machine: behind `ssh`, or by an action that connects to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from fixer.github.expressions import places
from fixer.languages.shell import Script, Shell
from fixer.records import record

if TYPE_CHECKING:
    from fixer.github.workflow import Step
    from fixer.languages.shell import Command
    from fixer.languages.yaml import Node

_LOGIN = Shell(errexit=False, posix=True)
"""Whether the login shell of a server is bash is not known, and it does not stop at a failure."""
_VALUED = "BDEFIJLOPQRSWbceilmopw"
"""The options of ssh that take a value: https://man.openbsd.org/ssh"""


@record
class RemoteScript:
    """What an action runs on a server, and where in the workflow it stands."""

    node: Node
    script: Script


def in_checkout(path: str, below: Callable[[str], Sequence[str]]) -> str:
    """The folder of the repository that a folder of a server is, if the repository is checked out there: the longest
    end of the path that is one, else the top.

    `below` tells the files of a folder. One that holds nothing but modules is not entered: the checkout has its name.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    ends = ("/".join(parts[at:]) for at in range(len(parts)))
    return next((end for end in ends if any(_is_no_module(path, end) for path in below(end))), "")


def _is_no_module(path: str, folder: str) -> bool:
    name = path.removeprefix(f"{folder}/")
    return "/" not in name and (name == "manage.py" or not name.endswith(".py"))


def of_ssh_action(step: Step) -> RemoteScript | None:
    """The `script:` of an action that connects by SSH; None for other steps, and where no shell could read it."""
    node = step.with_.get("script") if step.with_ is not None else None
    if step.uses is None or "ssh" not in step.uses.value or node is None or not node.is_scalar:
        return None
    script = _script(node.value)
    return RemoteScript(node, script) if not script.error else None


def over_ssh(command: Command) -> Iterator[Script]:
    """What `ssh` runs on the server: its words behind the host, and its here-document."""
    words = _behind_the_host(command)
    if words:
        yield _script(" ".join(words))
    for redirect in command.redirects:
        if redirect.operator.startswith("<<"):
            _, *lines = command.script.text[redirect.start : redirect.end].splitlines()
            yield _script("\n".join(lines[:-1]))


def _behind_the_host(command: Command) -> list[str]:
    host = _behind_options([word.text for word in command.args])
    return _behind_options(host[1:])


def _behind_options(words: list[str]) -> list[str]:
    """What stands behind the options: `-p 22`, `-p22`, or several letters such as `-tp 22`."""
    while words and words[0].startswith("-"):
        option, *words = words
        valued = next((at for at, letter in enumerate(option) if letter in _VALUED), 0)
        if valued and valued == len(option) - 1:
            words = words[1:]
    return words


def _script(text: str) -> Script:
    return Script.parse(text, _LOGIN, places(text))
