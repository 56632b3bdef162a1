"""From which folder each Dockerfile is built, what that folder sends to the builder, and how compose runs the image."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

from fixer.docker.ignore_files import IgnorePattern, is_ignored, read_ignore
from fixer.docker.images import base_image
from fixer.docker.privileges import is_within
from fixer.github.origin import Origin
from fixer.github.workflow import Job, Workflow
from fixer.github.workflows import Workflows
from fixer.languages.dockerfile import Dockerfile, ImageRef
from fixer.languages.lines import Lines
from fixer.model import FileError
from fixer.project.env_files import entries, is_env_file, is_example
from fixer.records import entity, record
from fixer.runtime.images import Image, Images, has_all
from fixer.runtime.picture import Runtime
from fixer.runtime.pipelines import Pipeline, pipelines_of
from fixer.runtime.programs import Program
from fixer.runtime.servers import server_of_image
from fixer.runtime.unread import Unread

if TYPE_CHECKING:
    from fixer.repository import Repository

# What says how a project is built, in any folder.
_BUILD_FILE = re.compile(
    r"^(pyproject\.toml|setup\.(py|cfg)|package\.json|[a-z]+\.config\.[cm]?[jt]s|Cargo\.toml|build\.rs|pom\.xml"
    r"|(build|settings)\.gradle(\.kts)?|[\w.-]+\.(csproj|gemspec)|Directory\.Build\.(props|targets)|Makefile)$"
)
# Shell scripts, which may have no extension, settings of servers, lists of requirements, and what says how a Python
# project is built.
_READ = re.compile(
    r"\.(sh|bash|ini|py)$|^[\w-]+$|^[\w.-]*requirements[\w.-]*\.txt$|^(pyproject\.toml|setup\.(py|cfg))$"
)
# Of compose files and the shell, and of templates.
_VARIABLE = re.compile(r"\$\{[^}]*\}|\$\w+|\{\{.*|<%.*")
_PAGES = (".astro", ".js", ".jsx", ".mjs", ".svelte", ".ts", ".tsx", ".vue")
_PREFIXES = "NEXT_PUBLIC|VITE|REACT_APP|NUXT_PUBLIC|GATSBY|EXPO_PUBLIC|PUBLIC"
_PUBLIC_ARG = re.compile(rf"^[ \t]*ARG[ \t]+({_PREFIXES})_", re.IGNORECASE | re.MULTILINE)
_PUBLIC_READ = re.compile(rf"\b(?:import\.meta|process)\.env\??\.((?:{_PREFIXES})_\w+)")
_CONFIGURES = re.compile(
    r"^([\w-]+/){0,3}((config|configuration|conf|env|environment|settings|constants)\.(py|[cm]?[jt]s)"
    r"|(__init__|app|asgi|bot|index|main|manage|run|server|wsgi)\.(py|[cm]?[jt]s))$"
)


@entity
class ImageBuild:
    """How one image is built and who runs it. `context` is a folder from the top of the repository, None where none
    fits; `contexts` are all that builds of its Dockerfile say and that have what it copies (all where none has), and
    `elsewhere` is the same image as it is built in the others of them.

    `programs` are what runs it, first the image as it is built; `called` are containers that scripts and jobs start of
    it for a while, `told` what they run in services of compose files, `jobs` those jobs of workflows whose steps run in
    it; `is_action` says that GitHub runs it as an action.
    `files` are those of the context, from there, whether ignored or not; `texts` are the scripts that it may start, the
    lists that it installs from, and what says how projects are built, `configuration` modules that are named for what
    they configure or start, `variables` what files of variables say, `public_names` the variables that pages read,
    where the Dockerfile says any. `ignore_path` is the ignore file that the builder reads, or would read;
    `ignore_fault` says why it cannot be read here.
    """

    image: Image
    contexts: tuple[str, ...]
    programs: tuple[Program, ...]
    called: tuple[Program, ...]
    told: tuple[Program, ...]
    jobs: tuple[Job, ...]
    is_action: bool
    files: tuple[str, ...] = field(repr=False)
    texts: dict[str, str] = field(repr=False)
    configuration: dict[str, str] = field(repr=False)
    variables: dict[str, dict[str, str]] = field(repr=False)
    public_names: frozenset[str] = field(repr=False)
    ignore_path: str
    ignore: Lines | None
    ignore_fault: str
    elsewhere: tuple[ImageBuild, ...] = field(repr=False)

    @property
    def path(self) -> str:
        return self.image.path

    @property
    def dockerfile(self) -> Dockerfile:
        return self.image.dockerfile

    @property
    def context(self) -> str | None:
        return self.image.context

    @property
    def runners(self) -> tuple[Program, ...]:
        """The programs of compose files, manifests and platforms that run it."""
        return tuple(each for each in self.programs if each.origin != "dockerfile")

    @property
    def names_written(self) -> frozenset[str]:
        """Names of files of variables that a workflow writes on the machine that builds it, for the build to take."""
        builds = self.image.builds
        written = ((build.context, path) for build in builds for path in build.writes)
        return frozenset(
            posixpath.basename(path)
            for context, path in written
            if path.startswith("*/") or not context or is_within(path, (context,))
        )

    @cached_property
    def folders(self) -> frozenset[str]:
        """Folders of the context, from there."""
        return frozenset(_folders(self.files))

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name of a file or folder in the context, without what is above it."""
        return frozenset(posixpath.basename(path) for path in (*self.files, *self.folders))

    @cached_property
    def patterns(self) -> tuple[IgnorePattern, ...]:
        return tuple(read_ignore(self.ignore.lines)) if self.ignore else ()

    def excluded(self, path: str) -> bool:
        """Whether a path, from the context, is kept from the builder."""
        return is_ignored(path, self.patterns)

    def text(self, path: str) -> str:
        """The text of a script or list of the context; empty where there is none."""
        return self.texts.get(path, "")

    def named(self, name: str) -> tuple[str, ...]:
        """Scripts of the context with this name, those that the ignore file excludes left out."""
        return tuple(path for path in self.texts if posixpath.basename(path) == name and not self.excluded(path))


