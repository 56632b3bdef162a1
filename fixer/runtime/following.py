"""From what a file says is started to the commands that really run: through shells, scripts and task runners."""

from __future__ import annotations

import ast
import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import yaml

from fixer.docker.compose import Mount
from fixer.documents import kind_of as document_kind
from fixer.documents import name_of
from fixer.github.expressions import places
from fixer.github.remote import in_checkout
from fixer.languages.lines import Lines
from fixer.languages.makefile import targets
from fixer.languages.shell import Command, Script, Shell, Structure
from fixer.languages.tables import toml_table
from fixer.languages.yaml import Node, Yaml
from fixer.model import FileError, Source
from fixer.project.env_files import entries, is_env_file
from fixer.records import entity, record
from fixer.repository import generated_by
from fixer.runtime.places import Place
from fixer.runtime.programs import Started, Value
from fixer.runtime.texts import Fixed, InFile, InYaml, Within, Written, quoted

if TYPE_CHECKING:
    from fixer.repository import Repository
    from fixer.runtime.images import Image

SHELLS = frozenset(("sh", "bash", "ash", "dash", "zsh"))
_ARGUMENTS = frozenset(("$@", "$*", "${@}", "${*}", "$1"))
_PRINTS = frozenset(("echo", "printf"))
_SHEBANG = re.compile(r"#!.*\b(ba|da|a|z)?sh\b")
_SCRIPT = re.compile(r"\.(sh|bash)$")
_BELOW_A_VARIABLE = re.compile(r"(?:.*/)?\$(?:\w+|\{\w+\})/((?:[\w.-]+/)+[\w.-]+)")
"""A path in folders below one that a variable names, which may well be the top of the repository."""
_ON_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
# Entrypoints that base images bring, which end by running their arguments.
_OF_IMAGES = frozenset(("docker-entrypoint.sh", "docker-php-entrypoint", "launcher", "entrypoint"))
_WAITS = re.compile(r"wait[-_]?for([-_]?it)?(\.sh)?|wait")
"""Scripts that everybody copies, which wait for a server and then run what stands behind `--`."""
_DEEPEST = 12
"""Scripts that call scripts; beyond this they go round in a circle."""
_PACKAGE_RUNNERS = frozenset(("npm", "pnpm", "yarn", "bun"))
_LIFECYCLE = {"test": "test", "t": "test", "tst": "test", "start": "start", "stop": "stop", "restart": "restart"}


_OF_THE_SYSTEM = ("/bin/", "/etc/", "/lib/", "/sbin/", "/usr/")
"""Where no repository is checked out."""


