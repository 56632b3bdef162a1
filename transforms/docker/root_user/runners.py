"""Those who run the image: what keeps them working, and what a person must do."""

import posixpath
import re
from collections.abc import Iterator

from fixer.docker.compose import Mount
from fixer.docker.images import ROOT
from fixer.docker.privileges import User, is_within
from fixer.documents import DEVELOPMENT
from fixer.model import Blocked, Parts, listed
from fixer.runtime.builds import JOBS, ImageBuild, ImageBuilds
from fixer.runtime.programs import Kind, Program, django_verb
from fixer.runtime.states import Container
from transforms.docker.root_user.breaks import FOR_EVERYBODY
from transforms.docker.root_user.building import brings_sources
from transforms.docker.root_user.folders import Folders
from transforms.docker.root_user.options import Options, also_mounted

_CLUSTERS = ("kubernetes", "helm")
_RUNTIMES = ("python", "node", "ruby", "deno", "bun")
"""Programs that run code of the project's own."""


_RELOADS = frozenset(("air", "CompileDaemon", "reflex", "cargo-watch"))
"""They build a program anew, and start it again, while its sources are edited."""


_CODE = (
    ".clj", ".cs", ".css", ".ejs", ".ex", ".exs", ".go", ".html", ".java", ".js", ".jsx", ".kt", ".mjs", ".php", ".py",
    ".rb", ".rs", ".scala", ".sh", ".svelte", ".ts", ".tsx", ".vue",
)  # fmt: skip
"""Suffixes of what people write; a folder of a repository without any holds data."""
_COLLECTED = re.compile(r"(^|/)(collected[_-]?static|media(files)?|static(files|_?root|_collected)|uploads?)$")
"""Folders that a program fills while it runs, whatever a repository has of them."""


def on_sources(container: Container, folders: Folders) -> list[Program]:
    """Programs into which the sources are mounted from the host, over what the image has: only for development."""
    return [
        program
        for program in container.build.runners
        if program.written is not None
        and not program.user
        and any(_is_source(m, program, container, folders) for m in program.mounts)
    ]


def _is_source(mount: Mount, program: Program, container: Container, folders: Folders) -> bool:
    """Whether a mount brings a folder of the context that holds files of the repository to where the program works,
    which a service may say of its own."""
    inside = _brought(mount, container) if mount.bind and not mount.read_only else None
    if inside is None or inside in container.build.files or _COLLECTED.search(inside):
        return False
    held = (path for path in container.build.files if inside == "." or path.startswith(f"{inside}/"))
    if not any(path.endswith(_CODE) for path in held):
        return False
    target = mount.target.rstrip("/")
    return is_within(target, folders.roots) or (
        target != "" and any(is_within(p, (target,)) for p in _works_in(program))
    )


def _works_in(program: Program) -> Iterator[str]:
    """Where a program finds its code, as far as its folder, its commands and its variables say."""
    yield program.folder
    for started in (*program.calls, *program.commands):
        yield from (word for word in started.argv if word.startswith("/"))
    for value in program.environment.values:
        yield from (value.text or "").split(":")


