"""Which Python packages the repository asks for: requirements, PEP 621, poetry, Pipfile, setup.cfg, and lock files.

Read as text, never resolved: a range stands for every version in it, and the lowest one decides what may be used.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

from fixer.languages.tables import json_object, natural, toml_table
from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

_LINE = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*+(?:\[(?P<extras>[^\]]*)\]\s*+)?(?P<spec>(?:\(?\s*[<>=!~]|@|;|$).*)$"
)
# https://pip.pypa.io/en/stable/topics/vcs-support/
_VERSION_CONTROL = ("git+", "hg+", "svn+", "bzr+", "http://", "https://")
_INCLUDE = re.compile(r"^(?P<kind>-r|--requirement|-c|--constraint)(?:\s+|\s*=\s*|(?=[^\s-]))(?P<path>\S+)")
_DEVELOPMENT = re.compile(
    r"(^|[-_./])(dev|devel|development|test|tests|testing|local|lint|docs?|ci|debug)([-_.]|$)", re.I
)
_CLAUSE = re.compile(r"(===|==|~=|!=|<=|>=|<|>)\s*v?(\d[\w.!+*-]*)")
_RELEASE = re.compile(r"\d+(?:\.\d+)*")
_FILE = re.compile(
    r"(^|/)([^/]*(requirements|constraints)[^/]*\.(txt|in)|(requirements|reqs)/[^/]+\.(txt|in)|pyproject\.toml|Pipfile"
    r"|setup\.cfg|(uv|poetry|pdm|Pipfile)\.lock|pylock\.toml)$"
)
_LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock")
_DEVELOPMENT_GROUPS = frozenset({"dev", "develop", "development", "test", "tests", "testing", "docs", "doc", "lint"})

_NAMES_DEPENDENCIES = re.compile(r"\b(install_requires|extras_require)\b")
_INSTALLS_FROM = re.compile(r"(?:-r|--requirement)[ =]?\s*[\"']?(?:\S*/)?([\w.-]+)")

# The packages that come with Django, whatever else they are. `pytest-django` does not ask for it.
_BRINGS_DJANGO = re.compile(
    r"django([-_.\[]|$)(?!upgrade|environ|dotenv)|djangorestframework|wagtail|mezzanine|drf[-_]|channels([-_.\[]|$)"
    r"|dj[-_]|mozilla-django",
    re.IGNORECASE,
)

Release = tuple[int, ...]


@record
class Requirement:
    """One request for a package. `name` is normalised (PEP 503), `specifier` is PEP 440 text, empty for any version.

    `development`: only for work on the project, by the name of its file or group. `locked`: from a lock file.
    `constraint`: from a file that is only used by `-c`.
    """

    name: str
    specifier: str
    extras: frozenset[str]
    path: str
    locked: bool = False
    development: bool = False


@record
class VersionRange:
    """What the requirements allow: `lowest` is inclusive and () where nothing bounds it, likewise `below`.

    `text` is the specifier and `path` the file that says so.
    """

    lowest: Release = ()
    below: Release = ()
    exact: bool = False
    text: str = ""
    path: str = ""

    def at_least(self, *release: int) -> bool:
        """Whether every version that is allowed is this one or newer; False where nothing is known."""
        return bool(self.lowest) and _padded(self.lowest) >= _padded(release)

    def may_be_older_than(self, *release: int) -> bool:
        """Whether an older version is known to be allowed; False where nothing is known."""
        return bool(self.lowest) and _padded(self.lowest) < _padded(release)

    def __str__(self) -> str:
        return self.text or "any version"


@record
class PythonPackages:
    """All requirements of the repository. `includes` are the `-r` of a requirements file, resolved.

    `named` are further files that some workflow installs from, by whatever name, and what each includes; their packages
    are not among the requirements. `set_up` are the setup.py files that name dependencies.
    """

    requirements: tuple[Requirement, ...]
    files: tuple[str, ...]
    includes: Mapping[str, tuple[str, ...]]
    constraints: Mapping[str, tuple[str, ...]]
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    set_up: frozenset[str] = frozenset()

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where no file asks for a Python package."""
        found: list[Requirement] = []
        includes: dict[str, tuple[str, ...]] = {}
        constraints: dict[str, tuple[str, ...]] = {}
        asking = repository.ending("", ".txt", ".in", ".toml", ".cfg", ".lock")
        todo = [path for path in asking if _FILE.search(path)]
        files: list[str] = []
        while todo:
            path = todo.pop(0)
            text = repository.text(path)
            if path in files or not text:
                continue
            files.append(path)
            if not path.endswith((".txt", ".in")):
                found += _structured(path, text)
                continue
            listed, included, constrained = _requirements_file(path, text)
            found += listed
            includes[path], constraints[path] = included, constrained
            todo += [other for other in (*included, *constrained) if repository.exists(other)]
        named: dict[str, tuple[str, ...]] = {}
        todo = [path for path in _named_by_workflows(repository) if path not in files]
        while todo:
            path = todo.pop(0)
            named[path] = _requirements_file(path, repository.text(path))[1]
            todo += [other for other in named[path] if repository.exists(other) and other not in (*files, *named)]
        set_up = frozenset(
            path for path in repository.named("setup.py") if _NAMES_DEPENDENCIES.search(repository.text(path))
        )
        if not (files or named or set_up):
            return None
        return cls(tuple(found), tuple(files), includes, constraints, named, set_up)

    def key_files(self, path: str) -> tuple[str, ...]:
        """A requirements file, and those that it includes, as far as they are in the repository; none if it is not."""
        found: list[str] = []
        todo = [path]
        while todo:
            at = todo.pop(0)
            if at not in found and (at in self.files or at in self.named):
                found.append(at)
                todo += self.includes.get(at, self.named.get(at, ()))
        return tuple(found)

    def declaring_files(self, folder: str) -> tuple[str, ...]:
        """The files that name the dependencies of the package in a folder: pyproject.toml, setup.cfg, setup.py."""
        declared = {requirement.path for requirement in self.requirements} | self.set_up
        folder = "" if folder == "." else folder
        paths = (posixpath.join(folder, name) for name in ("pyproject.toml", "setup.cfg", "setup.py"))
        return tuple(path for path in paths if path in declared)

    @cached_property
    def _by_name(self) -> dict[str, dict[str, list[Requirement]]]:
        """The requests for each package, by the folders that their files speak for."""
        found: dict[str, dict[str, list[Requirement]]] = {}
        for requirement in self.requirements:
            folder = project_folder(requirement.path)
            found.setdefault(requirement.name, {}).setdefault(folder, []).append(requirement)
        return found

    def of(self, name: str, near: str = "") -> tuple[Requirement, ...]:
        """Requests for a package by the files nearest above `near` (a path) that name any package of the project.

        A `requirements/` folder belongs to the folder that holds it. Requests for production come first.
        """
        found = self._by_name.get(normalise(name), {})
        nearest = next((folder for folder in _upwards(near) if folder in found), None)
        if nearest is None and len(found) == 1:
            nearest = next(iter(found))  # a folder such as deploy/ that speaks for the whole repository
        if nearest is None:
            return tuple(sorted(_below(found, near), key=lambda requirement: requirement.development))
        here = found[nearest]
        return tuple(sorted(here, key=lambda requirement: requirement.development))

    def has(self, name: str, near: str = "", *, development: bool = True) -> bool:
        """Whether the package is asked for; without `development`, by a production file."""
        return any(development or not requirement.development for requirement in self.of(name, near))

    def version(self, name: str, near: str = "") -> VersionRange | None:
        """What versions may be installed, None where nobody asks for the package.

        A lock beats a pin, a pin beats a range; of several the lowest counts.
        """
        found = self.of(name, near)
        production = [requirement for requirement in found if not requirement.development] or list(found)
        ranges = [(_range(requirement), requirement) for requirement in production]
        for better in (
            [r for r, requirement in ranges if requirement.locked],
            [r for r, _ in ranges if r.exact],
            [r for r, _ in ranges if r.lowest],
            [r for r, _ in ranges],
        ):
            if better:
                return min(better, key=lambda r: _padded(r.lowest))
        return None

    def installed_by(self, path: str) -> frozenset[str]:
        """Names of all packages that a file asks for, with the files that it includes by `-r`."""
        seen: set[str] = set()
        todo = [path]
        while todo:
            at = todo.pop()
            if at not in seen:
                seen.add(at)
                todo += self.includes.get(at, ())
        return frozenset(name for each in seen for name in self._names.get(each, ()))

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """The packages that each file names itself."""
        found: dict[str, list[str]] = {}
        for requirement in self.requirements:
            found.setdefault(requirement.path, []).append(requirement.name)
        return found

    @cached_property
    def _by_folder(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.files:
            found.setdefault(project_folder(path), []).append(path)
        return found

    @cached_property
    def _constraining(self) -> frozenset[str]:
        return frozenset(path for paths in self.constraints.values() for path in paths)

    def _installing(self, name: str, folder: str) -> Iterator[str]:
        """The files of a folder that install a package by themselves, also by inclusion."""
        for path in self._by_folder.get(folder, ()):
            if name in self.installed_by(path) and path not in self._constraining and not path.endswith(_LOCKS):
                yield path

    def files_that_install(self, name: str, near: str = "") -> tuple[str, ...]:
        """Requirements files (and pyproject.toml, Pipfile …) that install a package, also by inclusion.

        Nearest first, then `requirements.txt`, then files for production, then the others.
        """
        wanted = normalise(name)
        folders = list(_upwards(near))
        found = [path for folder in folders for path in self._installing(wanted, folder)]
        if not found:
            folders = [folder for folder in self._by_folder if any(self._installing(wanted, folder))]
            # One such as deploy/ speaks for the whole repository.
            found = list(self._installing(wanted, folders[0])) if len(folders) == 1 else []

        def order(path: str) -> tuple[int, bool, bool, str]:
            file = path.rpartition("/")[2]
            return folders.index(project_folder(path)), file != "requirements.txt", is_development(path), path

        return tuple(sorted(found, key=order))


def normalise(name: str) -> str:
    """The name as package indexes compare it, PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def brings_django(name: str) -> bool:
    """Whether a package asks for Django itself, so that who asks for the one gets the other."""
    return _BRINGS_DJANGO.match(name) is not None


def is_development(path: str) -> bool:
    """Whether a requirements file is, by its name, only for work on the project."""
    return _DEVELOPMENT.search(path.rpartition("/")[2]) is not None


def project_folder(path: str) -> str:
    """The folder that a dependency file speaks for."""
    folder = path.rpartition("/")[0]
    while folder.rpartition("/")[2].lower() in ("requirements", "reqs", "requirement"):
        folder = folder.rpartition("/")[0]
    return folder


def _upwards(path: str) -> Iterator[str]:
    """The folder of a path, and every folder above it, down to the root of the repository."""
    folder = path if "." not in path.rpartition("/")[2] else path.rpartition("/")[0]
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
    yield ""


def _below(found: Mapping[str, list[Requirement]], near: str) -> list[Requirement]:
    """What stands below the nearest folder above `near` that holds any, such as files for the layers of an image."""
    for above in _upwards(near):
        held = [each for folder, asked in found.items() if above and folder.startswith(f"{above}/") for each in asked]
        if held:
            return held
    return []


def _padded(release: Iterable[int]) -> Release:
    numbers = tuple(release)
    return numbers + (0,) * (4 - len(numbers))


def _release(text: str) -> Release:
    found = _RELEASE.match(text)
    numbers = [natural(part) for part in found[0].split(".")] if found else []
    return tuple(number for number in numbers if number is not None) if None not in numbers else ()


def _range(requirement: Requirement) -> VersionRange:
    from packaging.version import Version

    lowest: Release = ()
    below: Release = ()
    exact = False
    for operator, text in _CLAUSE.findall(requirement.specifier):
        wild = text.endswith(".*")
        try:
            release = Version(text.removesuffix(".*")).release
        except ValueError:  # InvalidVersion, and a number of thousands of digits
            release = _release(text)
        if not release:
            continue
        if operator in ("==", "===") and not wild:
            lowest, exact = release, True
        elif operator in ("==", ">=", ">", "~="):
            lowest = max(lowest, release, key=_padded)
        if operator == "~=" or (operator == "==" and wild):
            kept = release if wild else release[:-1] or release
            below = (*kept[:-1], kept[-1] + 1)
        elif operator in ("<", "<="):
            below = min(below or release, release, key=_padded)
    return VersionRange(lowest, below, exact, requirement.specifier, requirement.path)


def _requirements_file(path: str, text: str) -> tuple[list[Requirement], tuple[str, ...], tuple[str, ...]]:
    found: list[Requirement] = []
    included: list[str] = []
    constrained: list[str] = []
    development = is_development(path)
    for raw in re.sub(r"\\\r?\n", " ", text).split("\n"):
        line = re.sub(r"(^|\s)#(?!egg=).*$", "", raw).strip()
        include = _INCLUDE.match(line)
        if include:
            other = _resolved(path, include["path"])
            (included if include["kind"] in ("-r", "--requirement") else constrained).append(other)
            continue
        requirement = _remote(line, path, development) or _requirement(line, path, development)
        if requirement:
            found.append(requirement)
    return found, tuple(included), tuple(constrained)


def _remote(line: str, path: str, development: bool) -> Requirement | None:
    """One line that names an address and the package behind it: `git+https://…/shop.git@v1.2#egg=shop`."""
    address = line.removeprefix("-e ").removeprefix("--editable ").strip().partition(" ")[0]
    if not address.startswith(_VERSION_CONTROL):
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    egg = parse_qs(parts.fragment).get("egg", [""])[0]
    name, _, extras = egg.partition("[")
    if not _LINE.match(name):
        return None
    version = _RELEASE.search(parts.path.rpartition("@")[2] if "@" in parts.path else "")
    exact = f"=={version[0]}" if version and "." in version[0] else ""
    asked = frozenset(normalise(each.strip()) for each in extras.rstrip("]").split(",") if each.strip())
    return Requirement(normalise(name), exact, asked, path, False, development)


def _resolved(path: str, other: str) -> str:
    parts = path.split("/")[:-1]
    for step in other.split("/"):
        if step == ".." and parts:
            parts.pop()
        elif step not in (".", ".."):
            parts.append(step)
    return "/".join(parts)


def _requirement(line: str, path: str, development: bool) -> Requirement | None:
    """One PEP 508 line, or None for an option, a path or an address."""
    found = _LINE.match(re.split(r"\s--(?:hash|config-settings|global-option)\b", line, maxsplit=1)[0].strip())
    if not found:
        return None
    specifier = found["spec"].partition(";")[0].strip().strip("()").strip()
    if specifier.startswith("@"):
        version = _RELEASE.search(specifier.rpartition("@")[2])
        specifier = f"=={version[0]}" if version and "." in version[0] else ""
    extras = frozenset(normalise(extra.strip()) for extra in (found["extras"] or "").split(",") if extra.strip())
    return Requirement(normalise(found["name"]), specifier, extras, path, False, development)


def _structured(path: str, text: str) -> list[Requirement]:
    import configparser

    name = path.rpartition("/")[2]
    try:
        if name == "pyproject.toml":
            return list(_pyproject(path, toml_table(text)))
        if name == "Pipfile":
            return list(_pipfile(path, toml_table(text)))
        if name == "setup.cfg":
            parser = configparser.ConfigParser(interpolation=None)
            parser.read_string(text)
            lines = parser.get("options", "install_requires", fallback="").splitlines()
            return [r for line in lines if (r := _requirement(line.strip(), path, False))]
        if name == "Pipfile.lock":
            return list(_pipfile_lock(path, json_object(text)))
        if name == "uv.lock":
            return list(_uv_lock(path, text))
        if name in ("poetry.lock", "pdm.lock", "pylock.toml"):
            return list(_lock(path, text))
    except (ValueError, KeyError, TypeError, AttributeError, configparser.Error):
        return []  # a broken file says nothing; its own tool will complain
    return []


def _pyproject(path: str, data: Mapping[str, Any]) -> Iterator[Requirement]:
    project = data.get("project", {})
    lists = [(project.get("dependencies", []), False)]
    lists += [(each, group in _DEVELOPMENT_GROUPS) for group, each in project.get("optional-dependencies", {}).items()]
    lists += [(each, True) for each in data.get("dependency-groups", {}).values()]
    for each, development in lists:
        for line in each:
            requirement = _requirement(line, path, development) if isinstance(line, str) else None
            if requirement:
                yield requirement
    poetry = data.get("tool", {}).get("poetry", {})
    tables = [(poetry.get("dependencies", {}), False), (poetry.get("dev-dependencies", {}), True)]
    tables += [
        (each.get("dependencies", {}), group in _DEVELOPMENT_GROUPS) for group, each in poetry.get("group", {}).items()
    ]
    for table, development in tables:
        for name, value in table.items():
            if name != "python":
                yield from _tabled(path, name, value, development)


def _pipfile(path: str, data: Mapping[str, Any]) -> Iterator[Requirement]:
    for section, development in (("packages", False), ("dev-packages", True)):
        for name, value in data.get(section, {}).items():
            yield from _tabled(path, name, value, development)


def _tabled(path: str, name: str, value: Any, development: bool) -> Iterator[Requirement]:
    for each in value if isinstance(value, list) else [value]:
        table = each if isinstance(each, dict) else {"version": each}
        extras = frozenset(normalise(extra) for extra in table.get("extras", ()))
        specifier = _poetry_specifier(str(table.get("version", "*")))
        yield Requirement(normalise(name), specifier, extras, path, False, development)


def _poetry_specifier(text: str) -> str:
    """`^4.2` → `>=4.2,<5`, `~5.1` → `>=5.1,<5.2`, `4.2` → `==4.2`; of alternatives the first.

    https://python-poetry.org/docs/dependency-specification/
    """
    clauses: list[str] = []
    for part in re.split(r"\s*\|\|?\s*", text)[0].split(","):
        found = re.match(r"(\^|~(?!=))\s*(\d[\w.]*)$", part.strip())
        if found:
            release = _release(found[2])
            if found[1] == "^":
                at = next((i for i, number in enumerate(release) if number), len(release) - 1)
            else:
                at = min(1, len(release) - 1)
            above = ".".join(map(str, (*release[:at], release[at] + 1)))
            clauses += [f">={found[2]}", f"<{above}"]
        elif re.match(r"\d", part.strip()):
            clauses.append(f"=={part.strip()}")
        elif part.strip() not in ("", "*"):
            clauses.append(part.strip())
    return ",".join(clauses)


def _pipfile_lock(path: str, data: Mapping[str, Any]) -> Iterator[Requirement]:
    for section, development in (("default", False), ("develop", True)):
        for name, value in data.get(section, {}).items():
            extras = frozenset(map(normalise, value.get("extras", ())))
            yield Requirement(normalise(name), value.get("version", ""), extras, path, True, development)


def _tables(text: str) -> Iterator[dict[str, str]]:
    """The tables of packages of a lock file, by their first lines; lock files are too large for tomllib."""
    for chunk in re.split(r"^\[\[packages?\]\]\s*$", text, flags=re.MULTILINE)[1:]:
        own = re.split(r"^\[(?!\[?package\.(?:dependencies|optional|extras))", chunk, maxsplit=1, flags=re.MULTILINE)[0]
        found = {"": own}
        for key in ("name", "version", "category", "groups", "extras", "source"):
            value = re.search(rf"^{key} = (.+)$", own, re.MULTILINE)
            if value:
                found[key] = value[1].strip().strip('"')
        yield found


def _lock(path: str, text: str) -> Iterator[Requirement]:
    for table in _tables(text):
        groups = re.findall(r'"([^"]+)"', table.get("groups", ""))
        development = table.get("category") == "dev" or (bool(groups) and not {"main", "default"} & set(groups))
        extras = frozenset(map(normalise, re.findall(r'"([^"]+)"', table.get("extras", ""))))
        if "name" in table:
            version = f"=={table['version']}" if "version" in table else ""
            yield Requirement(normalise(table["name"]), version, extras, path, True, development)


def _uv_lock(path: str, text: str) -> Iterator[Requirement]:
    """uv does not mark what is only for development: what the project itself leads to is production."""
    packages = [table for table in _tables(text) if "name" in table]
    by_name = {table["name"]: table for table in packages}
    roots = [table for table in packages if re.search(r"virtual|editable|directory", table.get("source", ""))]

    def needs(table: dict[str, str]) -> list[str]:
        found = re.search(r"^dependencies = \[(.*?)^\]", table[""], re.MULTILINE | re.DOTALL)
        return re.findall(r'\{ name = "([^"]+)"', found[1]) if found else []

    seen: set[str] = set()
    todo = [name for root in roots for name in needs(root)]
    while todo:
        name = todo.pop()
        if name not in seen and name in by_name:
            seen.add(name)
            todo += needs(by_name[name])
    asked = {
        name: frozenset(map(normalise, re.findall(r'"([^"]+)"', extras)))
        for root in roots
        for name, extras in re.findall(r'\{ name = "([^"]+)", extra = \[([^\]]*)\]', root[""])
    }
    for table in packages:
        if table not in roots and "version" in table:
            name = table["name"]
            development = bool(seen) and name not in seen and name not in asked
            extras = asked.get(name, frozenset())
            yield Requirement(normalise(name), f"=={table['version']}", extras, path, True, development)


def _named_by_workflows(repository: Repository) -> Iterator[str]:
    """Files of the repository with a name that stands behind `-r` in a workflow or action."""
    texts = (repository.text(path) for path in repository.glob(".github/*.y*ml", "action.y*ml", "*/action.y*ml"))
    names = {name for text in texts for name in _INSTALLS_FROM.findall(text)}
    return iter(sorted(path for name in names for path in repository.named(name)))
