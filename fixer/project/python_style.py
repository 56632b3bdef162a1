"""What the repository's own formatters and linters ask of a Python file: ruff, black and flake8, nearest first."""

from __future__ import annotations

import configparser
import fnmatch
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from fixer.languages.python import WIDTH
from fixer.languages.tables import mapping, natural, sequence, toml_table
from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

_FLAKE8_WIDTH = 79
_RUFF_CODES = ("E4", "E7", "E9", "F")  # https://docs.astral.sh/ruff/settings/#lint_select
_FLAKE8_CODES = ("E", "F", "W", "C90")
_LICENCE = re.compile(r"copyright|licen[cs]e|SPDX", re.IGNORECASE)


@record
class Gate:
    """One formatter or linter as one folder configures it: its width, what it looks for, and where it does not."""

    width: int | None
    selected: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    by_file: tuple[tuple[str, tuple[str, ...]], ...] = ()
    excluded: tuple[str, ...] = ()
    lines_after_imports: int | None = None
    is_typed: bool = False
    bans_relative: bool = False
    is_single_line: bool = False
    has_below_local: bool = False
    django_first: bool = False
    sorts: bool = False
    own_folders: tuple[str, ...] = ("", "src")

    def looks_for(self, code: str, path: str) -> bool:
        """Whether this linter would complain of `code` in a file, by its path from the folder of the gate."""
        if any(_matches(pattern, path) for pattern in self.excluded):
            return False
        ignored = list(self.ignored)
        for pattern, codes in self.by_file:
            if _matches(pattern, path):
                ignored += codes
        best = max((len(each) for each in self.selected if _covers(each, code)), default=-1)
        refused = max((len(each) for each in ignored if _covers(each, code)), default=-1)
        return best > refused


@record
class Style:
    """What holds for one file."""

    path: str
    gates: tuple[tuple[str, Gate], ...]

    @property
    def width(self) -> int:
        """Columns that no line of it may exceed: the least that any tool allows."""
        return min((gate.width for _, gate in self.gates if gate.width), default=WIDTH)

    @property
    def blank_lines_after_imports(self) -> int:
        return next((gate.lines_after_imports for _, gate in self.gates if gate.lines_after_imports), 1)

    @property
    def is_typed(self) -> bool:
        """Whether functions without annotations are refused."""
        return any(gate.is_typed or gate.looks_for("ANN001", _below(self.path, at)) for at, gate in self.gates)

    @property
    def is_single_line(self) -> bool:
        """Whether each name that is imported has a line of its own."""
        return any(gate.is_single_line for _, gate in self.gates)

    @property
    def has_below_local(self) -> bool:
        """Whether the imports have a section below those of the package itself."""
        return any(gate.has_below_local for _, gate in self.gates)

    @property
    def django_first(self) -> bool:
        """Whether Django's imports have a section of their own above those of other packages."""
        return any(gate.django_first for _, gate in self.gates)

    def takes_for_own(self, root: str) -> bool:
        """Whether all that sorts imports knows what is imported from this folder as the project's own.

        https://docs.astral.sh/ruff/settings/#src, https://pycqa.github.io/isort/docs/configuration/options.html
        """
        sorting = [
            gate for gate in self.gates if gate[1].sorts or gate[1].looks_for("I001", _below(self.path, gate[0]))
        ]
        own = ({posixpath.normpath(posixpath.join(at, each)) for each in gate.own_folders} for at, gate in sorting)
        return all((root or ".") in folders for folders in own)

    @property
    def bans_relative(self) -> bool:
        """Whether `from . import x` is refused."""
        return any(gate.bans_relative for _, gate in self.gates)

    def noqa(self, *codes: str) -> str:
        """The comment that the repository's linters need at the end of a line, or an empty string.

        Where no linter is configured the comment stands, for those who run one by hand.
        """
        linted = any(gate.selected for _, gate in self.gates)
        wanted = [code for code in codes if not linted or self.is_refused(code)]
        return f"  # noqa: {', '.join(wanted)}" if wanted else ""

    def is_refused(self, code: str) -> bool:
        """Whether one of the linters looks for this in the file."""
        linters = ((folder, gate) for folder, gate in self.gates if gate.selected)
        return any(gate.looks_for(code, _below(self.path, folder)) for folder, gate in linters)


@record
class PythonStyles:
    """The gates of every folder that configures one."""

    gates: Mapping[str, tuple[tuple[str, Gate], ...]]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        found: dict[str, list[tuple[str, Gate]]] = {}
        for path in sorted(path for name in _READERS for path in repository.named(name)):
            folder, _, name = path.rpartition("/")
            found.setdefault(folder, []).extend(_READERS[name](repository.text(path)))
        return cls({folder: tuple(gates) for folder, gates in found.items()})

    def of(self, path: str) -> Style:
        """For each tool the nearest configuration above a file counts."""
        chosen: dict[str, tuple[str, Gate]] = {}
        folder = path
        while folder:
            folder = folder.rpartition("/")[0]
            for tool, gate in self.gates.get(folder, ()):
                chosen.setdefault(tool, (folder, gate))
        return Style(path, tuple(chosen.values()))


def licence_header(text: str) -> str:
    """The comment about copyright or licence at the top of a file, with its line ends as `\\n`; else nothing."""
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.startswith("#"):
            break
        if not line.startswith("#!") and "coding:" not in line:
            lines.append(line)
    block = "\n".join(lines)
    return f"{block}\n\n" if _LICENCE.search(block) else ""


def _below(path: str, folder: str) -> str:
    return path.removeprefix(f"{folder}/") if folder else path


