"""Programs of the files that platforms read: Procfile, app.json, heroku.yml, render.yaml, fly.toml, railway, ECS, App
Engine, Cloud Foundry, DigitalOcean, systemd, supervisor."""

from __future__ import annotations

import posixpath
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from fixer.docker.compose import Mount
from fixer.languages.yaml import Node, Yaml
from fixer.model import FileError, Source, Span
from fixer.records import entity
from fixer.runtime.described import Described
from fixer.runtime.following import Code, lines_of, scalar, supervised, yaml_of
from fixer.runtime.holders import InMapping, InNamedList
from fixer.runtime.images import Image, Images
from fixer.runtime.launching import Launch
from fixer.runtime.places import Place
from fixer.runtime.programs import OutOfReach, Program, Value
from fixer.runtime.texts import Fixed, InFile, InYaml, Written

if TYPE_CHECKING:
    from fixer.repository import Repository

_NOWHERE = Span(0, 0)


@entity
class PlatformPrograms:
    """What the platforms start. `unknown` are files of which a part cannot be followed."""

    programs: tuple[Program, ...]
    unknown: tuple[str, ...] = ()

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where no such file is there."""
        images = repository.fact(Images)
        programs: list[Program] = []
        unknown: list[str] = []
        for path in sorted({*repository.ending(*_SUFFIXES), *repository.glob("*Procfile.*")}):
            for pattern, read in _READERS:
                if pattern.search(path):
                    try:
                        programs += read(path, repository, images)
                    except FileError:
                        unknown.append(f"{path} cannot be read")
                    break
            else:
                if _UNREAD.search(path):
                    unknown.append(f"{path} may start programs of its own")
        in_terraform = [path for path in repository.ending(".tf") if "container_definitions" in repository.text(path)]
        if in_terraform:
            from fixer.runtime.terraform import Tasks

            tasks = Tasks.of(in_terraform, repository, images)
            programs += tasks.programs
            unknown += tasks.unknown
        return cls(tuple(programs), tuple(unknown)) if programs or unknown else None


# -- Heroku and its like --------------------------------------------------------------------------------------------


def _procfile(path: str, repository: Repository, images: Images | None) -> Iterator[Program]:
    """https://devcenter.heroku.com/articles/procfile"""
    source = repository.read(path)
    folder = posixpath.dirname(path)
    document = lines_of(path, repository)
    values = tuple(_of_app_json(posixpath.join(folder, "app.json"), repository))
    offset = 0
    for line in source.text.split("\n"):
        found = re.match(r"([A-Za-z][\w-]*)\s*:\s*(.*\S)", line)
        if found:
            place = Place.of(source, offset, offset + len(line.rstrip()), found[1])
            holder = OutOfReach(place, "the platform that reads the Procfile")
            code = Code.of(found[2], InFile(source, document, offset + found.start(2)))
            said = Described(
                found[1], place, "procfile", holder, values, command=Launch.of_shell(code), host=folder,
                unknown=(f"{place}: the variables that the platform sets",),
            )  # fmt: skip
            yield said.program(repository)
        offset += len(line) + 1


def _of_app_json(path: str, repository: Repository) -> Iterator[Value]:
    document = yaml_of(path, repository)
    for name, node in document.root.mapping("env").items() if document is not None else ():
        given = node.get("value") if node.is_mapping else node
        if document is not None and given is not None and given.is_scalar:
            yield Value(name, given.value, Place.of(document.source, given.start, given.end, name), open=True)


def _app_json(path: str, repository: Repository, images: Images | None) -> Iterator[Program]:
    """https://devcenter.heroku.com/articles/app-json-schema"""
    document = yaml_of(path, repository)
    scripts = document.root.mapping("scripts") if document is not None else {}
    for name in ("postdeploy", "pr-predestroy", "dokku"):
        node = scripts.get(name)
        for key, each in {name: node, **(node.value if node is not None and node.is_mapping else {})}.items():
            if document is None or each is None or not each.is_scalar:
                continue
            place = Place.of(document.source, each.start, each.end, key)
            code = Code.of(each.value, Fixed(path, place.line))
            said = Described(
                key, place, "app.json", OutOfReach(place, "the platform that reads app.json"),
                tuple(_of_app_json(path, repository)), command=Launch.of_shell(code), host=posixpath.dirname(path),
                unknown=(f"{place}: the variables that the platform sets",),
            )  # fmt: skip
            yield said.program(repository)