def kept_working(
    container: Container, builds: ImageBuilds, folders: Folders, user: User, options: Options
) -> list[Parts] | Blocked:
    """What keeps programs with folders of the host working. Where the sources are mounted, files keep their owner on
    the host, so that development goes on as it was; data of the host is for its owner to give away."""
    developing = on_sources(container, folders)
    if (nothing := _changes_nothing(container, builds, folders, developing)) is not None:
        return nothing
    for program in (*container.build.runners, *container.build.called):
        for mount in program.mounts:
            if mount.read_only or mount.target in options.mounted or program.user or program in developing:
                continue
            # Data of the host may lie anywhere; what the repository holds is written to only where the application is.
            foreign = mount.bind and _brought(mount, container) is None
            if not foreign and not is_within(mount.target.rstrip("/"), folders.all):
                continue
            # A volume of Docker's takes over the owner that the folder has in the image, one of Fly's is root's.
            # https://fly.io/docs/volumes/overview/
            if program.origin == "fly":
                return Blocked(
                    f"{program.path} mounts a volume over {mount.target}, which belongs to root on every machine, so "
                    f"that {user.name} could not write",
                    "start as root, chown it there and go on as another user (setpriv, gosu); or chown it by "
                    "`fly ssh console`, then say so",
                    also_mounted(options, mount),
                )
            if mount.bind:
                return Blocked(
                    f"{program.path} mounts {mount.source} of the host over {mount.target} of {program.name!r}, where "
                    f"{user.name} could not write",
                    _given_away(program, user),
                    also_mounted(options, mount),
                )
            if other := _also_written_by(mount, program, builds):
                return Blocked(
                    f"{program.path} mounts the volume {mount.source} into {program.name!r} and {other!r}, which are "
                    "of two images: what one user makes there the other cannot change",
                    "give both images a user of the same number, then say so",
                    also_mounted(options, mount),
                )
            if mount.of_root and program.user in ("", *ROOT) and mount.target not in options.mounted:
                return Blocked(
                    f"{program.path} mounts the volume {mount.source} over {mount.target} of {program.name!r}, "
                    "where only root can write",
                    _handing_over(program, user),
                    also_mounted(options, mount),
                )
    parts: list[Parts] = []
    for program in developing:
        if program.written is not None:
            document, node = program.written
            parts.append(document.add_key(node if node.target is None else node.target, "user", "root"))
    return parts


def _changes_nothing(
    container: Container, builds: ImageBuilds, folders: Folders, developing: list[Program]
) -> Blocked | None:
    """Whether all that runs the image goes on as it is, since the sources of the host are mounted into it, or since it
    is told its user: another user in the image is then for nobody."""
    build = container.build
    if reloading := next((each for each in container.commands if each.command.name in _RELOADS), None):
        return Blocked(
            f"it is for development: it starts `{reloading.source}`, which builds anew whenever a source changes",
            "leave it; what is deployed gets an image of its own",
        )
    as_before = [*developing, *(each for each in build.runners if each.user)]
    if not as_before or len(as_before) < len(build.runners):
        return None
    first = as_before[0]
    if developing and (started := _starts_for_development(container)):
        return Blocked(
            f"it is for development: it starts `{started}`, and {first.path} mounts the sources of the host "
            "over its own",
            "leave it; what is deployed gets an image of its own",
        )
    if developing and not _has_sources(container, folders):
        return Blocked(
            f"the image has no sources of its own: {first.path} mounts those of the host, whose files another user "
            "could not write",
            "leave it as the image of development; one that is deployed gets its sources by COPY",
        )
    if _unseen(build, builds, elsewhere=True):
        return None
    if developing:
        return Blocked(
            f"nothing but {first.path} starts it, which mounts the sources of the host: it would go on as root there",
            "leave it as an image of development; one that is deployed gets a user",
        )
    return Blocked(
        f"{first.path} starts {first.name!r} as {first.user}, and nothing else starts the image: it would go on so",
        f"take that out of {first.path} first, if nothing needs it",
    )


def _also_written_by(mount: Mount, program: Program, builds: ImageBuilds) -> str:
    """The service of another image of the repository that has the same volume and may write there."""
    if program.origin != "compose" or not mount.source:
        return ""
    for build in builds.builds:
        for other in build.programs if build.image is not program.image else ():
            shares = any(m.source == mount.source and not m.bind and not m.read_only for m in other.mounts)
            if other.path == program.path and shares:
                return other.name
    return ""


