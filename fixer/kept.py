"""What every start would make anew of the program's own files, and need not: code, also that of patterns, and tables.

They take a fifth of a start. They stand in one file beside the compiled modules, made and believed as those are: who
may write there may change the program. It is for one Python and its version of patterns' code. Without it all is made
anew, as it is for whatever uses fhfix as a library.
"""

from __future__ import annotations

import _sre  # type: ignore[import-not-found]
import marshal
import os
import re
import sys
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from re import _compiler  # type: ignore[attr-defined]
from types import CodeType, FrameType
from typing import Any

_MOST = 4_000
"""With more entries than this most are of older versions of the program."""
_IMPORTS = "<frozen importlib._bootstrap>"

_kept: dict[Any, Any] = {}
"""The code of patterns by text and flags; as bytes, code by its text, tables by path, time of change and size, and what
modules said by a name."""
_made: dict[Any, Any] = {}
"""What this process had to make: patterns themselves, and all else as bytes."""
_compile = _compiler.compile
_ours = 0


def use() -> None:
    """From now on nothing that is kept is made again in this process."""
    if array("I").itemsize != _sre.CODESIZE:
        return
    with suppress(OSError, EOFError, TypeError, ValueError), open(_file(), "rb") as file:
        _kept.update(marshal.loads(file.read()))
    _compiler.compile = _compiled


def keep() -> None:
    """Keeps what this process had to make."""
    if not _made or sys.dont_write_bytecode:
        return
    known = _kept if len(_kept) + len(_made) <= _MOST else {}
    made = {key: each if isinstance(each, bytes) else _arguments(key, each) for key, each in _made.items()}
    with suppress(OSError):
        written = f"{_file()}.{os.getpid()}"
        with open(written, "xb") as file:
            file.write(marshal.dumps({**known, **made}))
        os.replace(written, _file())


def table(module: str, name: str) -> dict[str, Any]:
    """A file of TOML beside a module of the program: `table(__file__, "ways.toml")`."""
    path = os.path.join(os.path.dirname(module), name)
    key = (path, *_stamp(path))
    kept = _kept.get(key)
    if kept is None:
        import tomllib

        with open(path, "rb") as file:
            kept = _made[key] = marshal.dumps(tomllib.load(file))
    found: dict[str, Any] = marshal.loads(kept)
    return found


def told(name: str) -> Any:
    """What modules of the program said when they were imported: values that need no import. None where nobody kept it,
    or where one of their files has changed since."""
    if (kept := _kept.get(name)) is None:
        return None
    stamps, found = marshal.loads(kept)
    with suppress(OSError):
        return found if all(_stamp(file) == stamp for file, stamp in stamps.items()) else None
    return None


def tell(name: str, said: Any, files: Iterable[str]) -> None:
    """Keeps that, as long as these files are what they are."""
    with suppress(OSError):
        _made[name] = marshal.dumps(({file: _stamp(file) for file in files}, said))


@contextmanager
def patterns_of_the_program() -> Iterator[None]:
    """All that is compiled meanwhile is the program's: libraries compile theirs when they are first used."""
    global _ours
    _ours += 1
    try:
        yield
    finally:
        _ours -= 1


def compiled(text: str) -> CodeType:
    """Statements that the program makes for itself, for `exec`."""
    if (kept := _kept.get(text)) is not None:
        found: CodeType = marshal.loads(kept)
        return found
    made = compile(text, "<kept>", "exec")
    _made[text] = marshal.dumps(made)
    return made


def _stamp(file: str) -> tuple[int, int]:
    status = os.stat(file)
    return status.st_mtime_ns, status.st_size


def _file() -> str:
    spec = __spec__
    if spec is None or not spec.cached:
        raise OSError("modules are not kept either")
    return f"{spec.cached.removesuffix('.pyc')}.{_sre.MAGIC}.kept"


def _compiled(pattern: Any, flags: int = 0) -> re.Pattern[Any]:
    """What `re` asks for a pattern that it has not in its own cache."""
    key = (pattern, int(flags))
    if (kept := _kept.get(key)) is not None:
        flags_of_all, code, *others = kept
        found: re.Pattern[Any] = _sre.compile(pattern, flags_of_all, [*memoryview(code).cast("I")], *others)
        return found
    made: re.Pattern[Any] = _compile(pattern, flags)
    if _ours or _is_of_the_program(pattern):
        _made[key] = made
    return made


def _is_of_the_program(pattern: Any) -> bool:
    """Whether a pattern stands in the code that asks for it, or is made while a module is imported. Others may come
    from a repository, and are nobody else's."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") == re.__name__:
        frame = frame.f_back
    if frame is not None and pattern in frame.f_code.co_consts:
        return True
    while frame is not None and frame.f_code.co_filename != _IMPORTS:
        frame = frame.f_back
    return frame is not None


def _arguments(key: Any, made: re.Pattern[Any]) -> tuple[Any, ...]:
    """What the engine makes a pattern of: all but its text."""
    pattern, flags = key
    code = _compiler._code(_compiler._parser.parse(pattern, flags), flags)
    names = {number: name for name, number in made.groupindex.items()}
    by_number = tuple(names.get(number) for number in range(made.groups + 1))
    return made.flags, array("I", code).tobytes(), made.groups, dict(made.groupindex), by_number
