"""Whether a command that a report names can do what it is named for: the scripts that it runs are there and take what
they are given, and the application has what they ask it for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from fixer.audit.practices import Answer, Verdict
from fixer.django.routes import Routes
from fixer.languages.shell import Command, Script, Shell
from fixer.repository import Repository

_SCRIPT = re.compile(r"\./((?:[\w.-]+/)*[\w-]+\.(?:sh|py))")
_FIRST = re.compile(r"\$(?:1|\{1(?::?-(?P<default>[^}]*))?\})")
"""The first argument, as a script reads it."""
_NAMED = re.compile(r"\$\{?(\w+)(?::?-[^}]*)?\}?")
_MAKE = re.compile(r"\$[({]MAKE[)}]")
_ASKS = frozenset(("curl", "wget"))
_API = re.compile(r"(?:https?://[^/\s]+|\$\{?\w+\}?)(?P<path>/api/[\w./-]*)")
"""What stands below /api is the application's, and not that of pages beside it."""


class Commands:
    """The scripts of a repository, as those see them who run them."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.files = frozenset(repository.files)
        self.routes = repository.fact(Routes)

    def is_there(self, code: str) -> bool:
        """Whether all scripts are there that a command runs."""
        return all(path in self.files for _, path in _scripts(code))

    def judge(self, code: str) -> Answer:
        """Whether a command that is run from the top can do anything."""
        for command, path in _scripts(code):
            if path not in self.files:
                return Verdict.FALSE, f"./{path} is not there"
            script = Script.parse(self.repository.text(path)) if path.endswith(".sh") else None
            if script is not None and _refuses(script, [word.text for word in command.args]):
                given = "that" if command.args else "nothing"
                return Verdict.FALSE, f"./{path} ends with an error where it is given {given}"
            if script is not None and (asked := self._unanswered(script, [word.text for word in command.args])):
                return Verdict.FALSE, f"./{path} asks for {asked}, and there is no such route"
        if asked := self._unanswered(Script.parse(code), []):
            return Verdict.FALSE, f"{asked} is asked for, and there is no such route"
        return Verdict.TRUE, ""

    def _unanswered(self, script: Script, args: list[str]) -> str:
        """The path that is asked for and has no route; empty where each has one, or that cannot be told."""
        if self.routes is None:
            return ""
        for command in _run(script, args):
            for word in command.args if command.name in _ASKS else ():
                found = _API.fullmatch(_by_default(script, command, word.text))
                if found is not None and self.routes.answers(found["path"]) is False:
                    return found["path"]
        return ""


def _scripts(code: str) -> Iterator[tuple[Command, str]]:
    """The scripts that a command runs, and their paths from the top."""
    for command in Script.parse(code, Shell(posix=True)).commands:
        for word in command.argv[:1]:
            if found := _SCRIPT.fullmatch(word.text):
                yield command, found[1]


def makes(code: str) -> Iterator[str]:
    """The targets that a recipe lets make run in the same folder."""
    for command in Script.parse(_MAKE.sub("make", code), Shell(posix=True)).commands:
        words = [word.text for word in command.args]
        if command.name == "make" and not any(re.match(r"-[Cf]|--(directory|file)|.*\$", word) for word in words):
            yield from (word for word in words if re.fullmatch(r"[A-Za-z][\w.-]*", word))


def _refuses(script: Script, args: list[str]) -> bool:
    """Whether a `case` of the first argument sends what is given to a branch that ends the script with an error."""
    for command in script.commands:
        fails = command.name == "exit" and [word.text for word in command.args] not in ([], ["0"])
        if fails and _is_chosen(script, command, args):
            return True
    return False


def _is_chosen(script: Script, command: Command, args: list[str]) -> bool | None:
    """Whether a `case` of the first argument runs a command; None where no such `case` is about it."""
    case = command.case
    asked = (_FIRST.fullmatch(case.asked) or _first_by_name(script, case.asked)) if case is not None else None
    if case is None or asked is None or (command.function and not _gets_all(script, command.function)):
        return None
    value = args[0] if args else asked["default"] or ""
    before = any(fnmatchcase(value, each) for each in case.before)
    return not before and any(fnmatchcase(value, each) for each in case.patterns)


def _run(script: Script, args: list[str]) -> list[Command]:
    """The commands that may run: not those of functions that nothing calls with these arguments."""
    reached, waiting = {""}, [""]
    while waiting:
        function = waiting.pop()
        for each in script.commands:
            if each.function == function and _is_chosen(script, each, args) is not False and each.name not in reached:
                reached.add(each.name)
                waiting.append(each.name)
    return [
        each for each in script.commands if each.function in reached and _is_chosen(script, each, args) is not False
    ]


def _first_by_name(script: Script, asked: str) -> re.Match[str] | None:
    """How a variable got the first argument."""
    name = _NAMED.fullmatch(asked)
    return re.search(rf"\b{name[1]}=\"?{_FIRST.pattern}\"?(?=\s|;|$)", script.text) if name is not None else None


def _by_default(script: Script, command: Command, text: str) -> str:
    """What a word is where it is a function's first argument, which nobody gives it; else the word."""
    asked = _first_by_name(script, text)
    calls = [each for each in script.commands if each.name == command.function]
    if asked is None or not command.function or not calls or any(each.args for each in calls):
        return text
    return asked["default"] or text


def _gets_all(script: Script, function: str) -> bool:
    """Whether a function is called with what the script is given."""
    return any(each.name == function and each.args and each.args[0].text == "$@" for each in script.commands)