@entity
class Where:
    """How a path of a program leads to a file of the repository.

    On a machine (`image` is None and nothing is mounted) `folder` is from the top of the repository; in a container it
    is absolute there. `build` is a folder whose files may stand anywhere in it. `server`: a machine on which the
    repository is checked out somewhere, in one of the folders that are entered.
    """

    repository: Repository = field(repr=False)
    folder: str | None
    image: Image | None = None
    mounts: tuple[Mount, ...] = ()
    contained: bool = False
    server: bool = False

    @property
    def at(self) -> str | None:
        """The folder of the repository in which a command runs; None where not known."""
        if not self.contained:
            return self.folder
        found = self.located(self.folder or "/")
        if found is not None and (found == "" or self.repository.has_folder(found)):
            return found
        return self.image.context if self.image is not None else None

    def entered(self, target: str) -> Where:
        """After `cd`."""
        if self.server and (target.startswith(("/", "~")) or "$" in target):
            return replace(self, folder=in_checkout(target, self.repository.below))
        if "$" in target or target.startswith(("~", "-")) or (not self.contained and target.startswith("/")):
            return replace(self, folder=None)
        folder = posixpath.normpath(posixpath.join(self.folder or "", target))
        return replace(self, folder="" if folder == "." else None if folder.startswith("..") else folder)

    def located(self, path: str) -> str | None:
        """The file of the repository that stands there, or its folder; None where none is known."""
        if self.folder is None and not path.startswith(("/", "~/")):
            return None
        if not self.contained:
            folder, _, name = path.rpartition("/")
            if self.server and path.startswith(("/", "~/")) and not path.startswith(_OF_THE_SYSTEM):
                folder = in_checkout(folder, self.repository.below)
            elif path.startswith("/"):
                return None
            else:
                folder = posixpath.join(self.folder or "", folder)
            joined = posixpath.normpath(posixpath.join(folder, name))
            return joined if self.repository.exists(joined) else None
        full = posixpath.normpath(posixpath.join(self.folder or "/", path))
        for mount in self.mounts:
            if mount.folder is not None and (full == mount.target or full.startswith(mount.target.rstrip("/") + "/")):
                rest = full[len(mount.target.rstrip("/")) + 1 :]
                joined = posixpath.normpath(posixpath.join(mount.folder, rest))
                if self._is_there(joined):
                    return "" if joined == "." else joined
        if self.image is None:
            return None
        found = self.image.located(full, self._is_there)
        return "" if found == "." else found

    def _is_there(self, path: str) -> bool:
        return path == "." or self.repository.exists(path) or self.repository.has_folder(path)

    def program(self, word: str) -> str | None:
        """The file that a command's first word starts."""
        if "$" in word:
            below = _BELOW_A_VARIABLE.fullmatch(word)
            return below[1] if below is not None and self.repository.exists(below[1]) else None
        if "/" in word:
            return self._file(word)
        on_path = (found for folder in _ON_PATH if self.contained and (found := self._file(f"{folder}/{word}")))
        # A name alone is looked for on the PATH, to which the working folder may have been added.
        return next(on_path, None) or (self._file(word) if _SCRIPT.search(word) else None)

    def _file(self, path: str) -> str | None:
        found = self.located(path)
        if found is None and self.contained and self.image is not None and self.image.context is not None:
            found = self._of_that_name(posixpath.basename(path), self.image.context)
        return found if found is not None and self.repository.exists(found) else None

    def _of_that_name(self, name: str, folder: str) -> str | None:
        """The only file of this name in the folder that the image is built from."""
        start = f"{folder}/" if folder else ""
        found = [path for path in self.repository.named(name) if path.startswith(start)]
        return found[0] if len(found) == 1 else None


@entity
class Code:
    """Shell code and where it stands."""

    script: Script
    text: Written

    @classmethod
    def of(cls, text: str, where: Written) -> Code:
        return cls(Script.parse(text, Shell(errexit=False), places(text)), where)

    @classmethod
    def words(cls, words: Sequence[str], where: Written) -> Code:
        return cls.of(shlex.join(words), where)

    @cached_property
    def runs_arguments(self) -> bool:
        """Whether a function of the script runs what it is given: `run() { echo "$@"; uv run "$@"; }`."""
        return any(
            command.words[-1].text in _ARGUMENTS and command.name not in _PRINTS and command.within(Structure.FUNCTION)
            for command in self.script.commands
        )


def _starts_script(command: Command, where: Where) -> bool:
    path = where.program(command.args[0].text) if command.args else None
    return path is not None and _is_shell(where.repository, path)


