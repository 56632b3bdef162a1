"""Images that the repository builds: from which stage of which Dockerfile, in which folder, and under which names.

A name leads back to its Dockerfile: a compose file or manifest that runs `ghcr.io/acme/shop:1` runs what a workflow
pushes as `ghcr.io/acme/shop`.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, Self

from fixer.docker.compose import Compose, Service
from fixer.github.expressions import ANY, Expression, names_read, replaced
from fixer.github.remote import in_checkout, of_ssh_action, over_ssh
from fixer.github.workflow import Step
from fixer.github.workflows import Workflows, commands_of, folder_of
from fixer.languages.dockerfile import Dockerfile, ImageRef, Instruction, Stage, expanded
from fixer.languages.makefile import targets
from fixer.languages.shell import Script
from fixer.languages.tables import natural
from fixer.model import FileError, Span
from fixer.records import record
from fixer.runtime.places import Place

if TYPE_CHECKING:
    from fixer.repository import Repository

_ENV = re.compile(r"\$\{?([A-Z]\w*)\}?")
_REPOSITORY = re.compile(r"\$\{?GITHUB_REPOSITORY\}?")
_MOST_CELLS = 64
"""Cells of a matrix that are looked at; a step with more is not a build of images that somebody tells apart."""


@record
class Build:
    """One command, action or service that builds an image. Paths are from the top of the repository, `target` is
    empty for the last stage; `names` are references without tag, with `*` for what is only known when it runs;
    `writes` are files of variables that the same machine writes before, in `*` where their folder is not known."""

    dockerfile: str
    context: str
    target: str
    names: tuple[str, ...]
    place: Place
    origin: str
    writes: tuple[str, ...] = ()


@record
class Image:
    """What a stage of a Dockerfile makes, and everything that builds it. `context` is None where it is not known."""

    dockerfile: Dockerfile
    stage: Stage
    context: str | None
    builds: tuple[Build, ...]

    @property
    def path(self) -> str:
        return self.dockerfile.source.path

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for build in self.builds for name in build.names)

    @cached_property
    def environment(self) -> tuple[tuple[str, str | None, Instruction], ...]:
        """Names and values of ENV, in their order, with the instruction that says it."""
        found: list[tuple[str, str | None, Instruction]] = []
        values: dict[str, str | None] = {}
        for instruction in self.stage.inherited:
            for name, value in instruction.pairs if instruction.op in ("ARG", "ENV") else ():
                values[name] = self.dockerfile.global_args.get(name) if value is None else expanded(value, values)
                if instruction.op == "ENV":
                    found.append((name, values[name], instruction))
        return tuple(found)

    @cached_property
    def _folders(self) -> dict[int, str]:
        """The working folder at each instruction of every stage, by the instruction's index."""
        found: dict[int, str] = {}
        ends: dict[int, str] = {}
        for stage in self.dockerfile.stages:
            folder = ends.get(stage.parent.index, "/") if stage.parent is not None else "/"
            for instruction in stage.instructions:
                if instruction.op == "WORKDIR":
                    said = expanded(instruction.text, self._values[instruction.index]) or "$"
                    folder = posixpath.normpath(posixpath.join(folder, said))
                found[instruction.index] = folder
            ends[stage.index] = folder
        return found

    @cached_property
    def _values(self) -> dict[int, Mapping[str, str | None]]:
        """What ARG and ENV have said at each instruction of every stage, by the instruction's index."""
        found: dict[int, Mapping[str, str | None]] = {}
        ends: dict[int, Mapping[str, str | None]] = {}
        for stage in self.dockerfile.stages:
            inherited = ends.get(stage.parent.index, {}) if stage.parent is not None else {}
            values = {**self.dockerfile.global_args, **inherited}
            for instruction in stage.instructions:
                if instruction.op in ("ARG", "ENV"):
                    said = {n: expanded(v, values) for n, v in instruction.pairs if v is not None}
                    values = {**values, **said}
                found[instruction.index] = values
            ends[stage.index] = values
        return found

    @property
    def folder(self) -> str:
        """The working folder of what is started; `/` where nothing says it."""
        last = self.stage.last("WORKDIR")
        return self._folders[last.index] if last is not None else "/"

    def folder_at(self, instruction: Instruction) -> str:
        """The working folder of an instruction of any of its stages."""
        return self._folders[instruction.index]

    def command(self, op: str) -> tuple[Instruction, list[str] | str] | None:
        """ENTRYPOINT or CMD: words of the JSON form, or shell code. A new ENTRYPOINT resets the CMD of a base."""
        instruction = self.stage.last(op)
        if instruction is None:
            return None
        entry = self.stage.last("ENTRYPOINT")
        if op == "CMD" and entry is not None and entry.index > self.stage.start.index > instruction.index:
            return None
        return instruction, instruction.body if isinstance(instruction.body, list) else instruction.text

    def located(self, path: str, exists: Callable[[str], bool], stage: Stage | None = None) -> str | None:
        """The file of the repository that stands at an absolute path of the image; None where none is known."""
        if self.context is None:
            return None
        for instruction in reversed((stage or self.stage).inherited):
            if instruction.op not in ("COPY", "ADD") or len(instruction.args) < 2:
                continue
            *sources, said = (expanded(word, self._values[instruction.index]) for word in instruction.args)
            if said is None:
                continue
            target = posixpath.join(self._folders[instruction.index], said)
            into = target.endswith(("/", "/.")) or len(instruction.args) > 2
            target = posixpath.normpath(target)
            # A file that is copied to a folder which is there goes into it, also without the slash.
            into = into or target in _FOLDERS or target == self._folders[instruction.index]
            if path != target and not path.startswith(target.rstrip("/") + "/"):
                continue
            from_stage = self.dockerfile.source_stage(instruction)
            if instruction.flag("from") and from_stage is None:
                continue
            if from_stage is not None and instruction in from_stage.instructions:
                continue  # no stage copies from itself: Docker refuses it
            for source in sources:
                for inside in _inside(path, target, source, into=into) if source is not None else ():
                    if from_stage is not None:
                        place = posixpath.normpath(posixpath.join(self._last_folder(from_stage), inside))
                        found = self.located(place, exists, from_stage)
                    else:
                        joined = posixpath.normpath(posixpath.join(self.context, inside.lstrip("/")))
                        found = joined if exists(joined) else None
                    if found is not None:
                        return found
        return None

    def _last_folder(self, stage: Stage) -> str:
        last = stage.last("WORKDIR")
        return self._folders[last.index] if last is not None else "/"