def _heroku(path: str, repository: Repository, images: Images | None) -> Iterator[Program]:
    """https://devcenter.heroku.com/articles/build-docker-images-heroku-yml"""
    document = yaml_of(path, repository)
    if document is None:
        return
    build = document.root.get("build")
    files = build.mapping("docker") if build is not None else {}
    release = document.root.get("release")
    runs = dict(document.root.mapping("run"))
    if release is not None and release.is_mapping:
        runs["release"] = release
    for name in dict.fromkeys((*files, *runs)):
        node = runs.get(name)
        command = node.get("command") if node is not None and node.is_mapping else node
        built = scalar(files.get(scalar(node.get("image")) if node is not None and node.is_mapping else name))
        built = built or scalar(files.get(name))
        image = images.at(posixpath.normpath(built)) if images is not None and built else None
        at = command or files.get(name) or document.root
        place = Place.of(document.source, at.start, at.end, name)
        for each in command.items if command is not None and command.is_sequence else [command]:
            code = Code.of(each.value, InYaml(document, each)) if each is not None and each.is_scalar else None
            said = Described(
                name, place, "heroku.yml", OutOfReach(place, "Heroku"), image=image,
                command=Launch.of_shell(code) if code is not None else None,
                host=None if image is not None else "",
                unknown=(f"{place}: the variables that Heroku sets",),
            )  # fmt: skip
            yield said.program(repository)


# -- Render, DigitalOcean, App Engine -------------------------------------------------------------------------------


def _render(path: str, repository: Repository, images: Images | None) -> Iterator[Program]:
    """https://render.com/docs/blueprint-spec"""
    document = yaml_of(path, repository)
    if document is None:
        return
    groups: dict[str, list[Value]] = {}
    for group in _items(document.root.get("envVarGroups")):
        groups[scalar(group.get("name"))] = list(_named_values(document, group.get("envVars"), "key"))
    for service in _items(document.root.get("services")):
        values = list(_named_values(document, service.get("envVars"), "key"))
        for each in _items(service.get("envVars")):
            values += groups.get(scalar(each.get("fromGroup")), [])
        folder = _folder(scalar(service.get("rootDir")))
        image = None
        if scalar(service.get("runtime")) == "docker" or scalar(service.get("env")) == "docker":
            file = scalar(service.get("dockerfilePath")) or "Dockerfile"
            image = images.at(posixpath.normpath(posixpath.join(folder, file))) if images is not None else None
        for key in ("preDeployCommand", "initialDeployHook", "startCommand", "dockerCommand", "buildCommand"):
            node = service.get(key)
            if node is None or not node.is_scalar:
                continue
            yield _of_node(document, service, key, node, "render", "envVars", "key", values, image, folder, repository)
        if image is not None and service.get("dockerCommand") is None:
            yield _of_node(
                document, service, "name", None, "render", "envVars", "key", values, image, folder, repository
            )


def _digitalocean(path: str, repository: Repository, images: Images | None) -> Iterator[Program]:
    """https://docs.digitalocean.com/products/app-platform/reference/app-spec/"""
    document = yaml_of(path, repository)
    if document is None:
        return
    root = document.root.get("spec") or document.root
    common = list(_named_values(document, root.get("envs"), "key"))
    for kind in ("services", "workers", "jobs"):
        for service in _items(root.get(kind)):
            values = [*_named_values(document, service.get("envs"), "key"), *common]
            folder = _folder(scalar(service.get("source_dir")))
            file = scalar(service.get("dockerfile_path"))
            image = images.at(_folder(file)) if images is not None and file else None
            node = service.get("run_command")
            if node is not None or image is not None:
                origin = "digitalocean"
                yield _of_node(
                    document, service, "run_command", node, origin, "envs", "key", values, image, folder, repository
                )


