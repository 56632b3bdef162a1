"""Which settings modules the files of a repository name: what starts programs, what runs tests, what documents both."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Self

from fixer.django.settings import role_of
from fixer.languages.python import PythonModule, dotted
from fixer.model import FileError
from fixer.records import record
from fixer.runtime.picture import Runtime
from fixer.runtime.programs import SETTINGS_VARIABLE, Program
from fixer.runtime.settings import configured_in, families_in, said_in

if TYPE_CHECKING:
    from fixer.repository import Repository

_APPLICATION = re.compile(r"(^|/)[aw]sgi\.py$")
_STARTS = re.compile(r"(^|/)(manage|[aw]sgi|celery(_?app)?|conftest)\.py$", re.IGNORECASE)
# What loads modules by names that are put together when it runs.
_LOADS_BY_NAME = frozenset(("import_module", "__import__", "exec"))
# As `NAME: value`, `NAME = "value"`, or with `name` and `value` beside each other, in any format of any platform.
_IN_MANIFEST = re.compile(
    rf"^(?!\s*(?:#|//)).*{SETTINGS_VARIABLE}[\"']?(?:\s*[:=]\s*|[\s,]*[\"']?(?:value|default)[\"']?\s*[:=]\s*)"
    r"[\"']?([A-Za-z_]\w*(?:\.\w+)*)",
    re.MULTILINE,
)
_CONFIGURES_TESTS = re.compile(r"(^|/)(pytest\.ini|tox\.ini|setup\.cfg|pyproject\.toml)$")


@record
class SettingsNames:
    """`files` are those that name a settings module, by its dotted name; `deployed` are the names that programs of
    production are told, other than by what they start."""

    files: Mapping[str, tuple[str, ...]]
    deployed: frozenset[str]

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        runtime = repository.fact(Runtime)
        programs = runtime.programs if runtime is not None else ()
        pairs = [*_in_code(repository), *_in_configurations(repository)]
        pairs += [(name, program.path) for program in programs for name in _told(program)]
        pairs += _in_manifests(repository)
        pairs += [(inner, path) for name, path in pairs for inner in _loaded_by(repository, name)]
        pairs.sort(key=lambda pair: pair[1])
        # What only an example or the documentation says decides nothing, where anything else speaks.
        values = runtime.values(SETTINGS_VARIABLE) if runtime is not None else ()
        pairs += [(each.text, each.place.path) for each in values if each.text]
        found: dict[str, list[str]] = {}
        for name, path in pairs:
            found.setdefault(name, []).append(path)
        deployed = _without_built(runtime.deployed if runtime is not None else ())
        return cls(
            {name: tuple(dict.fromkeys(files)) for name, files in found.items()},
            frozenset(name for program in deployed for name in _told(program)),
        )


def is_application(path: str) -> bool:
    """Whether a file is what servers load."""
    return _APPLICATION.search(path) is not None


def _in_code(repository: Repository) -> Iterator[tuple[str, str]]:
    for path in repository.ending(".py"):
        if _STARTS.search(path):
            text = repository.text(path)
            yield from ((name, path) for name in said_in(text))
            for family in families_in(text):
                yield from ((name, path) for name in _below(repository, family))


def _below(repository: Repository, family: str) -> Iterator[str]:
    """The modules that a name such as `f"config.settings.{NAME}"` may mean: none that another one takes over."""
    folder = family.replace(".", "/")
    paths = [path for path in repository.ending(".py") if f"/{path.rpartition('/')[0]}/".endswith(f"/{folder}")]
    taken = {name for path in paths for name in _takes(repository, path)}
    names = (path.rpartition("/")[2].removesuffix(".py") for path in paths)
    # `base`, not the settings of production that those of development begin with.
    taken = {name for name in taken if role_of(name) == "shared"}
    yield from (f"{family}{name}" for name in names if name not in ("__init__", *taken))


def _takes(repository: Repository, path: str) -> Iterator[str]:
    """The neighbours that a module takes over whole: `from .base import *`."""
    module = _python(repository, path)
    for node in ast.walk(module.tree) if module is not None else ():
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.names[0].name == "*" and node.module:
            yield node.module


def _loads_by_name(repository: Repository, path: str) -> bool:
    module = _python(repository, path)
    calls = (node for node in ast.walk(module.tree) if isinstance(node, ast.Call)) if module is not None else ()
    return any(dotted(call.func).rpartition(".")[2] in _LOADS_BY_NAME for call in calls)


def _python(repository: Repository, path: str) -> PythonModule | None:
    try:
        document = repository.document(path)
    except FileError:
        return None
    return document if isinstance(document, PythonModule) else None


def _in_configurations(repository: Repository) -> Iterator[tuple[str, str]]:
    for path in repository.ending(".ini", ".cfg", ".toml"):
        if _CONFIGURES_TESTS.search(path):
            yield from ((name, path) for name in configured_in(repository.text(path)))


def _in_manifests(repository: Repository) -> Iterator[tuple[str, str]]:
    """Where the picture of what runs does not read: values of charts, infrastructure, other platforms."""
    for path in repository.ending(".yml", ".yaml", ".json", ".toml", ".tf", ".tfvars"):
        text = repository.text(path)
        for name in _IN_MANIFEST.findall(text) if SETTINGS_VARIABLE in text else ():
            yield name, path


def _loaded_by(repository: Repository, name: str) -> Iterator[str]:
    """What a package of settings may load by a name that is put together."""
    tail = f"{name.replace('.', '/')}/__init__.py"
    paths = (path for path in repository.named("__init__.py") if f"/{path}".endswith(f"/{tail}"))
    if any(_loads_by_name(repository, path) for path in paths):
        yield from _below(repository, f"{name}.")


def _told(program: Program) -> Iterator[str]:
    """What the environment of a program says, or an option of what it runs."""
    yield from (each.text for each in program.environment.of(SETTINGS_VARIABLE) if each.text)
    for started in program.commands:
        if SETTINGS_VARIABLE in started.inline:
            yield started.inline[SETTINGS_VARIABLE]
        option = started.command.value("--settings")
        if program.is_django and option is not None and option.literal:
            yield option.text


def _without_built(programs: Iterable[Program]) -> Iterator[Program]:
    """Without the images as they are built, where another file says what they run with."""
    programs = list(programs)
    for program in programs:
        others = (each for each in programs if each.origin != "dockerfile" and each.image is program.image)
        if program.origin != "dockerfile" or not any(each.environment.sets(SETTINGS_VARIABLE) for each in others):
            yield program
