"""What the process writes to: the application, volumes, and what variables and settings name."""

import posixpath
import re
from collections.abc import Iterable, Iterator

from fixer.django.places import named_places
from fixer.django.project import DjangoProject
from fixer.docker.compose import Mount
from fixer.docker.privileges import folders_made, is_within
from fixer.languages.dockerfile import expanded
from fixer.languages.python import named_values
from fixer.records import record
from fixer.runtime.fixed_places import FixedPlace, FixedPlaces
from fixer.runtime.images import local_sources
from fixer.runtime.states import Container
from transforms.docker.root_user.options import Options

# Folders that hold more than the application.
SYSTEM = frozenset((
    "/", "/bin", "/boot", "/dev", "/etc", "/go", "/home", "/lib", "/media", "/mnt", "/opt", "/proc", "/root", "/run",
    "/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/local/bin", "/usr/sbin",
    "/usr/share", "/usr/src", "/var", "/var/lib", "/var/log", "/var/run", "/var/www",
))  # fmt: skip
# Of these, the ones in which images have nothing (https://refspecs.linuxfoundation.org/FHS_3.0/fhs/ch03.html).
EMPTY = frozenset(("/media", "/mnt", "/srv"))
# Folders below these hold programs, not data.
PROGRAMS = ("/bin", "/boot", "/etc", "/lib", "/opt", "/root", "/sbin", "/usr", "/home")
# Everyone may write to these, or they are not files at all.
SCRATCH = ("/tmp", "/dev", "/proc", "/var/tmp", "/sys")
# What belongs to root whatever a program writes there.
NEVER_GIVEN = (*PROGRAMS, "/proc", "/sys")
# Variables with the place of what a program writes.
WRITTEN = re.compile(
    r"(^|_)(DATA|DB|DATABASE|SQLITE\w*|UPLOADS?|MEDIA|STORAGE|LOGS?|LOGFILE|CACHE|STATE|OUTPUT|EXPORTS?|BACKUPS?)(_|$)|^HF_HOME$"
)
# Settings of Django with such a place; NAME is that of a database.
WRITTEN_BY_DJANGO = re.compile(
    r"^(NAME|filename|LOCATION|FILE_UPLOAD_TEMP_DIR|.*(MEDIA|STATIC|LOG|DATA|CACHE|UPLOAD)\w*_(ROOT|DIR|PATH|FILE))$"
)
FILES_OF_DJANGO = re.compile(r"^(NAME|filename)$|_FILE$")
WRITTEN_PATH = re.compile(r"(?:sqlite(?:\+\w+)?://|file:)?/*(/[^\s:?;,]+)")
# With three slashes it is relative, https://docs.sqlalchemy.org/en/20/core/engines.html#sqlite
RELATIVE_DATABASE = re.compile(r"sqlite(?:\+\w+)?:///(?!/)([^\s:?;,]+)")


@record
class Folders:
    """`roots` hold the application, `data` are for what it writes: volumes and folders that are made for it."""

    roots: tuple[str, ...]
    data: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.roots, *self.data)


def folders_of(container: Container, named: tuple[str, ...], options: Options) -> Folders:
    places = [s.folder for s in container.acting("WORKDIR") if is_within(container.folder, (s.folder,))]
    places += [s.target for s in container.acting("COPY", "ADD") if "." in local_sources(s.instruction) and s.target]
    roots = topmost(p for p in places if p not in SYSTEM and "$" not in p)
    data = [mount.target for program in container.build.runners for mount in program.mounts if _is_data(mount)]
    for state in container.acting("VOLUME"):
        data += [path for arg in state.instruction.args if (path := expanded(arg, state.values))]
    data += [path for path in _named_by_variables(container) if not is_within(path, (*PROGRAMS, *roots))]
    data += [path for path in named if not is_within(path, roots)]
    # What is in such a folder was installed, and is only read.
    data = [path.rstrip("/") for path in data if not re.search(r"/(node_modules|\.venv)/?$", path)]
    own: list[str] = []
    for state in container.acting("RUN"):
        if re.search(r"\bmkdir\b|\binstall\b", state.instruction.script):
            made = folders_made(state.script, state.values, state.folder)
            own += [p for p in made if not is_within(p, (*PROGRAMS, *roots)) and p not in SYSTEM and "$" not in p]
    data += own
    removed = {
        word for s in container.acting("RUN") if "rm -" in s.instruction.script for word in s.instruction.script.split()
    }
    # Everyone may write to /tmp, but not to a folder that root has made there.
    data = [p for p in data if p in own or not is_within(p, SCRATCH)]
    kept = [p for p in data if p.startswith("/") and p not in removed and p not in roots]
    return Folders(tuple(roots), tuple(topmost([*kept, *options.writable])))