_FOLDERS = frozenset((
    "/bin", "/etc", "/home", "/opt", "/root", "/sbin", "/srv", "/tmp", "/usr/bin", "/usr/local", "/usr/local/bin",
    "/usr/local/sbin", "/usr/sbin", "/var",
))  # fmt: skip
"""What is there in every image of a system."""


def _inside(path: str, target: str, source: str, *, into: bool) -> Iterator[str]:
    """What `COPY source target` may have copied to this path."""
    rest = path[len(target.rstrip("/")) + 1 :] if path != target else ""
    if not rest:
        yield source
        return
    if re.search(r"[*?\[]", source):
        if "/" not in rest and fnmatchcase(rest, posixpath.basename(source)):
            yield posixpath.join(posixpath.dirname(source), rest)
        return
    yield posixpath.join(source, rest)  # a folder, of which only the contents are copied
    if into and posixpath.basename(source) == rest:
        yield source


@record
class Images:
    """Every image that the repository's Dockerfiles make. `unknown` are builds that cannot be followed."""

    images: tuple[Image, ...]
    unknown: tuple[str, ...]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where there is no Dockerfile."""
        dockerfiles = {document.source.path: document for document in repository.documents(Dockerfile)}
        builds: dict[tuple[str, str], list[Build]] = {}
        for build in (*_of_compose(repository), *_of_workflows(repository), *_of_scripts(repository)):
            read = (dockerfiles.get(path) or _read(path, repository) for path in _looked_for(build.dockerfile))
            document = next(filter(None, read), None)
            if document is None:
                continue
            dockerfiles[document.source.path] = document
            stage = stage_of(document, build.target)
            if stage is not None:
                builds.setdefault((document.source.path, str(stage.index)), []).append(build)
        found: list[Image] = []
        for path, document in dockerfiles.items():
            here = {key: value for key, value in builds.items() if key[0] == path}
            for (_, index), made in here.items():
                known = [build.context for build in made]
                fitting = [folder for folder in known if has_all(folder, document, repository)]
                context = max(fitting or known, key=known.count)
                found.append(Image(document, document.stages[int(index)], context, tuple(made)))
            if not here:
                found.append(Image(document, document.final, nearest_context(document, repository), ()))
        return cls(tuple(found), tuple(_unknown(repository))) if found else None

    def built_by(self, service: Service) -> Image | None:
        """What a compose service builds."""
        build = service.build
        return self.at(build.dockerfile, build.target) if build is not None else None

    def at(self, dockerfile: str, target: str = "") -> Image | None:
        paths = {image.path for image in self.images}
        path = next((path for path in _looked_for(dockerfile) if path in paths), "")
        for image in self.images:
            if image.path == path and stage_of(image.dockerfile, target) is image.stage:
                return image
        return None

    def named(self, reference: str) -> Image | None:
        """The image that is built under this name; None where none is, or where two are."""
        name = ImageRef.parse(reference).repository.lower()
        found = [image for image in self.images if any(_matches(name, known) for known in image.names)]
        return found[0] if len(found) == 1 else None


def _looked_for(path: str) -> tuple[str, ...]:
    """Docker takes `dockerfile` where there is no `Dockerfile`."""
    folder, slash, name = path.rpartition("/")
    return (path, f"{folder}{slash}dockerfile") if name == "Dockerfile" else (path,)


def _read(path: str, repository: Repository) -> Dockerfile | None:
    """A file that a build calls a Dockerfile, whatever its name; None where it cannot be read."""
    try:
        return repository.parsed(path, Dockerfile) if repository.exists(path) else None
    except FileError:
        return None


def stage_of(document: Dockerfile, target: str) -> Stage | None:
    """The stage that a build with this target makes; None for a name that the file does not have."""
    if not target:
        return document.final
    number = natural(target)
    if number is not None:
        return document.stages[number] if number < len(document.stages) else None
    return next((stage for stage in document.stages if stage.name == target.lower()), None)


def nearest_context(document: Dockerfile, repository: Repository) -> str | None:
    """The nearest folder, from the Dockerfile's upwards, that has everything which is copied by name."""
    folder = posixpath.dirname(document.source.path)
    if folder and not _copied(document) and _is_alone(folder, repository):
        return None  # only `COPY . .`, and nothing beside it that could be meant
    while True:
        if has_all(folder, document, repository):
            return folder
        if not folder:
            return None
        folder = posixpath.dirname(folder)


