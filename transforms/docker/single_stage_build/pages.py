"""Images that keep what pages of Next.js were built with, and the stage that serves them with what they need."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any

from fixer.languages.dockerfile import Dockerfile, Instruction, New, Stage
from fixer.languages.javascript import Exported
from fixer.languages.shell import Command
from fixer.languages.tables import mapping
from fixer.model import Blocked, Finding, Fix, Parts, Tier, joined, listed
from fixer.project.nextjs import CONFIGURATIONS, NextApplication, NextApplications
from fixer.runtime.builds import ImageBuild
from fixer.runtime.programs import Program
from fixer.runtime.unread import Unread
from transforms.docker.single_stage_build.second import MAKES_USERS, builder_name, commands_of, repeated

_MANAGERS = frozenset(("npm", "yarn", "pnpm", "bun"))
_INSTALLS = frozenset(("install", "i", "ci", "add", "config", "set", "cache", "fetch", "enable", "prepare"))
_OWN_SERVER = re.compile(r"\b(?:node|ts-node|tsx|nodemon|bun)\s+\S")
_DEVELOPS = re.compile(r"\b(?:next|run|yarn|pnpm) dev\b")
_STAYS = frozenset(("EXPOSE", "CMD", "ENV", "ARG", "USER", "LABEL", "STOPSIGNAL", "HEALTHCHECK", "RUN"))
"""What may stand behind the build."""
_BY_HAND = (
    'set `output: "standalone"` in next.config; copy .next/standalone, .next/static to .next/static and public to'
    ' public into a second stage, and let it start `["node", "server.js"]`'
)
_FOR_GYP = frozenset(("python3", "python"))
"""What compiles modules by `node-gyp` is written in, https://github.com/nodejs/node-gyp#installation"""
# What is loaded by a name that no import says, so that it is not traced, or needs more than what is.
_NOT_TRACED = {
    "@prisma/client": "Prisma's engine and schema are not traced everywhere",
    "next-i18next": "next-i18next reads its configuration and texts by path",
    "pino": "pino loads its transports in threads, by name",
    "newrelic": "its agent is loaded before the server",
    "dd-trace": "its agent is loaded before the server",
}
# https://nextjs.org/docs/app/api-reference/config/next-config-js/output and what moves the folders that are copied
_KEYS_THAT_DECIDE = {
    "distDir": "the build goes to another folder",
    "outputFileTracing": "it says what is traced",
    "outputFileTracingRoot": "the server stands in another folder",
    "outputFileTracingIncludes": "it says what is traced",
    "outputFileTracingExcludes": "it says what is traced",
    "cacheHandler": "a cache is loaded by its path",
    "cacheHandlers": "a cache is loaded by its path",
    "publicRuntimeConfig": "a configuration that is read when it starts is not traced",
    "serverRuntimeConfig": "a configuration that is read when it starts is not traced",
}
_OLDEST = 13
"""The first major all of whose releases know `output: "standalone"`, which came with 12.2."""
_WITH_SHARP = 15
"""The first major that brings sharp itself, https://nextjs.org/docs/messages/sharp-missing-in-production"""
_PORT = re.compile(r"\$PORT|\$\{PORT(?::?-3000)?\}")


def with_what_built_them(
    dockerfile: Dockerfile,
    stage: Stage,
    build: ImageBuild,
    applications: NextApplications | None,
    unread: Sequence[Unread],
) -> Iterator[Finding]:
    """An image whose last stage builds the pages that it serves. `unread` are files that may start it, too."""
    application = pages_of(build, applications)
    built = next((each for each in reversed(stage.instructions) if _builds(each)), None)
    if application is None or built is None or _copies_from_a_stage(stage):
        return
    starts = stage.last("CMD", "ENTRYPOINT")
    if starts is not None and _DEVELOPS.search(starts.text.replace('", "', " ")):
        return
    message = "the image keeps what its pages were built with: the modules of development, the sources and the cache"
    cure = _not_traced(application) or _not_read(unread) or _cure(dockerfile, stage, built, build, application)
    yield Finding(build.path, built.span, message, cure)


def pages_of(build: ImageBuild, applications: NextApplications | None) -> NextApplication | None:
    """The application in Next.js that an image is built from: in the folder of the build, else the only one below."""
    if applications is None or build.context is None:
        return None
    found = applications.by_folder
    if build.context in found:
        return found[build.context]
    start = f"{build.context}/" if build.context else ""
    below = [each for folder, each in found.items() if folder.startswith(start)]
    return below[0] if len(below) == 1 else None


def _builds(instruction: Instruction) -> bool:
    return any(map(_is_build, commands_of(instruction)))