def _is_data(mount: Mount) -> bool:
    """Whether a mount is a volume that the process writes to."""
    return not mount.bind and not mount.read_only


def named_by_settings(django: DjangoProject, container: Container) -> Iterator[str]:
    """Folders that Django's settings give for what is written, where they stand in the image: a database file, logs,
    uploads, collected static files, a cache."""
    for project in django.projects:
        shipped = {path: each for path, each in project.modules.items() if each.role not in ("test", "development")}
        named = [pair for each in shipped.values() for pair in named_values(each.document.tree)]
        for name, said in (*named, *named_places(shipped, lambda path: _place_of(path, container))):
            path = said.rstrip("/")
            if said.startswith("/") and WRITTEN_BY_DJANGO.search(name) and re.fullmatch(r"(/[\w.@+-]+){2,}|/\w+", path):
                is_file = "." in posixpath.basename(path) or FILES_OF_DJANGO.search(name)
                yield posixpath.dirname(path) if is_file else path


def written_by_code(places: FixedPlaces | None, container: Container) -> Iterator[FixedPlace]:
    """Where code that is in the image writes to by an absolute path, or may, and no variable says another."""
    context = container.build.context
    given = set(container.values)
    given |= {value.name for program in container.build.runners for value in program.environment.values}
    for each in places.places if places is not None and context is not None else ():
        if _place_of(each.path, container) and each.name.upper() not in given:
            inside = posixpath.relpath(each.path, context or ".")
            if not container.build.excluded(inside) and (each.surely or not is_within(each.folder, PROGRAMS)):
                yield each


def _place_of(path: str, container: Container) -> str:
    """Where a file of the repository stands in the image; empty where nothing copies it from the context."""
    context = container.build.context
    if context is None or not is_within(path, (context,) if context else (path,)):
        return ""
    inside = posixpath.relpath(path, context or ".")
    for state in reversed([*container.acting("COPY", "ADD")]):
        for source in local_sources(state.instruction) if state.target else ():
            if source == "." or is_within(inside, (source,)):
                below = posixpath.relpath(inside, source) if inside != source else posixpath.basename(inside)
                return posixpath.join(state.target, below)
    return ""


def _named_by_variables(container: Container) -> Iterator[str]:
    """Folders that ENV and compose name for data, logs and the like."""
    given = [(name, value) for name, value in container.values.items() if value]
    for program in container.build.runners:
        given += [(value.name, value.text) for value in program.environment.values if value.text]
    for name, value in given:
        inside = RELATIVE_DATABASE.fullmatch(value)
        absolute = posixpath.normpath(posixpath.join(container.folder, inside[1])) if inside is not None else value
        found = WRITTEN_PATH.fullmatch(absolute) if WRITTEN.search(name) else None
        if found is None:
            continue
        folder, _, last = posixpath.normpath(found[1]).rpartition("/")
        folder = folder or "/"
        is_folder = "." not in last and (folder in SYSTEM or re.search(r"_(DIR|FOLDER|ROOT|HOME|CACHE)$", name))
        yield posixpath.join(folder, last) if is_folder else folder


def topmost(paths: Iterable[str]) -> list[str]:
    found: list[str] = []
    for path in sorted(set(paths)):
        if not is_within(path, found):
            found.append(path)
    return found