def has_all(folder: str, document: Dockerfile, repository: Repository) -> bool:
    """Whether a folder has everything that a Dockerfile copies from it by name."""
    return all(_is_there(posixpath.join(folder, source), repository) for source in _copied(document))


def _copied(document: Dockerfile) -> set[str]:
    """What a Dockerfile copies from its context by name."""
    return {source for instruction in document.instructions for source in local_sources(instruction)} - {"."}


def _is_alone(folder: str, repository: Repository) -> bool:
    """Whether a folder holds nothing but Dockerfiles and what belongs to them."""
    inside = repository.below(folder) if folder else ()
    return all(re.search(r"(?i)dockerfile|\.dockerignore$|\.(md|ya?ml)$", posixpath.basename(path)) for path in inside)


def local_sources(instruction: Instruction) -> tuple[str, ...]:
    """What COPY or ADD takes from the context, cleaned: no remote file, no here-document, nothing with a variable."""
    if instruction.op not in ("COPY", "ADD") or instruction.flag("from"):
        return ()
    return tuple(
        posixpath.normpath(source.strip("\"'").lstrip("/") or ".")
        for source in instruction.args[:-1]
        if not source.startswith("<<") and "://" not in source and "$" not in source and not source.startswith("git@")
    )


def _is_there(path: str, repository: Repository) -> bool:
    if repository.exists(path) or repository.has_folder(path):
        return True
    return bool(re.search(r"[*?\[]", path)) and next(repository.glob(path), None) is not None


def _matches(name: str, known: str) -> bool:
    """Whether a name may be the known one; a known one of which nothing is known matches nothing."""
    known = known.lower()
    if not re.search(r"[a-z0-9]", known.rpartition("/")[2]) and not re.search(r"[a-z0-9]/", known):
        return False
    return fnmatchcase(name, known)


# -- who builds -----------------------------------------------------------------------------------------------------