def _app_engine(path: str, repository: Repository, images: Images | None) -> Iterator[Program]:
    """https://cloud.google.com/appengine/docs/standard/reference/app-yaml"""
    document = yaml_of(path, repository)
    node = document.root.get("entrypoint") if document is not None else None
    if document is None or node is None or not node.is_scalar or document.root.get("runtime") is None:
        return
    values = [_value(document, name, each) for name, each in document.root.mapping("env_variables").items()]
    place = Place.of(document.source, node.start, node.end, "entrypoint")
    holder = InMapping(document, document.root, "env_variables", document.root.get("env_variables"), place)
    code = Code.of(node.value, InYaml(document, node))
    said = Described(
        "entrypoint", place, "app engine", holder, tuple(values), command=Launch.of_shell(code),
        host=posixpath.dirname(path),
    )  # fmt: skip
    yield said.program(repository)


def _cloud_foundry(path: str, repository: Repository, images: Images | None) -> Iterator[Program]:
    """https://docs.cloudfoundry.org/devguide/deploy-apps/manifest-attributes.html"""
    document = yaml_of(path, repository)
    if document is None:
        return
    for app in _items(document.root.get("applications")):
        name, environment = scalar(app.get("name")), app.get("env")
        values = [_value(document, key, each) for key, each in app.mapping("env").items()]
        values = [replace(value, text=None) if "((" in (value.text or "") else value for value in values]
        folder = posixpath.normpath(posixpath.join(posixpath.dirname(path), scalar(app.get("path")) or "."))
        for process in (app, *_items(app.get("processes"))):
            node = process.get("command")
            if node is None or not node.is_scalar or not scalar(node):
                continue
            place = Place.of(document.source, node.start, node.end, scalar(process.get("type")) or name)
            said = Described(
                place.name, place, "cloud foundry", InMapping(document, app, "env", environment, place), tuple(values),
                command=Launch.of_shell(Code.of(node.value, InYaml(document, node))),
                host="" if folder == "." else folder,
                unknown=(f"{place}: the variables that Cloud Foundry and its services set",),
            )  # fmt: skip
            yield said.program(repository)


def _of_node(
    document: Yaml,
    service: Node,
    key: str,
    node: Node | None,
    origin: str,
    env_key: str,
    name_key: str,
    values: list[Value],
    image: Image | None,
    folder: str,
    repository: Repository,
) -> Program:
    """A program of a list of services, of which each has a list of variables."""
    at = node or service
    place = Place.of(document.source, at.start, at.end, scalar(service.get("name")) or key)
    holder = InNamedList(document, service, env_key, service.get(env_key), place, name_key)
    code = Code.of(node.value, InYaml(document, node)) if node is not None and node.is_scalar else None
    said = Described(
        place.name, place, origin, holder, tuple(values), image,
        command=Launch.of_shell(code) if code is not None else None,
        host=None if image is not None else folder, mounts=tuple(_disks(service)),
    )  # fmt: skip
    return said.program(repository)


def _disks(service: Node) -> Iterator[Mount]:
    """https://render.com/docs/blueprint-spec#disk"""
    disk = service.get("disk")
    if disk is not None and disk.is_mapping:
        yield Mount(scalar(disk.get("name")), scalar(disk.get("mountPath")), bind=False, of_root=True)


def _named_values(document: Yaml, node: Node | None, key: str) -> Iterator[Value]:
    for each in _items(node):
        name, value = scalar(each.get(key)), each.get("value")
        if name:
            text = value.value if value is not None and value.is_scalar else None
            at = value or each
            yield Value(name, text, Place.of(document.source, at.start, at.end, name))


def _value(document: Yaml, name: str, node: Node) -> Value:
    return Value(name, node.value if node.is_scalar else None, Place.of(document.source, node.start, node.end, name))


def _items(node: Node | None) -> list[Node]:
    return [each for each in node.items if each.is_mapping] if node is not None else []


def _folder(text: str) -> str:
    found = posixpath.normpath(text.strip("/") or ".")
    return "" if found == "." else found


# -- Fly, Railway, nixpacks -----------------------------------------------------------------------------------------


def _toml(path: str, repository: Repository) -> tuple[dict[str, Any], Source]:
    source = repository.read(path)
    try:
        return tomllib.loads(source.text), source
    except ValueError as error:
        raise FileError(path, f"not valid TOML: {error}") from None


def _table(data: Any, key: str) -> dict[str, Any]:
    """A table below a key; empty where something else stands there."""
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _place(source: Source, text: str, name: str) -> Place:
    """The line of a file that says a text; TOML's reader gives no positions."""
    first = text.strip().split("\n")[0]
    start = max(source.text.find(first), 0)
    return Place.of(source, start, start + len(first), name)