def _with_whom(volumes: list[str], container: Container, builds: ImageBuilds) -> str:
    """That services of other images use these volumes too; empty where none does."""
    files = {program.path for program in container.build.runners}
    names = [
        repr(other.name)
        for other in builds.runners
        if other.path in files
        and other.origin == "compose"
        and other.image is not container.build.image
        and any(mount.source in volumes and not mount.bind for mount in other.mounts)
    ]
    if not names:
        return ""
    verb = "mount" if len(names) > 1 else "mounts"
    return f", and see that {listed(dict.fromkeys(names))}, which {verb} the same, still can use what is there"


def _given_away(program: Program, user: User) -> str:
    """How what is mounted of the host comes to a user."""
    if program.origin in JOBS:
        return f"start it there with `--user root`; or chown that folder to {user.numeric}, then say so"
    return f"chown that folder to {user.numeric} on every host, then say so"


def _brought(mount: Mount, container: Container) -> str | None:
    """The file, or the folder with files, that a mount brings of the folder that the image is built from; None where
    it brings none of it."""
    build = container.build
    if mount.folder is None or build.context is None:
        return None
    inside = posixpath.relpath(mount.folder or ".", build.context or ".")
    brings = inside == "." or any(
        path == inside or (path.startswith(f"{inside}/") and not posixpath.basename(path).startswith(".git"))
        for path in build.files
    )
    return inside if brings else None


def _starts_for_development(container: Container) -> str:
    """What the image starts by itself, where that is a server of development by its name, also in a script; else
    nothing."""
    start = container.stage.last("CMD", "ENTRYPOINT")
    said = start.text if start is not None else ""
    if re.search(r"\brunserver\b", said) or DEVELOPMENT.search(said.replace("/usr/local/", "/usr/")):
        return said
    own = [each for program in container.build.programs if program.origin == "dockerfile" for each in program.commands]
    if any(each.kind is Kind.SERVER and not django_verb(each.argv) for each in own):
        return ""  # which of them, a variable says
    return next((each.source for each in own if django_verb(each.argv) == "runserver"), "")


def _has_sources(container: Container, folders: Folders) -> bool:
    """Whether the application itself is in the image."""
    return any(brings_sources(state, folders) for state in container.acting("COPY", "ADD"))


def _handing_over(program: Program, user: User) -> str:
    """How a volume that a platform makes for root comes to a user."""
    number = user.id or user.name
    if program.origin in _CLUSTERS:
        return f"give its pods securityContext.fsGroup: {number}"
    return f"chown that volume to {user.numeric}, then say so"


def todo_of(container: Container, builds: ImageBuilds, folders: Folders, user: User) -> list[str]:
    runners = container.build.runners
    volumes = {arg.rstrip("/") for state in container.acting("VOLUME") for arg in state.instruction.args}
    staying = on_sources(container, folders)  # as root, whoever its volumes belong to
    # Kubernetes gives its volumes to the pod's group each time.
    keeping = (program for program in runners if program.origin not in _CLUSTERS and program not in staying)
    mounts = [m for program in keeping for m in program.mounts if m.source and not m.bind]
    written = {m.target.rstrip("/"): m.source for m in mounts if not m.read_only}
    only_read = {m.target.rstrip("/") for m in mounts} - written.keys()
    owned = {path: path for path in sorted(volumes - only_read)} | written
    todo = [
        f"{program.path} starts {program.name!r} as {program.user} all the same: take that out"
        for program in runners
        if program.user.partition(":")[0] in ROOT and program.user
    ]
    binds: dict[tuple[str, str], list[str]] = {}
    for program in runners:
        for mount in program.mounts:
            readable = mount.read_only and FOR_EVERYBODY.match(mount.source)
            if mount.bind and not readable and program not in staying:
                binds.setdefault((program.path, program.name), []).append(mount.source)
    todo += [
        f"{path} mounts {listed(sources)} into {name!r}: the files there keep the owner of the host"
        for (path, name), sources in binds.items()
    ]
    kept = list(dict.fromkeys(name for path, name in owned.items() if is_within(path, folders.all)))
    if kept:
        todo.append(
            f"volumes that exist already keep their owner: chown {listed(kept)} to {user.numeric} once"
            + _with_whom(kept, container, builds)
        )
    todo += [
        f"{each.path} starts containers: what it does in this image, it does as {user.numeric}, who can install nothing"
        for each in builds.pipelines
        if each.starts
    ]
    if unseen := _unseen(container.build, builds):
        todo.append(f"{unseen}: what is mounted there to be written to must let {user.numeric} write")
    todo += _claimed_by_strangers(container.build, builds, user)
    if not folders.roots and container.folder == "/":
        todo.append(f"it works in /, where {user.name} can make no file: give it a WORKDIR if it makes any")
    if _listens_unseen(container):
        todo.append("nothing says on which port it listens, if on any: see that none is below 1024")
    return todo