@dataclass(eq=False)
class Followed:
    """What a program runs, and what could not be followed."""

    commands: list[Started] = field(default_factory=list)
    calls: list[Started] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    exported: list[Value] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)

    tail: tuple[tuple[str, ...], Code] | None = None
    """Words that may come to be arguments of a script, and where they stand as code of their own."""
    surely: bool = True
    seen_files: set[str] = field(default_factory=set)

    def run(self, code: Code, where: Where, rest: Code | None = None, depth: int = 0) -> None:
        """Follows code; `rest` is what its arguments would start."""
        if code.script.error:
            self.unknown.append(f"{code.text.path}: {code.script.error}")
            return
        values = _exports(code.script)
        here = where
        for command in code.script.commands:
            self._env(values, command.start, code)
            if command.name in ("cd", "pushd") and len(command.args) == 1:
                here = here.entered(command.args[0].text)
            else:
                self._command(command, code, here, rest, depth)
        self._env(values, len(code.script.text), code)

    def _env(self, values: list[tuple[int, str, str | None]], before: int, code: Code) -> None:
        while values and values[0][0] < before:
            start, name, text = values.pop(0)
            at = code.text.line(start)
            place = Place.of(Source(code.text.path, ""), 0, 0, name)
            place = replace(place, line=at)
            self.exported.append(Value(name, text, place))

    def _command(self, command: Command, code: Code, where: Where, rest: Code | None, depth: int) -> None:
        if is_docker(command) or not command.argv:
            self._leaf(command, code, where)
            return
        word = command.argv[0]
        if word.text in _ARGUMENTS:
            self._call(command, code, where)
            if rest is not None and ("$@", code.text.path) not in self.seen:
                self.seen.add(("$@", code.text.path))
                self.run(rest, where, depth=depth + 1)
            return
        if depth > _DEEPEST:
            return
        if command.name in SHELLS:
            self._call(command, code, where)
            self._shell(command, code, where, rest, depth)
        elif command.name in ("source", "."):
            if command.args:
                self._file(command.args[0].text, command, code, where, rest, depth)
        elif command.name in _RUNNERS:
            self._runner(command, code, where, depth)
        elif command.name == "eval" and len(command.args) == 1:
            inner = self._inner(command, 1, code)
            self.run(inner, where, rest, depth + 1)
        else:
            path = where.program(word.text)
            name = word.text.rpartition("/")[2]
            if _WAITS.fullmatch(name):
                self._rest(command, code, where, depth)
            elif path is not None and _is_shell(where.repository, path):
                self._call(command, code, where)
                self._follow(path, command, 1, code, where, depth)
            elif name in _OF_IMAGES and path is None:
                self._rest(command, code, where, depth)
            elif (script := _python_script(command, where)) is not None:
                self._python(script, command, code, where, depth)
            elif path is None and _SCRIPT.search(word.text):
                where_it_is = (
                    f"which script {word.text} is" if "$" in word.text else f"{word.text} is not in the repository"
                )
                self.unknown.append(f"{code.text.path}: {where_it_is}")
                self._rest(command, code, where, depth)
            elif path is None and code.runs_arguments and _starts_script(command, where):
                self._rest(command, code, where, depth)
            else:
                self._leaf(command, code, where)

    def _leaf(self, command: Command, code: Code, where: Where) -> None:
        self.commands.append(Started(command, code.text, where.at, tuple(self.exported), self.surely))

    def _call(self, command: Command, code: Code, where: Where) -> None:
        self.calls.append(Started(command, code.text, where.at, tuple(self.exported), self.surely))

    def _rest(self, command: Command, code: Code, where: Where, depth: int) -> None:
        """The arguments of a program that ends by running them, behind `--` where that stands there."""
        words = [word.text for word in command.args]
        waits = _WAITS.fullmatch(posixpath.basename(command.argv[0].text)) is not None
        if "--" in words:
            words = words[words.index("--") + 1 :]
        elif waits:
            return
        if words and self.tail is not None and tuple(words) == self.tail[0]:
            self.run(self.tail[1], where, depth=depth + 1)
        elif words:
            self.run(Code.words(words, Fixed(code.text.path, code.text.line(command.start))), where, depth=depth + 1)

    def _inner(self, command: Command, at: int, code: Code) -> Code:
        """The code in one word of a command."""
        word = command.argv[at]
        return Code.of(word.text, quoted(code.text, code.script.text, word.start, word.end, word.text))

    def _shell(self, command: Command, code: Code, where: Where, rest: Code | None, depth: int) -> None:
        for at, word in enumerate(command.args, 1):
            text = word.text
            if re.fullmatch(r"-[a-z]*c", text) and at + 1 < len(command.argv):
                self.run(self._inner(command, at + 1, code), where, rest, depth + 1)
                return
            if text in ("-o", "+o", "-O"):
                continue
            if not text.startswith(("-", "+")) and command.argv[at - 1].text not in ("-o", "+o", "-O"):
                path = where.program(text) if "$" in text else where.located(text)
                if path is not None and where.repository.exists(path):
                    self._follow(path, command, at + 1, code, where, depth)
                elif "$" in text:
                    self.unknown.append(f"{code.text.path}: which script {text} is")
                else:
                    self.unknown.append(f"{code.text.path}: {text} is not in the repository")
                return
        self._leaf(command, code, where)

    def _file(self, name: str, command: Command, code: Code, where: Where, rest: Code | None, depth: int) -> None:
        """What `source` reads: a script in the same shell, or variables."""
        path = where.located(name)
        if path is None or not where.repository.exists(path):
            if "$" not in name and not name.endswith("/activate"):
                self.unknown.append(f"{code.text.path}: {name} is not in the repository")
            return
        if is_env_file(path):
            self.exported += env_values(where.repository, path)
            return
        self._read(path, where, rest, depth)

    def _follow(self, path: str, command: Command, after: int, code: Code, where: Where, depth: int) -> None:
        words = [word.text for word in command.argv[after:]]
        rest = None
        if words and self.tail is not None and tuple(words) == self.tail[0]:
            rest = self.tail[1]
        elif words:
            first = command.argv[after]
            source = code.script.text[first.start : command.argv[-1].end]
            exact = _starts_line(code.text, first.start)
            rest = Code.of(source, exact) if exact is not None else Code.words(words, Fixed(code.text.path, 1))
        self._read(path, where, rest, depth)

    def _read(self, path: str, where: Where, rest: Code | None, depth: int) -> None:
        key = (path, rest.script.text if rest is not None else "")
        if key in self.seen:
            return
        self.seen.add(key)
        code = file_code(where.repository, path)
        if code is not None:
            self.run(code, where, rest, depth + 1)

    def _python(self, path: str, command: Command, code: Code, where: Where, depth: int) -> None:
        """A script in Python that itself starts manage.py, under conditions that are not read."""
        self._leaf(command, code, where)
        found = list(_started_by_python(where.repository.text(path)))
        if path in self.seen_files:
            return
        self.seen_files.add(path)
        if not found:
            self.unknown.append(f"{code.text.path}: what {path} starts")
        before, self.surely = self.surely, False
        for text, line in found:
            self.run(Code.of(text, Fixed(path, line)), where, depth=depth + 1)
        self.surely = before

    # -- task runners ----------------------------------------------------------------------------------------------

    def _runner(self, command: Command, code: Code, where: Where, depth: int) -> None:
        name = command.name
        found: list[Code] = []
        if name == "supervisord":
            self._supervisor(command, code, where, depth)
            return
        folder = _told_folder(command, where)
        words = [word.text for word in command.args if not word.text.startswith("-")]
        if folder is not None:
            here = replace(where, folder=folder) if not where.contained else where
            at = here.at if where.contained else folder
            if at is not None:
                found = list(_tasks(name, words, at, command, where.repository))
                where = here
        key = (name, f"{folder}:{' '.join(words)}")
        if not found or key in self.seen:
            self._leaf(command, code, where)
            return
        self.seen.add(key)
        self._call(command, code, where)
        for each in found:
            self.run(each, where, depth=depth + 1)

    def _supervisor(self, command: Command, code: Code, where: Where, depth: int) -> None:
        """https://supervisord.org/configuration.html"""
        given = command.value("-c", "--configuration")
        name = given.text if given is not None else "supervisord.conf"
        path = where.program(name if "/" in name else f"./{name}")
        if path is None or path in self.seen_files:
            self.unknown.append(f"{code.text.path}: the programs of {name}")
            self._leaf(command, code, where)
            return
        self.seen_files.add(path)
        self._call(command, code, where)
        for each in supervised(where.repository.text(path)):
            here = where.entered(each.folder) if each.folder else where
            self.run(Code.of(each.command, Fixed(path, each.line)), here, depth=depth + 1)