@entity
class ImageBuilds:
    """Every image that can be built here. `strangers` are programs that run an image of which nothing says who builds
    it; `documented` are the folders of containers into which the documentation mounts what the caller works on;
    `pipelines` are those of other forges, `runners` all programs, whatever image they run."""

    builds: tuple[ImageBuild, ...]
    strangers: tuple[Program, ...]
    documentation: tuple[tuple[str, str], ...] = field(repr=False)
    _images: Images = field(repr=False)
    _names: tuple[str, ...] = field(repr=False)
    _unread: tuple[Unread, ...] = field(repr=False)
    pipelines: tuple[Pipeline, ...] = ()
    runners: tuple[Program, ...] = field(default=(), repr=False)

    def unread_by(self, build: ImageBuild) -> tuple[Unread, ...]:
        """The files that cannot be read, and may say how this image is started."""
        found = []
        for each, is_named in self._may_start:
            folder = posixpath.dirname(each.path)
            if "{{" in folder and not is_within(build.path, (folder,)):
                continue  # a template of a whole repository
            near = not folder or ".." in each.text or is_within(build.path, (folder,)) or build.context == folder
            if (each.builds and near) or is_named:
                found.append(each)
        return tuple(found)

    @cached_property
    def _may_start(self) -> tuple[tuple[Unread, bool], ...]:
        """The files that cannot be read, and whether each names an image that may be of this repository."""
        return tuple((each, any(map(self._may_be_ours, each.images))) for each in self._unread)

    def _may_be_ours(self, reference: str) -> bool:
        return self._images.named(reference) is not None or _may_be_named(reference, self._names)

    def stranger_to(self, build: ImageBuild, *, elsewhere: bool = False) -> Program | None:
        """The first of them. `elsewhere`: not one beside a service that this image is built for."""
        beside = {program.path for program in build.runners if program.origin == "compose"} if elsewhere else set()
        return next((each for each in self.strangers_to(build) if each.path not in beside), None)

    def strangers_to(self, build: ImageBuild) -> Iterator[Program]:
        """Programs that may run this image, though nothing says so: not those whose image is called after the folder of
        another Dockerfile."""
        if not self.strangers:
            return
        own = _called_after(build)
        for program, called_after in self._called:
            if (own and own in _plain(program.image_name)) or called_after <= {own} or _suffix(build) in called_after:
                yield program

    @cached_property
    def _called(self) -> tuple[tuple[Program, frozenset[str]], ...]:
        """The strangers, each with the folders of Dockerfiles that its image is called after."""
        names = {name for name in map(_called_after, self.builds) if len(name) > 3 and name not in _PLAIN_FOLDERS}
        suffixes = {name for name in map(_suffix, self.builds) if name}
        return tuple(
            (
                program,
                frozenset(name for name in names if name in _plain(program.image_name)) | suffixes & _words(program),
            )
            for program in self.strangers
        )

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where there is no Dockerfile."""
        runtime = repository.fact(Runtime)
        if runtime is None or runtime.images is None:
            return None
        actions = set(_actions(repository))
        builds: list[ImageBuild] = []
        contexts: dict[str, set[str]] = defaultdict(set)
        for other in runtime.images.images:
            contexts[other.path].update(build.context for build in other.builds)
        inside: dict[Image | None, list[Job]] = defaultdict(list)
        for job in _jobs_in_containers(repository):
            inside[runtime.images.named(job.container.image if job.container is not None else "")].append(job)
        running: dict[Image | None, list[Program]] = defaultdict(list)
        for program in runtime.programs:
            running[program.image].append(program)
        for image in runtime.images.images:
            own = running[image]
            # A folder that lacks what is copied builds nothing, where another has it.
            said = sorted(contexts[image.path])
            fitting = [each for each in said if has_all(each, image.dockerfile, repository)]
            making = _Making(
                programs=tuple(each for each in own if each.origin not in JOBS),
                called=tuple(each for each in own if each.origin in JOBS and each.written is None),
                told=tuple(each for each in own if each.origin in JOBS and each.written is not None),
                jobs=tuple(inside[image]),
                contexts=tuple(fitting or said),
                is_action=image.path in actions,
            )
            others = (each for each in making.contexts if each != image.context)
            elsewhere = tuple(_made(replace(image, context=each), making, (), repository) for each in others)
            builds.append(_made(image, making, elsewhere, repository))
        builds.sort(key=lambda build: (build.path, build.image.stage.index))
        origin = repository.fact(Origin)
        names = (repository.root.resolve().name, origin.owner if origin is not None else "")
        folders = {_called_after(build) for build in builds} - {_plain(name) for name in _PLAIN_FOLDERS}
        strangers = tuple(each for each in runtime.programs if _is_strange(each, names, folders))
        pipelines = tuple(pipelines_of(repository))
        known = (runtime.documentation, runtime.images, names, runtime.unread)
        return cls(tuple(builds), strangers, *known, pipelines, runtime.programs)

    def of(self, path: str) -> tuple[ImageBuild, ...]:
        """The images that are built from a Dockerfile, one for each stage that is shipped."""
        return tuple(self._by_path.get(path, ()))

    def named(self, reference: str) -> ImageBuild | None:
        """What is built here under this name; None where nothing is, or where two are."""
        image = self._images.named(reference)
        return next((build for build in self.builds if build.image is image), None) if image is not None else None

    def made_from(self, build: ImageBuild) -> ImageBuild | None:
        """The first whose Dockerfile has a stage that is made from an image which is built here, and runs something.

        One that others only copy from starts nothing.
        """
        for other in self.builds if build.image.names else ():
            final = other.dockerfile.final
            stages = (
                each for each in other.dockerfile.stages if each is final or any(i.op == "RUN" for i in each.inherited)
            )
            bases = (stage.root.start.words[0].text for stage in stages if stage.root.start.words)
            if other.path != build.path and any(self._images.named(base) is build.image for base in bases):
                return other
        return None

    @cached_property
    def _by_path(self) -> dict[str, list[ImageBuild]]:
        found: dict[str, list[ImageBuild]] = defaultdict(list)
        for build in self.builds:
            found[build.path].append(build)
        return found

    def built_in(self, context: str | None) -> tuple[ImageBuild, ...]:
        """The images that are built in a folder."""
        return tuple(self._by_context.get(context, ()))

    @cached_property
    def _by_context(self) -> dict[str | None, list[ImageBuild]]:
        found: dict[str | None, list[ImageBuild]] = defaultdict(list)
        for build in self.builds:
            for each in (build, *build.elsewhere):
                found[each.context].append(each)
        return found


@record
class _Making:
    """What is said of an image by other files than those of its context."""

    programs: tuple[Program, ...]
    called: tuple[Program, ...]
    told: tuple[Program, ...]
    jobs: tuple[Job, ...]
    contexts: tuple[str, ...]
    is_action: bool


def _made(image: Image, making: _Making, elsewhere: tuple[ImageBuild, ...], repository: Repository) -> ImageBuild:
    """How an image is built in its context."""
    path, context = image.path, image.context
    files = _inside(context, repository)
    # A file that is named after the Dockerfile wins over the context's; .containerignore is podman's.
    usual = posixpath.join(context or "", ".dockerignore")
    candidates = (f"{path}.dockerignore", usual, posixpath.join(context or "", ".containerignore"))
    ignore_path = next((name for name in candidates if repository.exists(name)), usual)
    ignore, fault = _lines(ignore_path, repository)
    variables = {
        name: _variables(posixpath.join(context or "", name), repository) for name in files if is_env_file(name)
    }
    return ImageBuild(
        image,
        making.contexts,
        making.programs,
        making.called,
        making.told,
        making.jobs,
        making.is_action,
        files,
        _texts(image.dockerfile, making.programs, context, files, repository),
        {name: repository.text(posixpath.join(context or "", name)) for name in files if _CONFIGURES.search(name)},
        variables,
        _public_names(image.dockerfile, context, files, variables, repository),
        ignore_path,
        ignore,
        fault,
        elsewhere,
    )


def _jobs_in_containers(repository: Repository) -> Iterator[Job]:
    workflows = repository.fact(Workflows)
    for workflow in workflows.documents if workflows is not None else ():
        if "container" in workflow.source.text:
            yield from (job for job in workflow.jobs.values() if job.container is not None)


JOBS = ("workflow", "script")
"""Origins of programs that only run for a check or a command, not as what is deployed."""


def _called_after(build: ImageBuild) -> str:
    """The folder of a Dockerfile, after which its image may be called."""
    return _plain(posixpath.basename(posixpath.dirname(build.path)))


def _suffix(build: ImageBuild) -> str:
    """What a Dockerfile is called beside that: `Dockerfile.worker`, `worker.Dockerfile`."""
    return re.sub(r"(?i)^dockerfile\.?|\.?dockerfile$", "", posixpath.basename(build.path)).lower()


def _words(program: Program) -> frozenset[str]:
    """The words of the name of the image that a program runs, without its tag and what is not known."""
    name = ImageRef.parse(_VARIABLE.sub("x", program.image_name)).name
    return frozenset(re.split(r"[^a-z0-9]+", name.lower()))


def _is_strange(program: Program, names: Sequence[str], folders: Set[str]) -> bool:
    """Whether a program runs an image that nothing here builds but that might be of this repository, whose names are
    given, and those of the folders of its Dockerfiles: one without an owner is built where it runs."""
    if program.image is not None or not program.image_name or program.origin in JOBS:
        return False
    image = ImageRef.parse(_VARIABLE.sub("x", program.image_name))
    known = base_image(image) is not None or server_of_image(image.repository, "") is not None
    if not known and not image.registry and "/" not in image.name:
        own = [_plain(name) for name in names]
        words = [each for each in re.split(r"[^a-z0-9]+", image.name.lower()) if len(each) > 3]
        if any(word in each for word in words for each in own) or _plain(image.name) in folders - {""}:
            return True
    return _may_be_named(program.image_name, names, is_django=program.is_django)


def _may_be_named(reference: str, names: Sequence[str], *, is_django: bool = False) -> bool:
    """Whether an image might be of a repository with these names: it is named by a variable, lies in a registry of
    one's own, is named alike, or runs Django."""
    image = ImageRef.parse(_VARIABLE.sub("x", reference))
    if base_image(image) is not None or server_of_image(image.repository, "") is not None:
        return False
    if _VARIABLE.search(reference) or image.registry not in ("", *_PUBLIC) or is_django:
        return True
    own = [plain for name in names if len(plain := _plain(name)) > 3]
    parts = [_plain(part) for part in image.name.split("/")]
    alike = (part in each or each in part for part in parts if len(part) > 3 for each in own)
    return len(parts) > 1 and any(alike)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_PLAIN_FOLDERS = ("docker", "compose", "build", "deploy", "images", "containers")