def _is_build(command: Command) -> bool:
    words = [word.text for word in command.args if not word.text.startswith("-")]
    if command.name in ("next", "npx"):
        return words[-2:] == ["next", "build"] or (command.name == "next" and words[:1] == ["build"])
    return command.name in _MANAGERS and "build" in words[:2]


def _copies_from_a_stage(stage: Stage) -> bool:
    return any(each.op == "COPY" and each.flag("from") is not None for each in stage.instructions)


# -- what stands in the way ---------------------------------------------------------------------------------------


def _not_traced(application: NextApplication) -> Blocked | None:
    """Why the traced server may lack something, or is not what is started."""
    starts = str(application.scripts.get("start", ""))
    if _OWN_SERVER.search(starts):
        return Blocked(
            f"`{starts}` starts a server of the project's own, which Next.js does not trace",
            "add a second stage with `npm ci --omit=dev`, and copy the server and `.next` there",
        )
    package = posixpath.join(application.folder, "package.json")
    if application.major is None:
        return Blocked(f"which Next.js {package} asks for is not known", f"give it a version; {_BY_HAND}")
    if application.major < _OLDEST:
        return Blocked(f"Next.js {application.major} traces no server of its own in all releases", _BY_HAND)
    if "workspaces" in application.package:
        return Blocked(f"{package} has workspaces, by which the server's folder is named", _BY_HAND)
    for name, why in _NOT_TRACED.items():
        if name in application.packages:
            return Blocked(f"{package} asks for {name}: {why}", f"try it, and copy what is missing: {_BY_HAND}")
    if application.opens:
        return Blocked(
            f"{application.opens[0]} may open files by their path, which are not traced",
            f"name them in `outputFileTracingIncludes`, then {_BY_HAND}",
        )
    if application.major < _WITH_SHARP and application.pictures and "sharp" not in application.packages:
        return Blocked(
            f"the server of Next.js {application.major} cannot make pictures smaller without sharp, for which"
            f" {package} does not ask",
            f"add sharp; then {_BY_HAND}",
        )
    return None


def _not_read(unread: Sequence[Unread]) -> Blocked | None:
    for each in unread:
        return Blocked(
            f"{each.path} {each.reason}: what it starts in the image, and mounts over it, is not known",
            f"look at that; then {_BY_HAND}",
        )
    return None


def _not_built_alone(application: NextApplication) -> Blocked | None:
    """Why the script that builds may do more than Next.js does."""
    package = posixpath.join(application.folder, "package.json")
    scripts = application.scripts
    for name in ("prebuild", "postbuild"):
        if name in scripts:
            return Blocked(f"{package} has a script {name}, and what it writes is not known", _BY_HAND)
    words = str(scripts.get("build", "")).split()
    if words[:2] != ["next", "build"] or not all(word.startswith("--") for word in words[2:]):
        return Blocked(f"{package} builds with `{scripts.get('build', '')}`, more than `next build`", _BY_HAND)
    return None


def _other_starts(dockerfile: Dockerfile, build: ImageBuild) -> Blocked | None:
    """Why something else than the image's own command needs what the second stage has no more."""
    for program in (*build.programs, *build.called):
        led = (*program.calls, *program.commands)
        if program.unfollowed or len(program.commands) != 1 or any(each.path != build.path for each in led[:1]):
            return Blocked(f"{program.place} starts something else in it", f"look at what that needs; then {_BY_HAND}")
        for mount in program.mounts:
            if mount.folder is not None:
                return Blocked(f"{program.place} mounts {mount.source} over what is built", _BY_HAND)
    is_alpine = build.image.stage.image is not None and "alpine" in build.image.stage.image.tag
    asked = [
        (f"line {dockerfile.line(each)}", each.text) for each in dockerfile.instructions if each.op == "HEALTHCHECK"
    ]
    asked += [(str(each.place), str(_health(each).get("test", ""))) for each in build.programs if _health(each)]
    for where, text in asked:
        if re.search(r"\b(npm|npx|yarn|pnpm)\b|\.[cm]?[jt]s\b|\.sh\b", text):
            return Blocked(f"{where}: the health check runs something of the sources", "let it ask the server")
        if is_alpine and "wget" in text and "localhost" in text:
            return Blocked(
                f"{where}: wget of Alpine asks localhost by IPv6 alone, where the traced server does not listen",
                "ask 127.0.0.1 there, then run fhfix again",
            )
    return None


def _health(program: Program) -> dict[str, Any]:
    node = program.written[1].get("healthcheck") if program.written is not None else None
    return mapping(node.data) if node is not None else {}