@record
class Supervised:
    """A program of supervisor's configuration; `folder` is where it starts, empty where nothing says it."""

    name: str
    command: str
    line: int
    folder: str


_SETTING = r"(?:[^\[\n].*)?"  # a line that begins no section


def supervised(text: str) -> Iterator[Supervised]:
    """The programs of supervisor's configuration."""
    for section in re.finditer(rf"^\[program:([^\]\n]+)\].*\n((?:{_SETTING}\n)*{_SETTING})", text, re.MULTILINE):
        given = {
            found[1]: (re.sub(r"%\((?:ENV_)?(\w+)\)s", r"${\1}", re.sub(r"\s;.*", "", found[2])).strip(), found.start())
            for found in re.finditer(r"^(command|directory)\s*=\s*(.*)$", section[2], re.MULTILINE)
        }
        if "command" in given:
            command, start = given["command"]
            line = text.count("\n", 0, section.start(2) + start) + 1
            yield Supervised(section[1], command, line, given.get("directory", ("", 0))[0])


def _python_script(command: Command, where: Where) -> str | None:
    """The file of `python start.py` that names manage.py; None for another program, and for manage.py itself."""
    name = command.name.rpartition("/")[2]
    word = command.argv[0].text if name.endswith(".py") else ""
    if name.startswith("python"):
        word = next((each.text for each in command.args if not each.text.startswith("-")), "")
    if not word.endswith(".py") or word.endswith("manage.py"):
        return None
    path = where.located(word) if "/" in word or name.startswith("python") else None
    if path is None or not where.repository.exists(path):
        return None
    return path if "manage.py" in where.repository.text(path) else None