def _of_compose(repository: Repository) -> Iterator[Build]:
    composed = list(_composed(repository))
    for compose in repository.documents(Compose):
        path = compose.source.path
        writes = tuple(name for files, name in composed if path in files or posixpath.dirname(path) in files)
        for service in (each.merged for each in compose.services.values()):
            build = service.build
            if build is None or not build.dockerfile:
                continue
            place = Place.of(compose.source, service.node.start, service.node.end, f"services.{service.name}")
            names = (service.image.repository,) if service.image is not None else ()
            yield Build(build.dockerfile, build.context, build.target, names, place, "compose", writes)


def _composed(repository: Repository) -> Iterator[tuple[tuple[str, ...], str]]:
    """(compose files, or the folder whose files are meant; name of a file of variables that a job writes before)."""
    workflows = repository.fact(Workflows)
    for workflow in workflows.documents if workflows else ():
        if "compose" not in workflow.source.text or ".env" not in workflow.source.text:
            continue
        for step in workflow.steps:
            for command in commands_of(step):
                words = [word.text for word in command.argv]
                folder = folder_of(command, step)
                at = 1 if words[:1] == ["docker-compose"] else 2 if words[:2] == ["docker", "compose"] else 0
                if not at or folder is None or not _BUILD_BY_COMPOSE & set(words[at:]):
                    continue
                named = [value for option, value in pairwise(words) if option in ("-f", "--file")]
                named += [word.partition("=")[2] for word in words if word.startswith("--file=")]
                files = tuple(posixpath.normpath(posixpath.join(folder, each)) for each in named) or (folder,)
                yield from ((files, name) for name in _env_files_before(step))


_BUILD_BY_COMPOSE = frozenset(("build", "up", "run", "create"))


def _of_workflows(repository: Repository) -> Iterator[Build]:
    workflows = repository.fact(Workflows)
    owner = _owner(repository.origin)
    for workflow in workflows.documents if workflows else ():
        if "docker" not in workflow.source.text:
            continue
        for step in workflow.steps:
            yield from _on_servers(step, repository)
            action = step.action.lower()
            if action in ("docker/build-push-action", "depot/build-push-action", "useblacksmith/build-push-action"):
                yield from _of_action(step, owner)
            elif step.run is not None and "docker" in step.run.value:
                yield from _of_commands(step, owner)


def _owner(origin: str) -> str:
    """`owner/name` of a remote; empty where there is none."""
    found = re.search(r"[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$", origin)
    return found[1] if found else ""


def _of_action(step: Step, owner: str) -> Iterator[Build]:
    given = step.with_.data if step.with_ is not None else {}
    texts = {key: str(given.get(key, "")) for key in ("context", "file", "target", "tags")}
    place = Place.of(step.workflow.source, step.span.start, step.span.end, _address(step))
    for cell in _cells(step, " ".join(texts.values())):
        said = {key: _resolved(text, step, cell, owner) for key, text in texts.items()}
        build = built(said["context"], said["file"], "")
        if build is None:
            continue
        tags = [line.strip() for line in re.split(r"[\n,]", said["tags"]) if line.strip()]
        if any("*" in tag and "/" not in tag for tag in tags):
            tags += [_resolved(text, step, cell, owner) for text in _metadata(step)]
        names = tuple(dict.fromkeys(ImageRef.parse(tag).repository for tag in tags if tag.strip("*")))
        yield Build(*build, said["target"], names, place, "workflow", tuple(_env_files_before(step)))


def _metadata(step: Step) -> Iterator[str]:
    """The names that docker/metadata-action makes tags from, in the job of a step."""
    for other in step.job.steps if step.job is not None else ():
        if other.action.lower() == "docker/metadata-action" and other.with_ is not None:
            images = other.with_.data.get("images", "")
            yield from (line.strip() for line in re.split(r"[\n,]", str(images)) if line.strip())


_RUNNER_FILE = re.compile(r"(^|/)(GNUmakefile|[Mm]akefile|package\.json|[^/]+\.(sh|bash|mk)|(bin|scripts?)/[\w-]+)$")
_BUILDS_IMAGE = re.compile(r"\b(docker|podman)( buildx)? build\b")


def _of_scripts(repository: Repository) -> Iterator[Build]:
    """Builds of Makefiles, scripts and package.json, which run at the top of the repository or beside their file."""
    for path in repository.ending("", ".json", ".sh", ".bash", ".mk"):
        part = repository.part(_Builds, path) if _RUNNER_FILE.search(path) else None
        yield from part.builds if part is not None else ()


