"""Absolute paths that Python code of the repository names for what it writes, wherever its program is started."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from fixer.documents import DEVELOPMENT
from fixer.languages.python import PythonModule, dotted, named_values, text
from fixer.model import FileError, Source
from fixer.patterns import Rare
from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

_OF_TESTS = re.compile(r"(^|/)(conftest|test_\w+|\w+_test|setup)\.py$")
_NAMES_A_PATH = re.compile(r"[\"'](?:sqlite[+\w]*:///)?/\w")
_WRITES = Rare(
    r"(?i)open\(|mkdir|makedirs|handler|connect|sqlite|_dir\b|_path\b|_root\b|_file\b|_folder\b|filename|write_",
    "open(", "mkdir", "makedirs", "handler", "connect", "sqlite", "_dir", "_path", "_root", "_file", "_folder",
    "filename", "write_",
)  # fmt: skip
_PATH = re.compile(r"(/[\w.@+-]+)+/?")
_DATABASE = re.compile(r"sqlite(?:\+\w+)?:////([\w./@+-]+)")
# https://docs.python.org/3/library/logging.handlers.html
_HANDLERS = frozenset(("FileHandler", "RotatingFileHandler", "TimedRotatingFileHandler", "WatchedFileHandler"))
_METHODS = frozenset(("mkdir", "touch", "write_bytes", "write_text"))
_FOR_WHAT = (
    r"(DATA|DB|DATABASE|SQLITE|UPLOAD|MEDIA|STATIC|STORAGE|LOG|CACHE|STATE|OUTPUT|EXPORT|BACKUP|REPORT|TEMP|TMP|SESSION"
    r"|DOWNLOAD|RESULT)(S|FILE|BASE)?"
)
_NAMED = re.compile(
    rf"(.*_)?{_FOR_WHAT}(_.*)?_(DIR|PATH|ROOT|FILE|FILENAME|FOLDER|DIRECTORY|LOCATION)|FILENAME|LOG_?FILE"
)
_HAS_SUCH_A_NAME = re.compile(r"(?i)(?:_(?:dir|path|root|file|folder|directory|location)|filename|logfile)\b")


@record
class FixedPlace:
    """One such path. `surely` says that a call writes there, `name` what variable of the code holds it, if one does."""

    path: str
    line: int
    place: str
    is_file: bool
    surely: bool
    name: str = ""

    @property
    def folder(self) -> str:
        """The folder that must be there, and be writable."""
        return posixpath.dirname(self.place) if self.is_file else self.place


@record
class FixedPlaces:
    """All of a repository, but for what only development and tests run."""

    places: tuple[FixedPlace, ...]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where there are none."""
        parts = [repository.part(_OfModule, path) for path in repository.ending(".py")]
        found = tuple(place for part in parts if part is not None for place in part.places)
        return cls(found) if found else None


@record
class _OfModule:
    """Those that one module names."""

    places: tuple[FixedPlace, ...]

    @classmethod
    def detect(cls, repository: Repository, path: str) -> Self | None:
        try:
            module = repository.document(path) if _is_worth_parsing(repository.read(path)) else None
        except FileError:
            return None
        if not isinstance(module, PythonModule) or DEVELOPMENT.search(path) or _OF_TESTS.search(path):
            return None
        return cls(tuple(dict.fromkeys((*_written(path, module.tree), *_named(path, module)))))


def _is_worth_parsing(source: Source) -> bool:
    return _NAMES_A_PATH.search(source.text) is not None and _WRITES.search(source.text) is not None


def _written(path: str, tree: ast.Module) -> Iterator[FixedPlace]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (written := _written_by(node)) is not None:
            place, is_file = written
            yield FixedPlace(path, node.lineno, posixpath.normpath(place), is_file, surely=True)
        database = _DATABASE.fullmatch(text(node)) if isinstance(node, ast.Constant) else None
        if database is not None and isinstance(node, ast.Constant):
            yield FixedPlace(path, node.lineno, f"/{database[1].lstrip('/')}", is_file=True, surely=True)


def _named(path: str, module: PythonModule) -> Iterator[FixedPlace]:
    for name, said in named_values(module.tree) if _HAS_SUCH_A_NAME.search(module.source.text) else ():
        if _PATH.fullmatch(said) and _NAMED.fullmatch(name.upper()):
            place = posixpath.normpath(said)
            is_file = "." in posixpath.basename(place) or name.upper().endswith(("FILE", "FILENAME"))
            yield FixedPlace(path, 0, place, is_file, surely=False, name=name)


def _written_by(call: ast.Call) -> tuple[str, bool] | None:
    """The absolute path that a call writes to, and whether that is a file."""
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if method in (*_METHODS, "open") and isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call):
        made = call.func.value
        place = text(made.args[0]) if made.args and dotted(made.func).rpartition(".")[2].endswith("Path") else ""
        writes = method != "open" or _opens_to_write(call, 0)
        return (place, method != "mkdir") if writes and _PATH.fullmatch(place) else None
    called = dotted(call.func)
    name = called.rpartition(".")[2]
    place = text(call.args[0]) if call.args else ""
    if not _PATH.fullmatch(place):
        return None
    if called in ("open", "io.open", "codecs.open", "aiofiles.open") and _opens_to_write(call, 1):
        return place, True
    if called in ("os.makedirs", "os.mkdir", "makedirs"):
        return place, False
    if name in _HANDLERS or called in ("sqlite3.connect", "aiosqlite.connect"):
        return place, True
    return None


def _opens_to_write(call: ast.Call, at: int) -> bool:
    given = next((each.value for each in call.keywords if each.arg == "mode"), None)
    if given is None and len(call.args) > at:
        given = call.args[at]
    return any(letter in text(given) for letter in "wax+")