def _unusual(
    dockerfile: Dockerfile, stage: Stage, built: Instruction, build: ImageBuild, application: NextApplication
) -> Blocked | None:
    """Why the Dockerfile is none whose folders are all known."""
    if stage.image is None or stage.image.name != "node" or stage.image.registry:
        return Blocked(f"{stage.base} is not the image of Node.js", _BY_HAND)
    folder = _folder_at(stage, built)
    if folder in ("", "/"):
        return Blocked("in which folder it builds is not known", f"give it a WORKDIR; then {_BY_HAND}")
    rest = application.folder[len(build.context or "") :].strip("/")
    home = False
    for each in stage.instructions:
        line = f"line {dockerfile.line(each)}"
        if each.op == "ENV" and re.search(r"\bNODE_OPTIONS\b.*(-r\b|--require|--import)", each.text):
            return Blocked(f"{line}: a module is loaded before the server, which is not traced", _BY_HAND)
        if each.index > built.index:
            if each.op not in _STAYS or any(c.name not in MAKES_USERS for c in commands_of(each)):
                return Blocked(f"{line}: something is done after the build", f"do that before it; then {_BY_HAND}")
            if each.op == "RUN" and not commands_of(each):
                return Blocked(f"{line}: something is done after the build", f"do that before it; then {_BY_HAND}")
        elif each.op in ("USER", "SHELL", "ONBUILD", "ENTRYPOINT", "CMD", "VOLUME"):
            return Blocked(f"{line}: {each.op} stands before the build", _BY_HAND)
        elif each.op == "COPY" and not each.flags and len(each.args) > 1:
            *sources, target = each.args
            into = posixpath.normpath(posixpath.join(_folder_at(stage, each), target))
            home = home or (any(posixpath.normpath(s) == (rest or ".") for s in sources) and into == folder)
    if not home:
        return Blocked(f"no COPY brings all of the application to {folder}", _BY_HAND)
    return None


def _folder_at(stage: Stage, instruction: Instruction) -> str:
    """Where an instruction works; empty where variables decide."""
    folder = ""
    for each in stage.instructions:
        if each.index >= instruction.index:
            break
        if each.op == "WORKDIR":
            folder = "" if "$" in each.text else posixpath.normpath(posixpath.join(folder or "/", each.text.strip('"')))
    return folder


def _is_of_install(command: Command) -> bool:
    """`npm ci`, `yarn`, `corepack enable`, `npm run build`."""
    words = [word.text for word in command.args if not word.text.startswith("-")]
    if command.name == "corepack" or _is_build(command):
        return True
    return command.name in ("npm", "yarn", "pnpm") and (not words or words[0] in _INSTALLS)


# -- the second stage ---------------------------------------------------------------------------------------------


def _cure(
    dockerfile: Dockerfile, stage: Stage, built: Instruction, build: ImageBuild, application: NextApplication
) -> Fix | Blocked:
    start = stage.last("CMD")
    configured = _traced(build, application)
    why = (
        _not_built_alone(application)
        or _unusual(dockerfile, stage, built, build, application)
        or _other_starts(dockerfile, build)
    )
    if why is not None or start is None or isinstance(configured, Blocked):
        return why or (configured if isinstance(configured, Blocked) else Blocked("it starts nothing", _BY_HAND))
    listens = _listens(build.programs[0])
    if isinstance(listens, Blocked):
        return listens
    until = [each for each in stage.instructions if each.index <= built.index]
    found = repeated(dockerfile, stage, until, builds=_is_of_install, is_source=_is_of_the_context, tools=_FOR_GYP)
    if isinstance(found, Blocked):
        return found
    again, compiled, moved = found
    public = _public(build, application)
    if not public and _writes_public(application):
        return Blocked("whether the build makes a folder public is not known", _BY_HAND)
    words = [word.text for word in stage.start.words]
    name = builder_name(dockerfile, "pages-builder")
    folder = _folder_at(stage, built)
    copied = [(f"{folder}/.next/standalone", "./"), (f"{folder}/.next/static", "./.next/static")]
    copied += [(f"{folder}/public", "./public")] if public else []
    said = {each.partition("=")[0] for i in stage.instructions if i.op == "ENV" for each in i.args}
    variables = [text for text in listens if text.partition("=")[0] not in said]
    second = [
        New("FROM", " ".join(words), tuple(flag.text for flag in stage.start.flags)),
        *again,
        *(New("COPY", f"{source} {target}", (f"--from={name}",)) for source, target in copied),
        *([New("ENV", " ".join(variables))] if variables else []),
    ]
    parts: list[Parts] = [
        *configured,
        dockerfile.set_body(stage.start, f"{words[0]} AS {name}"),
        dockerfile.delete(*moved, comments=True),
        dockerfile.insert_after(built, *second, apart=True),
        dockerfile.set_body(start, ["node", "server.js"]),
    ]
    effects = [
        f"the final image has the traced server; {listed(['modules', 'sources', *dict.fromkeys(compiled)])} stay behind"
    ]
    if configured:
        effects.append("`next start` elsewhere still serves, and warns that the server in .next/standalone is meant")
    return Fix.of(
        "let Next.js trace its server, and serve the pages from a stage with no more than that",
        joined(parts),
        tier=Tier.REVIEW,
        effects=effects,
        todo=["build the image, start it and open its pages once: what is loaded by name cannot be seen here"],
    )