@record
class _Builds:
    """What one such file builds."""

    builds: tuple[Build, ...]

    @classmethod
    def detect(cls, repository: Repository, path: str) -> Self | None:
        text = repository.text(path)
        return cls(tuple(_built_by(path, text, repository))) if _BUILDS_IMAGE.search(text) else None


def _built_by(path: str, text: str, repository: Repository) -> Iterator[Build]:
    for code in _codes(path, text):
        for command in Script.parse(code).commands:
            words = [re.sub(r"\$\{?\w+\}?|\$\(.*?\)", "*", word.text) for word in command.argv]
            at = 3 if words[:3] == ["docker", "buildx", "build"] else 2 if words[:2] in _BUILDS else 0
            said = [build_words(words[at:], folder) for folder in ("", posixpath.dirname(path))] if at else []
            known = next((each for each in said if each is not None and repository.exists(each[0])), None)
            if known is not None:
                yield Build(*known, Place(path, Span(0, 0), 1, path), "script")


def _codes(path: str, text: str) -> Iterator[str]:
    """The shell code of a file."""
    if path.endswith("package.json"):
        try:
            scripts = json.loads(text).get("scripts", {})
        except (ValueError, AttributeError, RecursionError):
            return
        yield from (each for each in scripts.values() if isinstance(each, str)) if isinstance(scripts, dict) else ()
    elif re.search(r"(?i)makefile$|\.mk$", path):
        yield from (recipe.text for target in targets(text).values() for recipe in target.recipes)
    else:
        yield text


def _env_files_before(step: Step) -> Iterator[str]:
    """Files of variables that the job writes up to this step, in `*` where their folder is not known."""
    for other in step.job.steps if step.job is not None else ():
        for command in commands_of(other) if other.run is not None and ".env" in other.run.value else ():
            targets = [redirect.target for redirect in command.redirects if ">" in redirect.operator]
            if command.name in ("cp", "mv", "tee", "touch") and command.args:
                targets.append(command.args[-1].text)
            folder = folder_of(command, other)
            for target in (each for each in targets if posixpath.basename(each).startswith(".env")):
                known = folder is not None and "$" not in target and not target.startswith(("/", "~"))
                yield (
                    posixpath.normpath(posixpath.join(folder if known and folder else "", target))
                    if known
                    else (posixpath.join("*", posixpath.basename(target)))
                )
        if other.node is step.node:
            return


def _of_commands(step: Step, owner: str) -> Iterator[Build]:
    for command in commands_of(step):
        words = [word.text for word in command.argv]
        at = 3 if words[:3] == ["docker", "buildx", "build"] else 2 if words[:2] in _BUILDS else 0
        folder = folder_of(command, step) if at else None
        if not at or folder is None:
            continue
        place = Place.of(step.workflow.source, step.span.start, step.span.end, _address(step))
        for cell in _cells(step, " ".join(words)):
            said = build_words([_resolved(word, step, cell, owner) for word in words[at:]], folder)
            if said is not None:
                yield Build(*said, place, "workflow", tuple(_env_files_before(step)))


def _on_servers(step: Step, repository: Repository) -> Iterator[Build]:
    """What is built on a server, in a checkout of the repository."""
    remote = of_ssh_action(step)
    scripts = [remote.script] if remote is not None else []
    scripts += [sent for command in commands_of(step) if command.name == "ssh" for sent in over_ssh(command)]
    place = Place.of(step.workflow.source, step.span.start, step.span.end, _address(step))
    for script in scripts:
        folder = ""
        for command in script.commands:
            words = [word.text for word in command.argv]
            at = 3 if words[:3] == ["docker", "buildx", "build"] else 2 if words[:2] in _BUILDS else 0
            if command.name == "cd" and len(command.args) == 1:
                entered = command.args[0].text
                there = entered if entered.startswith(("/", "~")) or "$" in entered else f"{folder}/{entered}"
                folder = in_checkout(there, repository.below)
            elif at:
                here = [_here(word, folder, repository) if word.startswith(("/", "~")) else word for word in words[at:]]
                said = build_words(here, folder)
                if said is not None:
                    yield Build(*said, place, "workflow")


def _here(word: str, folder: str, repository: Repository) -> str:
    """An absolute folder of a server as it is called from the folder of the checkout in which the command runs."""
    return posixpath.relpath(in_checkout(word, repository.below) or ".", folder or ".")