def _started_by_python(text: str) -> Iterator[tuple[str, int]]:
    """(command, line) of what a script in Python starts of manage.py: `[sys.executable, "manage.py", "migrate"]`, or a
    string of it. Nothing where one of them is put together."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    found: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple):
            texts = [each.value if isinstance(each, ast.Constant) else None for each in node.elts]
            at = next((at for at, each in enumerate(texts) if isinstance(each, str) and "manage.py" in each), None)
            words = [each for each in texts[at:] if isinstance(each, str)] if at is not None else []
            if at is not None and (len(words) != len(texts) - at or len(words) < 2):
                return
            if at is not None:
                found.append((shlex.join(["python", *words]), node.lineno))
        elif isinstance(node, ast.Call):
            for each in node.args:
                if isinstance(each, ast.Constant) and re.match(r"(python3? )?\S*manage\.py \w", str(each.value)):
                    found.append((str(each.value), node.lineno))
    yield from sorted(found, key=lambda each: each[1])


def is_docker(command: Command) -> bool:
    """Whether a command is one of docker's, so that what it names runs elsewhere."""
    starters = command.words[: len(command.words) - len(command.argv) + 1]
    return any(word.text in ("docker", "docker-compose", "podman") for word in starters)


_RUNNERS = frozenset((
    "make", "gmake", "just", "task", "tox", "poe", "pdm", "npm", "pnpm", "yarn", "bun", "supervisord",
))  # fmt: skip


def _starts_line(text: Written, offset: int) -> Written | None:
    return Within(text, offset) if not isinstance(text, Fixed) else None


def file_code(repository: Repository, path: str) -> Code | None:
    """A script of the repository; None where it cannot be read."""
    try:
        source = repository.read(path)
    except FileError:
        return None
    return Code.of(source.text.replace("\r\n", "\n"), InFile(source, lines_of(path, repository)))


def _is_shell(repository: Repository, path: str) -> bool:
    return _SCRIPT.search(path) is not None or _SHEBANG.match(repository.text(path)) is not None


def lines_of(path: str, repository: Repository) -> Lines | None:
    """A file whose lines a builder may change; None for one that is generated or of another kind."""
    if document_kind(path) != name_of(Lines) or not repository.exists(path):
        return None
    try:
        source = repository.read(path)
    except FileError:
        return None
    if generated_by(path, source.text):
        return None
    document = repository.document(path)
    return document if isinstance(document, Lines) else None