"""Folders of Dockerfiles that say nothing of what is in the image."""
# Of registries for everybody the name tells whose an image is.
_PUBLIC = (
    "ghcr.io",
    "quay.io",
    "gcr.io",
    "mcr.microsoft.com",
    "public.ecr.aws",
    "registry.k8s.io",
    "docker.elastic.co",
    "lscr.io",
)


def _inside(context: str | None, repository: Repository) -> tuple[str, ...]:
    if context is None:
        return ()
    start = len(f"{context}/") if context else 0
    return tuple(path[start:] for path in repository.below(context))


def _lines(path: str, repository: Repository) -> tuple[Lines | None, str]:
    if not repository.exists(path):
        return None, ""
    try:
        document = repository.document(path)
    except FileError as error:
        return None, error.reason
    return (document if isinstance(document, Lines) else None), ""


def _variables(path: str, repository: Repository) -> dict[str, str]:
    document, _ = _lines(path, repository)
    return {each.name: each.text or "" for each in entries(document)} if document is not None else {}


def _texts(
    document: Dockerfile,
    programs: tuple[Program, ...],
    context: str | None,
    files: tuple[str, ...],
    repository: Repository,
) -> dict[str, str]:
    """Scripts and lists whose names stand in the Dockerfile, in what is started, or in such a script."""
    by_name: dict[str, list[str]] = {}
    found: dict[str, str] = {}
    for path in files:
        name = posixpath.basename(path)
        if _BUILD_FILE.search(name):
            found[path] = repository.text(posixpath.join(context or "", path))
        elif _READ.search(name):
            by_name.setdefault(name, []).append(path)
    started = [each for program in programs for each in (*program.commands, *program.calls)]
    waiting = [document.source.text, *(f"{each.source} {each.path}" for each in started), "gunicorn.conf.py"]
    while waiting:
        for word in dict.fromkeys(re.findall(r"[\w.-]+", waiting.pop())):
            name = word.rstrip(".-")
            for path in by_name.pop(name, ()):
                found[path] = repository.text(posixpath.join(context or "", path))
                if "requirements" not in name and not name.endswith((".ini", ".py")):
                    waiting.append(found[path])
    return found