def _fly(path: str, repository: Repository, images: Images | None) -> Iterator[Program]:
    """https://fly.io/docs/reference/configuration/"""
    data, source = _toml(path, repository)
    if not data:
        return
    folder = posixpath.dirname(path)
    build = _table(data, "build")
    file = str(build.get("dockerfile", "Dockerfile"))
    at = posixpath.normpath(posixpath.join(folder, file))
    image = images.at(at, str(build.get("build-target", ""))) if images is not None and "image" not in build else None
    values = tuple(
        Value(name, str(text), _place(source, f"{name}", name)) for name, text in _table(data, "env").items()
    )
    mounted = data.get("mounts", [])
    mounts = tuple(
        Mount(str(each.get("source", "")), str(each.get("destination", "")), bind=False, of_root=True)
        for each in (mounted if isinstance(mounted, list) else [mounted])
        if isinstance(each, dict)
    )
    processes = {str(name): str(text) for name, text in _table(data, "processes").items()} or {"app": ""}
    release = str(_table(data, "deploy").get("release_command", ""))
    experimental = _table(data, "experimental")
    if release:
        processes["release_command"] = release
    for name, text in processes.items():
        words: list[str] = []
        if not text and isinstance(experimental.get("cmd"), list):
            words = [str(each) for each in experimental["cmd"]]
        place = _place(source, text or "app", name)
        holder = OutOfReach(place, f"{path} or `fly secrets`")
        command = (
            _split(text, Fixed(path, place.line)) if text else Launch.of_words(words, Fixed(path, 1)) if words else None
        )
        # The command of the release and of processes replaces CMD; a volume is only mounted into machines.
        said = Described(
            name, place, "fly", holder, values, image, command=command, host=None if image is not None else folder,
            mounts=mounts if name != "release_command" else (),
            unknown=(f"{path}: the secrets that Fly sets",),
        )  # fmt: skip
        yield said.program(repository)


def _railway(path: str, repository: Repository, images: Images | None) -> Iterator[Program]:
    """https://docs.railway.com/reference/config-as-code"""
    source = repository.read(path)
    if path.endswith(".toml"):
        data, _ = _toml(path, repository)
    else:
        document = yaml_of(path, repository)
        plain = document.plain() if document is not None else None
        data = plain if isinstance(plain, dict) else {}
    folder = posixpath.dirname(path)
    build, deploy = _table(data, "build"), _table(data, "deploy")
    file = posixpath.normpath(posixpath.join(folder, str(build.get("dockerfilePath", "Dockerfile")).lstrip("/")))
    image = images.at(file) if images is not None else None
    for key in ("preDeployCommand", "startCommand"):
        given = deploy.get(key)
        for text in given if isinstance(given, list) else [given]:
            if not isinstance(text, str) and not (key == "startCommand" and image is not None):
                continue
            place = _place(source, text or "deploy", key)
            code = Code.of(text, Fixed(path, place.line)) if text else None
            said = Described(
                key, place, "railway", OutOfReach(place, "Railway"), image=image,
                entrypoint=Launch.of_shell(code) if code is not None else None,  # it takes the place of ENTRYPOINT
                host=None if image is not None else folder,
                unknown=(f"{path}: the variables that Railway sets",),
            )  # fmt: skip
            yield said.program(repository)


def _split(text: str, where: Written) -> Launch:
    try:
        return Launch.of_words(shlex.split(text), where)
    except ValueError:
        return Launch.of_code(Code.of(text, where))


# -- ECS ------------------------------------------------------------------------------------------------------------