def env_values(repository: Repository, path: str) -> list[Value]:
    """The variables of an env file, the last of a name winning; empty where it cannot be read."""
    document = lines_of(path, repository)
    if document is None and repository.exists(path):
        try:
            document = repository.parsed(path, Lines)
        except FileError:
            document = None
    if document is None:
        return []
    values = []
    for entry in entries(document):
        span = document.spans[entry.index]
        values.append(Value(entry.name, entry.text, Place.of(document.source, span.start, span.end, entry.name)))
    return list(reversed(values))


def _exports(script: Script) -> list[tuple[int, str, str | None]]:
    """(offset, name, value) of what a script exports."""
    return [(word.start, name, word.text if word.literal else None) for name, word in script.exports]


def _told_folder(command: Command, where: Where) -> str | None:
    """The folder of a task runner's file, from the top of the repository, or in the container."""
    given = command.value("-C", "--directory", "--prefix", "--cwd", "--dir", "-d")
    if given is None:
        return where.folder
    return where.entered(given.text).folder


def _tasks(name: str, words: list[str], folder: str, command: Command, repository: Repository) -> Iterator[Code]:
    """The code of the tasks that a runner is told to run."""
    if name in ("make", "gmake"):
        file = command.value("-f", "--file", "--makefile")
        skipped = {file.text} if file is not None else set()
        given = command.value("-C", "--directory")
        skipped |= {given.text} if given is not None else set()
        names = [word for word in words if word not in skipped and "=" not in word]
        yield from _make(names, file.text if file else "", folder, repository)
    elif name in _PACKAGE_RUNNERS:
        yield from _package_scripts(name, words, folder, repository)
    elif name == "task":
        yield from _taskfile(words, folder, repository)
    elif name == "just":
        yield from _justfile(words, folder, repository)
    elif name == "tox":
        yield from _tox(command, folder, repository)
    else:
        yield from _pyproject(name, words, folder, repository)


def _make(names: list[str], file: str, folder: str, repository: Repository) -> Iterator[Code]:
    candidates = (file,) if file else ("GNUmakefile", "makefile", "Makefile")
    path = next((p for each in candidates if repository.exists(p := posixpath.join(folder, each))), None)
    if path is None:
        return
    known = targets(repository.text(path))
    source = repository.read(path)
    waiting = list(reversed(names or [next((name for name in known if not name.startswith(".")), "")]))
    done: set[str] = set()
    while waiting:
        target = known.get(name := waiting.pop())
        if target is None or name in done:
            continue
        needs = [need for need in target.needs if need not in done]
        if needs and name not in needs and f"+{name}" not in done:
            done.add(f"+{name}")  # what it needs first, then itself
            waiting += [name, *reversed(needs)]
            continue
        done.add(name)
        for recipe in target.recipes:
            exact = recipe.offset
            yield Code.of(recipe.text, InFile(source, None, exact) if exact is not None else Fixed(path, recipe.line))


def _package_scripts(name: str, words: list[str], folder: str, repository: Repository) -> Iterator[Code]:
    """`npm run build`, `yarn build`, `npm test`; with the scripts that npm runs before and after."""
    verb = words[0] if words else ""
    if verb in ("run", "run-script") and len(words) > 1:
        wanted = words[1]
    elif verb in _LIFECYCLE:
        wanted = _LIFECYCLE[verb]
    elif name != "npm" and verb:
        wanted = verb
    else:
        return
    document = yaml_of(posixpath.join(folder, "package.json"), repository)
    scripts = document.root.mapping("scripts") if document is not None else {}
    for each in (f"pre{wanted}", wanted, f"post{wanted}"):
        node = scripts.get(each)
        if node is not None and node.is_scalar and document is not None:
            yield Code.of(node.value, Fixed(document.source.path, document.source.line_of(node.start)))