def _public_names(
    document: Dockerfile,
    context: str | None,
    files: tuple[str, ...],
    variables: dict[str, dict[str, str]],
    repository: Repository,
) -> frozenset[str]:
    """The variables of a bundler that sources of the context read, and no file of variables there gives."""
    if not _PUBLIC_ARG.search(document.source.text):
        return frozenset()
    found: set[str] = set()
    for path in files:
        if path.endswith(_PAGES):
            found.update(_PUBLIC_READ.findall(repository.text(posixpath.join(context or "", path))))
    for path, given in variables.items():
        if posixpath.basename(path).startswith(".env") and not is_example(path):
            found -= given.keys()
    return frozenset(found)


def _folders(paths: tuple[str, ...]) -> set[str]:
    """Every folder that holds one of these paths, at any depth."""
    found: set[str] = set()
    for path in paths:
        folder = posixpath.dirname(path)
        while folder and folder not in found:
            found.add(folder)
            folder = posixpath.dirname(folder)
    return found


def _actions(repository: Repository) -> Iterator[str]:
    for workflow in repository.documents(Workflow, lambda source: "docker" in source.text):
        if not workflow.composite:
            continue
        runs = workflow.root.get("runs")
        data = runs.data if runs is not None else None
        if isinstance(data, dict) and data.get("using") == "docker":
            image = str(data.get("image", ""))
            yield posixpath.normpath(posixpath.join(posixpath.dirname(workflow.source.path), image))