def _matches(pattern: str, path: str) -> bool:
    """Whether a pattern of a linter means a file: by its path, its name, or a folder above it."""
    folders = path.split("/")
    above = ["/".join(folders[: count + 1]) for count in range(len(folders))]
    names = (*above, *folders, f"/{path}")
    return any(fnmatch.fnmatch(name, pattern.rstrip("/").removeprefix("./")) for name in names)


def _covers(selector: str, code: str) -> bool:
    return selector == "ALL" or code.startswith(selector)


def _pyproject(text: str) -> Iterable[tuple[str, Gate]]:
    tools = {name: mapping(table) for name, table in mapping(toml_table(text).get("tool")).items()}
    if "ruff" in tools:
        yield "ruff", _ruff(tools["ruff"])
    if "black" in tools:
        yield "black", Gate(natural(tools["black"].get("line-length")) or WIDTH)
    if "flake8" in tools:  # by flake8-pyproject
        yield "flake8", _flake8(tools["flake8"])
    if "isort" in tools:
        yield "isort", _isort(tools["isort"])
    if "mypy" in tools:
        yield "mypy", _mypy(tools["mypy"])


def _ruff_file(text: str) -> Iterable[tuple[str, Gate]]:
    yield "ruff", _ruff(toml_table(text))


def _ruff(table: Mapping[str, Any]) -> Gate:
    lint = {**table, **mapping(table.get("lint"))}

    def listed(name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        return tuple(map(str, sequence(lint[name]))) if name in lint else default

    selected = (*listed("select", _RUFF_CODES), *listed("extend-select"))
    ignored = (*listed("ignore"), *listed("extend-ignore"))
    by_file = {**mapping(lint.get("per-file-ignores")), **mapping(lint.get("extend-per-file-ignores"))}
    rows = tuple((pattern, tuple(map(str, sequence(codes)))) for pattern, codes in by_file.items())
    excluded = tuple(str(each) for holder in (table, lint) for each in sequence(holder.get("exclude")))
    excluded += tuple(map(str, sequence(table.get("extend-exclude"))))
    isort = mapping(lint.get("isort"))
    lines = natural(isort.get("lines-after-imports"))
    single = isort.get("force-single-line") is True
    tidy = mapping(lint.get("flake8-tidy-imports")).get("ban-relative-imports")
    width = natural(table.get("line-length")) or WIDTH
    order = [str(each) for each in sequence(isort.get("section-order"))]
    return Gate(
        width, selected, ignored, rows, excluded, lines,
        bans_relative=tidy == "all", is_single_line=single,
        has_below_local=order[-1:] not in ([], ["local-folder"]), django_first=_django_first(order, "third-party"),
        own_folders=tuple(map(str, sequence(table.get("src", [".", "src"])))),
    )  # fmt: skip


def _isort(table: Mapping[str, Any]) -> Gate:
    # https://pycqa.github.io/isort/docs/configuration/profiles.html
    said = str(table.get("force_single_line", table.get("profile") in ("google", "open_stack")))
    sections = table.get("sections") or ()
    order = re.split(r"[,\s]+", sections.strip()) if isinstance(sections, str) else [*map(str, sequence(sections))]
    return Gate(
        None,
        lines_after_imports=natural(table.get("lines_after_imports")),
        is_single_line=said.lower() == "true",
        has_below_local=order[-1:] not in ([], ["LOCALFOLDER"]),
        django_first=_django_first(order, "THIRDPARTY"),
        sorts=True,
        own_folders=tuple(_words(table.get("src_paths", [".", "src"]))),
    )


def _django_first(order: Sequence[str], others: str) -> bool:
    names = [each.lower() for each in order]
    return "django" in names and others.lower() in names[names.index("django") :]


def _mypy(table: Mapping[str, Any]) -> Gate:
    strict = any(str(table.get(name, "")).lower() == "true" for name in ("strict", "disallow_untyped_defs"))
    return Gate(None, is_typed=strict)


def _ini(text: str) -> Iterable[tuple[str, Gate]]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    if parser.has_section("flake8"):
        yield "flake8", _flake8(dict(parser["flake8"]))
    for name in ("isort", "settings"):
        if parser.has_section(name):
            yield "isort", _isort(dict(parser[name]))
    if parser.has_section("mypy"):
        yield "mypy", _mypy(dict(parser["mypy"]))


def _flake8(table: Mapping[str, Any]) -> Gate:
    def codes(*names: str) -> tuple[str, ...]:
        return tuple(code for name in names for code in _words(table.get(name.replace("_", "-"), table.get(name, ""))))

    width = table.get("max-line-length", table.get("max_line_length", _FLAKE8_WIDTH))
    selected = codes("select") or _FLAKE8_CODES
    per_file = str(table.get("per-file-ignores", table.get("per_file_ignores", "")))
    rows = tuple(
        (pattern.strip(), tuple(_words(ignored)))
        for patterns, ignored in re.findall(r"([^:\n]+):([^\n]+)", per_file)
        for pattern in patterns.split(",")
    )
    return Gate(
        natural(width),
        (*selected, *codes("extend_select")),
        codes("ignore", "extend_ignore"),
        rows,
        codes("exclude", "extend_exclude"),
    )


def _words(value: Any) -> list[str]:
    """The items of a list, or of a text with commas, blanks and comments."""
    if isinstance(value, str):
        return re.findall(r"[^\s,]+", re.sub(r"#.*", "", value))
    return [str(each) for each in value]


_READERS = {
    "pyproject.toml": _pyproject,
    "ruff.toml": _ruff_file,
    ".ruff.toml": _ruff_file,
    "setup.cfg": _ini,
    "tox.ini": _ini,
    ".flake8": _ini,
    ".isort.cfg": _ini,
    "mypy.ini": _ini,
}