def _taskfile(words: list[str], folder: str, repository: Repository) -> Iterator[Code]:
    """https://taskfile.dev/reference/schema"""
    names = ("Taskfile.yml", "taskfile.yml", "Taskfile.yaml", "taskfile.yaml", "Taskfile.dist.yml")
    path = next((p for each in names if repository.exists(p := posixpath.join(folder, each))), "")
    document = yaml_of(path, repository)
    if document is None:
        return
    tasks = document.root.mapping("tasks")
    waiting, done = list(reversed([word for word in words if "=" not in word] or ["default"])), set[str]()
    while waiting:
        name = waiting.pop()
        task = tasks.get(name)
        if task is None or name in done:
            continue
        done.add(name)
        steps = [task] if task.is_scalar else task.items
        for key in ("deps", "cmds", "cmd"):
            node = task.get(key)
            if node is not None:
                steps = [*steps, *([node] if node.is_scalar else node.items)]
        for step in steps:
            called = step.get("task")
            depends = step.is_scalar and step.at[-2:-1] == ("deps",)
            if called is not None or depends:
                waiting.append(called.value if called is not None else step.value)
                continue
            node = step.get("cmd") if step.is_mapping else step
            if node is not None and node.is_scalar:
                yield Code.of(node.value, InYaml(document, node))


def _justfile(words: list[str], folder: str, repository: Repository) -> Iterator[Code]:
    """A recipe is indented below `name …:`; https://just.systems/man/en/"""
    names = ("justfile", "Justfile", ".justfile")
    path = next((p for each in names if repository.exists(p := posixpath.join(folder, each))), "")
    if not path:
        return
    source = repository.read(path)
    wanted = words[0] if words else ""
    inside = False
    offset = 0
    for line in source.text.split("\n"):
        head = re.match(r"@?([\w-]+)(?:\s+[^:=]*)?:(?!=)", line)
        if head:
            inside = head[1] == wanted or not wanted
            wanted = wanted or head[1]
        elif inside and line[:1] in (" ", "\t") and line.strip() and not line.strip().startswith("#"):
            code = line.lstrip().lstrip("@-")
            start = offset + len(line) - len(code)
            yield Code.of(code.replace("{{", "${{").replace("\r", ""), InFile(source, None, start))
        offset += len(line) + 1


def _tox(command: Command, folder: str, repository: Repository) -> Iterator[Code]:
    import configparser

    path = posixpath.join(folder, "tox.ini")
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(repository.text(path))
    except configparser.Error:
        return
    given = command.value("-e", "--env")
    names = [f"testenv:{each}" for each in given.text.split(",")] if given is not None else []
    for section in [*(name for name in names if parser.has_section(name)), "testenv"]:
        if parser.has_option(section, "commands"):
            for line in parser.get(section, "commands").splitlines():
                if line.strip():
                    yield Code.of(line.strip().lstrip("-").strip(), Fixed(path, 1))
            return


def _pyproject(name: str, words: list[str], folder: str, repository: Repository) -> Iterator[Code]:
    path = posixpath.join(folder, "pyproject.toml")
    data = toml_table(repository.text(path))
    wanted = [word for word in words if word != "run"][:1]
    tool: Any = data.get("tool", {})
    tables = {"poe": ("poe", "tasks"), "pdm": ("pdm", "scripts")}
    section, key = tables[name]
    task = tool.get(section, {}).get(key, {}).get(wanted[0] if wanted else "")
    if isinstance(task, dict):
        task = task.get("cmd") or task.get("shell")
    for each in task if isinstance(task, list) else [task]:
        if isinstance(each, str):
            yield Code.of(each, Fixed(path, 1))


def yaml_of(path: str, repository: Repository) -> Yaml | None:
    """A file that is YAML or JSON, which YAML contains; None where it cannot be read."""
    if not path or not repository.exists(path):
        return None
    try:
        return repository.parsed(path, Yaml)
    except (FileError, yaml.YAMLError):
        return None


def scalar(node: Node | None) -> str:
    return node.value if node is not None and node.is_scalar else ""