_BUILDS = (["docker", "build"], ["podman", "build"], ["buildah", "bud"])
# Options of `docker build` and `docker buildx build` that take no value: https://docs.docker.com/reference/cli/docker/buildx/build/
_SWITCHES = frozenset((
    "--load", "--push", "--pull", "--no-cache", "--quiet", "-q", "--rm", "--force-rm", "--squash", "--debug", "-D",
    "--compress", "--check", "--provenance", "--sbom",
))  # fmt: skip


def build_words(words: list[str], folder: str) -> tuple[str, str, str, tuple[str, ...]] | None:
    """(Dockerfile, context, target, names) of the arguments of `docker build`; None where they cannot be followed."""
    file = target = context = ""
    names: list[str] = []
    waiting = ""
    for word in words:
        if waiting:
            option, value, waiting = waiting, word, ""
        elif word.startswith("-") and word != "-":
            option, equals, value = word.partition("=")
            if not equals:
                if option not in _SWITCHES:
                    waiting = option
                continue
        else:
            context = word
            continue
        if option in ("-f", "--file"):
            file = value
        elif option == "--target":
            target = value
        elif option in ("-t", "--tag"):
            names.append(ImageRef.parse(value).repository)
    found = built(context, file, folder) if context else None
    return (*found, target, tuple(name for name in names if name.strip("*"))) if found else None


def built(context: str, file: str, folder: str) -> tuple[str, str] | None:
    """(Dockerfile, context) from the top of the repository; None for what is remote, absolute or not known."""
    if re.search(r"[$*]|://|^-$|^/", context) or re.search(r"[$*]|^-$|^/", file):
        return None
    inside = posixpath.normpath(posixpath.join(folder, context or "."))
    path = posixpath.normpath(posixpath.join(folder, file) if file else posixpath.join(inside, "Dockerfile"))
    return None if inside.startswith("..") else (path, "" if inside == "." else inside)


def _address(step: Step) -> str:
    return f"jobs.{step.job.id}" if step.job is not None else "runs"


def _cells(step: Step, text: str) -> Iterator[Mapping[str, str]]:
    """The values that the matrix of a step's job gives to the names in a text; one empty cell without any."""
    names = sorted(set(names_read("matrix", text)) - {ANY})
    if not names or step.job is None:
        yield {}
        return
    strategy = step.job.data.get("strategy")
    matrix: Any = strategy.get("matrix") if isinstance(strategy, dict) else None
    if not isinstance(matrix, dict):
        yield {}
        return
    included = [each for each in matrix.get("include") or () if isinstance(each, dict)]
    cells = [{name: str(each[name]) for name in names if name in each} for each in included]
    axes = [[str(value) for value in matrix[name]] for name in names if isinstance(matrix.get(name), list)]
    if axes and len(axes) == len(names):
        cells += [dict(zip(names, values, strict=True)) for values in product(*axes)]
    yield from (cells or [{}])[:_MOST_CELLS]


def _resolved(text: str, step: Step, cell: Mapping[str, str], owner: str) -> str:
    """A text with what is known of its expressions and variables put in, and `*` for the rest."""

    def variable(name: str) -> str | None:
        for holder in (step.node, step.job.node if step.job is not None else None, step.workflow.root):
            env = holder.get("env") if holder is not None else None
            given = env.data if env is not None else None
            if isinstance(given, dict) and name in given:
                return str(given[name])
        return None

    def value(expression: Expression) -> str:
        read = expression.read
        known: str | None = None
        if read is not None and read.context == "matrix":
            known = cell.get(read.name)
        elif read is not None and read.context == "env":
            known = variable(read.name)
        elif read is not None and read.is_("github.repository"):
            known = owner or "*/*"
        return expression.text if known is None else known

    for _ in range(2):  # the value of a variable may name another one
        text = _ENV.sub(lambda found: variable(found[1]) or found[0], replaced(text, value))
    text = _REPOSITORY.sub(owner or "*/*", replaced(text, value))
    return re.sub(r"\$\{?\w+\}?|\$\(.*?\)", "*", replaced(text, lambda _: "*"))


def _unknown(repository: Repository) -> Iterator[str]:
    for path in repository.glob("docker-bake.*", "*/docker-bake.*"):
        yield f"{path} says how images are built"