def _task_definition(path: str, repository: Repository, images: Images | None) -> Iterator[Program]:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html"""
    if "containerDefinitions" in repository.text(path):
        from fixer.runtime.ecs import task_definition  # few repositories have one

        yield from task_definition(path, repository, images)


# -- machines -------------------------------------------------------------------------------------------------------


def _systemd(path: str, repository: Repository, images: Images | None) -> Iterator[Program]:
    """https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html"""
    source = repository.read(path)
    said: dict[str, list[tuple[str, int]]] = {}
    for number, line in enumerate(re.sub(r"\\\n", "  ", source.text).split("\n"), 1):
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith(("#", ";")):
            said.setdefault(key.strip(), []).append((value.strip(), number))
    if not said.get("ExecStart"):
        return
    name = posixpath.basename(path)
    values = []
    for text, number in said.get("Environment", ()):
        for word in _shell_words(text):
            variable, equals, value = word.partition("=")
            if equals:
                values.append(Value(variable, value, Place(path, _NOWHERE, number, variable)))
    unknown = tuple(f"{path}: {text}, which is not in the repository" for text, _ in said.get("EnvironmentFile", ()))
    commands = [*said.get("ExecStartPre", ()), *said.get("ExecStart", ())]
    code = " && ".join(_on_machine(text.lstrip("-@:+!")) for text, _ in commands)
    code = _started_in(said.get("WorkingDirectory", [("", 0)])[-1][0].lstrip("-"), code, repository)
    place = Place(path, _NOWHERE, said["ExecStart"][0][1], name)
    unit = Described(
        name, place, "systemd", OutOfReach(place, f"{path}, or the machine that it is put on"), tuple(values),
        command=Launch.of_shell(Code.of(code, Fixed(path, place.line))), host="",
        user=said.get("User", [("", 0)])[0][0], unknown=unknown,
    )  # fmt: skip
    yield unit.program(repository)


def _supervisor(path: str, repository: Repository, images: Images | None) -> Iterator[Program]:
    """https://supervisord.org/configuration.html#program-x-section-settings"""
    source = repository.read(path)
    for each in supervised(source.text):
        name, line = each.name, each.line
        place = Place(path, _NOWHERE, line, name)
        code = Code.of(_started_in(each.folder, _on_machine(each.command), repository), Fixed(path, line))
        said = Described(
            name, place, "supervisor", OutOfReach(place, path), command=Launch.of_shell(code), host="",
            unknown=(f"{place}: what starts supervisor sets",),
        )  # fmt: skip
        yield said.program(repository)


def _started_in(folder: str, code: str, repository: Repository) -> str:
    """Code that is started in a folder of the machine, from that of the repository which stands there: the longest end
    of its path that is one. Another folder is not known."""
    parts = folder.strip("/").split("/") if folder else []
    ends = ("/".join(parts[at:]) for at in range(len(parts)))
    here = next((end for end in ends if repository.has_folder(end)), folder)
    return f"cd {shlex.quote(here)} && {code}" if folder else code


def _on_machine(command: str) -> str:
    """A command whose program stands at an absolute place of the machine, by its name alone."""
    words = command.split(" ", 1)
    name = posixpath.basename(words[0])
    return name if len(words) == 1 else f"{name} {words[1]}"


def _shell_words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


_Reader = Callable[[str, "Repository", Images | None], Iterator[Program]]
_READERS: tuple[tuple[re.Pattern[str], _Reader], ...] = (
    (re.compile(r"(^|/)Procfile(\.\w+)?$"), _procfile),
    (re.compile(r"(^|/)app\.json$"), _app_json),
    (re.compile(r"(^|/)heroku\.yml$"), _heroku),
    (re.compile(r"(^|/)render\.ya?ml$"), _render),
    (re.compile(r"(^|/)\.do/(app|deploy\.template)\.ya?ml$"), _digitalocean),
    (re.compile(r"(^|/)app\.ya?ml$"), _app_engine),
    (re.compile(r"(^|/)manifest[\w.-]*\.ya?ml$"), _cloud_foundry),
    (re.compile(r"(^|/)fly(\.[\w-]+)?\.toml$"), _fly),
    (re.compile(r"(^|/)railway\.(json|toml)$"), _railway),
    (re.compile(r"(^|[/._-])(task|ecs|container)[^/]*\.json$|(^|/)ecs/.*\.json$", re.IGNORECASE), _task_definition),
    (re.compile(r"\.service$"), _systemd),
    (re.compile(r"supervisor[^/]*(/[^/]+)?\.(conf|ini)$"), _supervisor),
)
_SUFFIXES = ("", ".json", ".yml", ".yaml", ".toml", ".service", ".conf", ".ini", ".hcl", ".nomad")
"""What the files of `_READERS` and `_UNREAD` end in, Procfile.dev and its like aside."""
_UNREAD = re.compile(
    r"(^|/)(nixpacks\.toml|Dockerrun\.aws\.json|captain-definition|cdk\.json|ansible/.*\.ya?ml|[^/]*\.nomad(\.hcl)?)$"
)