def _is_of_the_context(instruction: Instruction) -> bool:
    return instruction.flag("from") is None


def _traced(build: ImageBuild, application: NextApplication) -> Sequence[Parts] | Blocked:
    """The edits after which Next.js traces its server: none where it does."""
    if application.problem:
        return Blocked(application.problem, _BY_HAND)
    config = application.config
    if config is None:
        return Blocked(f"there is no {' or '.join(CONFIGURATIONS)} of one's own", f"add one; {_BY_HAND}")
    inside = config.source.path[len(build.context or "") :].strip("/")
    if build.excluded(inside):
        return Blocked(f"{build.ignore_path} keeps {inside} from the build", "take that line out")
    found = config.exported
    if isinstance(found, Blocked):
        return Blocked(found.reason, _BY_HAND)
    path = config.source.path
    if found.others and not all(
        re.match(r"(async\s+)?(webpack|headers|redirects|rewrites)\b", each) for each in found.others
    ):
        return Blocked(f"{path}: what `{found.others[0].splitlines()[0]}` adds to it is not known", _BY_HAND)
    experimental = found.members.get("experimental", "")
    for key, what in _KEYS_THAT_DECIDE.items():
        if key in found.members or re.search(rf"\b{key}\b", experimental):
            return Blocked(f"{path} has {key}: {what}", _BY_HAND)
    odd = next((each for each in found.through if not _is_wrapper(each)), None)
    if odd is not None:
        return Blocked(f"{path}: what {odd.splitlines()[0]} makes of it is not known", _BY_HAND)
    if "output" not in found.members:
        return [config.add("output", "standalone")]
    if found.members["output"].strip("\"'`") == "standalone":
        return []
    return Blocked(f"{path} has output: {found.members['output'].splitlines()[0]}", _BY_HAND)


def _is_wrapper(called: str) -> bool:
    """`withMDX`, `withBundleAnalyzer({ … })`: such a function gives the object back with additions."""
    return re.match(r"with[A-Z]\w*", called) is not None


def _writes_public(application: NextApplication) -> bool:
    found = application.config.exported if application.config is not None else None
    return isinstance(found, Exported) and bool(found.through)


def _public(build: ImageBuild, application: NextApplication) -> bool:
    """Whether files that the builder gets stand in the folder `public`."""
    start = posixpath.join(application.folder[len(build.context or "") :].strip("/"), "public/")
    return any(path.startswith(start) and not build.excluded(path) for path in build.files)


def _listens(program: Program) -> list[str] | Blocked:
    """The variables by which the server listens where `next start` does: on each address, on its port."""
    (started,) = program.commands
    host, port = "0.0.0.0", ""
    for each in (*program.calls, started):
        given = dict(each.inline)
        port = given.pop("PORT", port)
        if given or each.exported or not _is_port(port):
            return Blocked(f"`{each.source}` has variables of its own", f"write them as ENV; then {_BY_HAND}")
    for call in program.calls:
        words = [word for word in call.argv[1:] if word not in ("run", "run-script")]
        if call.argv[0] not in _MANAGERS or words != ["start"]:
            return Blocked(f"it is started by `{call.source}`", _BY_HAND)
    words = list(started.argv)
    if words[:1] in (["npx"], ["pnpm"], ["yarn"]):
        words = words[1:]
    if [each.removeprefix("./").removeprefix("node_modules/.bin/") for each in words[:2]] != ["next", "start"]:
        return Blocked(f"it is started by `{started.source}`, not by `next start`", _BY_HAND)
    rest = [part for word in words[2:] for part in word.split("=", 1)]
    while len(rest) > 1:
        option, value, *rest = rest
        if option in ("-p", "--port") and _is_port(value):
            port = value
        elif option in ("-H", "--hostname") and value in ("0.0.0.0", "::"):
            host = value
        else:
            return Blocked(f"it is started by `{started.source}`", _BY_HAND)
    if rest:
        return Blocked(f"it is started by `{started.source}`", _BY_HAND)
    return [f"HOSTNAME={host}", *([f"PORT={port}"] if port.isdigit() and port != "3000" else [])]


def _is_port(text: str) -> bool:
    """Whether it is a number, or left to the variable by which the server is told as well."""
    return not text or text.isdigit() or _PORT.fullmatch(text) is not None