def _claimed_by_strangers(build: ImageBuild, builds: ImageBuilds, user: User) -> Iterator[str]:
    """Volumes of a cluster, which belong to root, of programs that may run the image; and charts of such programs,
    which may mount some by other values."""
    number = user.id or user.name
    claimed: dict[tuple[str, str], list[str]] = {}
    charts: dict[str, str] = {}
    for program in builds.strangers_to(build):
        if program.origin not in _CLUSTERS or program.user:
            continue
        own = [mount for mount in program.mounts if mount.of_root and not mount.read_only and not mount.bind]
        for mount in own:
            claimed.setdefault((mount.source, mount.target), []).append(str(program.place))
        if program.origin == "helm" and not own:
            charts.setdefault(posixpath.dirname(program.path), str(program.place))
    for (name, target), places in claimed.items():
        verb, pods = ("mount", "their pods") if len(places) > 1 else ("mounts", "its pod")
        yield (
            f"{listed(places)} {verb} the volume {name} over {target}, where only root can write: set "
            f"fsGroup: {number} in the securityContext of {pods} if that runs this image"
        )
    for place in charts.values():
        yield f"{place} may mount more with other values of its chart: fsGroup: {number} lets the pod write there"


def _listens_unseen(container: Container) -> bool:
    """Whether a program of the project's own may listen on a port that no file names: a DNS server in Python, say."""
    if next(container.acting("EXPOSE"), None) is not None or any(each.ports for each in container.build.runners):
        return False
    named = any(re.search(r"(^|_)PORT$", name) for name in container.values)
    known = any(each.kind is not Kind.TOOL or django_verb(each.argv) for each in container.commands)
    return not named and not known and any(each.command.name.startswith(_RUNTIMES) for each in container.commands)


def _unseen(build: ImageBuild, builds: ImageBuilds, *, elsewhere: bool = False) -> str:
    """Who may run the image though no file of the repository shows how; empty where nobody may. `elsewhere`: not what
    stands beside a service that the image is built for."""
    pushed = [str(made.place) for made in build.image.builds if made.origin == "workflow"]
    shown = [program for program in build.runners if not program.development]
    if (stranger := builds.stranger_to(build, elsewhere=elsewhere)) is not None:
        return f"{stranger.place} runs {stranger.image_name}, which may be this image"
    pushed += [each.path for each in builds.pipelines if each.pushes]
    if pushed and not any(program.image_name for program in shown):
        return f"{pushed[0]} builds the image, and what runs it is not in the repository"
    chart = next((program for program in build.runners if program.origin == "helm"), None)
    if chart is not None and chart.path.endswith("values.yaml"):
        return f"{chart.path}: which volumes the templates of the chart mount is not read"
    if chart is not None:
        return f"{chart.path}: which volumes it mounts with other values than the chart's own is not known"
    railway = next((program for program in build.runners if program.origin == "railway"), None)
    if railway is not None:
        return f"{railway.path}: which volumes Railway mounts is not in the repository"
    if not build.runners:
        return "what runs the image was not found"
    return ""
