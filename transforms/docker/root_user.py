"""A container's final stage runs as root.

## Why
A process that is taken over can do in its container what its user can. As root it can change every file of the image
and of what is mounted, and a flaw in the kernel or the engine makes it root of the host.

The fix takes the user that the image brings (`node`), or one that the Dockerfile makes already, or makes one. What the
process writes to becomes that user's: the working folder, what is copied there, folders made for data, volumes. USER
gets the number where it is known, since Kubernetes' `runAsNonRoot` cannot check a name.

## When it is left alone
Files and final stages for development, tests, dev containers and the forge itself (`.github/`), unless
`development = true` includes them; GitHub's own container actions, images for AWS Lambda and Windows, and images that
start nothing and are only unpacked (`FROM scratch`) or built upon (`Dockerfile.base`). Where the container would break
it is reported with the reason: a port below 1024, an image or script that starts as root on purpose, files in root's
home, an unknown base image.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fixer.docker.builds import ImageBuilds, local_sources
from fixer.docker.containers import Container, Program, State
from fixer.docker.images import FAMILIES, ROOT, BaseImage, base_image, made_up
from fixer.docker.privileges import User, folders_made, is_within, low_port, needs_root, settings_need_root
from fixer.documents import DEVELOPMENT
from fixer.languages.dockerfile import Dockerfile, Instruction, New, Stage, expanded
from fixer.model import Blocked, Finding, Fix, Parts, Rule, RuleOptions, Tier, listed, option

# Images that others are made from, which say who runs them.
BASES = re.compile(r"(^|[/._-])(base|builder)([/._-]|$)", re.IGNORECASE)
# Folders that hold more than the application.
SYSTEM = frozenset((
    "/", "/bin", "/boot", "/dev", "/etc", "/go", "/home", "/lib", "/media", "/mnt", "/opt", "/proc", "/root", "/run",
    "/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/local/bin", "/usr/sbin",
    "/usr/share", "/usr/src", "/var", "/var/lib", "/var/log", "/var/run", "/var/www",
))  # fmt: skip
# Folders below these hold programs, not data.
PROGRAMS = ("/bin", "/boot", "/etc", "/lib", "/opt", "/root", "/sbin", "/usr", "/home")
# Everyone may write to these, or they are not files at all.
SCRATCH = ("/tmp", "/dev", "/proc", "/run", "/var/run", "/var/tmp", "/sys")
ROOT_HOME = re.compile(r"(?<![\w/])/root(?=/|$|[\s:;\"'])|(?<![\w/])~/|\$\{?HOME\b")
# Tools that put what they install into the home of whoever runs them: pattern, variable that moves it, what it is.
HOME_TOOLS = (
    (r"playwright install", "PLAYWRIGHT_BROWSERS_PATH", "the browsers that playwright installs"),
    (r"install\.python-poetry\.org", "POETRY_HOME", "poetry"),
    (r"astral\.sh/uv/.*install\.sh", "UV_INSTALL_DIR|XDG_BIN_HOME", "uv"),
    (r"\buv python install", "UV_PYTHON_INSTALL_DIR", "the Python that uv installs"),
    (r"sh\.rustup\.rs", "CARGO_HOME", "the Rust tools"),
    (r"bun\.(sh|com)/install", "BUN_INSTALL", "bun"),
    (r"deno\.land/.*install\.sh", "DENO_INSTALL", "deno"),
    (r"nvm.*install\.sh", "NVM_DIR", "nvm"),
    (r"pip3? install .*--user\b", "PYTHONUSERBASE", "what pip installs with --user"),
    (r"\bmix local\.", "MIX_HOME", "the tools of mix"),
    (r"\bcorepack (prepare|install|use)", "COREPACK_HOME", "the package manager that corepack installs"),
    (r"nltk\.download(?!(er)?\b[^;&|]*(download_dir|\s-d\b))|textblob\.download", "NLTK_DATA", "the data of nltk"),
    (r"dotnet tool install .*(-g|--global)\b", "DOTNET_TOOLS", "the tools of dotnet"),
    (r"composer global", "COMPOSER_HOME", "the tools of composer"),
    (
        r"(from_pretrained|huggingface-cli download|hf download|snapshot_download)(?![^;&|]*(cache_dir|local[-_]dir))",
        "HF_HOME",
        "the models",
    ),
    (r"whisper\.load_model|SentenceTransformer\(", "XDG_CACHE_HOME|HF_HOME", "the models"),
)
# Programs that look for settings, environments or packages in the home of whoever runs them, and what moves those.
HOME_RUNNERS = (
    (r"poetry run", ("POETRY_VIRTUALENVS_CREATE", "POETRY_VIRTUALENVS_IN_PROJECT", "POETRY_VIRTUALENVS_PATH")),
    (r"pipenv run", ("PIPENV_VENV_IN_PROJECT", "WORKON_HOME")),
    (r"(?:\./)?mvnw?", ("MAVEN_ARGS",)),
    (r"(?:\./)?gradlew?", ("GRADLE_USER_HOME",)),
    (r"dotnet (?:run|watch)", ("NUGET_PACKAGES",)),
    (r"mix", ("MIX_HOME",)),
    (r"sbt", ("SBT_OPTS",)),
    (r"lein", ("LEIN_HOME",)),
)
# What starts nothing of the image.
IDLE = re.compile(
    r"(/(usr/)?bin/)?((ba|da|a|z)?sh( -l| --login| -i)?|tail -f /dev/null|sleep (infinity|inf|\d+d?)|true|cat)"
)
# Variables with the place of what a program writes.
WRITTEN = re.compile(
    r"(^|_)(DATA|DB|DATABASE|SQLITE\w*|UPLOADS?|MEDIA|STORAGE|LOGS?|LOGFILE|CACHE|STATE|OUTPUT|EXPORTS?|BACKUPS?)(_|$)|^HF_HOME$"
)
WRITTEN_PATH = re.compile(r"(?:sqlite(?:\+\w+)?://|file:)?/*(/[^\s:?;,]+)")
ENGINE = re.compile(
    r"\b(install|add)\b[^;&|]*\b(docker-cli|docker\.io|docker-ce|docker-compose(-plugin)?|podman|buildah)\b"
)
# Lists of what to install are only read.
MANIFESTS = re.compile(
    r"(^|/)((requirements|constraints)[^/]*\.(txt|in)|requirements/?|package\*?(-lock)?\.json|pyproject\.toml|setup\.(py|cfg)"
    r"|(poetry|uv|yarn|Pipfile|composer|Gemfile|Cargo)\.lock|Pipfile|Gemfile|pnpm-lock\.yaml|\.npmrc|\.yarnrc\.yml"
    r"|composer\.json|go\.(mod|sum)|bun\.lockb?|Makefile)\*?$"
)
# What these leave below the working folder is only read afterwards.
INSTALLERS = {
    "npm": ("ci", "install", "i", "cache", "config", "prune", "set"), "bun": ("install", "i"),
    "yarn": ("", "install", "cache", "config", "global"), "pnpm": ("install", "i", "fetch", "prune", "store", "config"),
    "uv": ("sync", "pip", "venv"), "poetry": ("install", "config", "cache", "export"), "pipenv": ("install", "sync"),
    "bundle": ("install", "config"), "composer": ("install",), "go": ("mod",), "gem": ("install",),
    "corepack": ("enable",),
}  # fmt: skip
HARMLESS = frozenset((
    "[", "addgroup", "adduser", "apk", "apt", "apt-get", "cat", "cd", "chmod", "chown", "command", "dnf", "dos2unix",
    "dpkg", "echo", "export", "false", "find", "groupadd", "install_packages", "ldconfig", "locale-gen", "ls",
    "microdnf", "pip", "pip3", "printf", "rm", "set", "tdnf", "test", "true", "update-ca-certificates", "useradd",
    "usermod", "which", "yum",
))  # fmt: skip
# Programs that write beside what was installed: caches of bundlers, environments brought up to date at each start.
WRITES_BESIDE = re.compile(
    r"\b(npm|pnpm|yarn|bun)( run)? (dev|develop|serve|start|watch|start:dev|dev:\w+)\b|\b(vite|nodemon|ng serve|webpack"
    r"|react-scripts start|nuxt dev|next (dev|start)|prisma (generate|db push|migrate dev)|(uv|hatch|pdm) run|ts-node"
    r"|tsx watch)\b"
)


class Options(RuleOptions):
    user: str = option("app", "the name of a user that has to be made")
    uid: int = option(10001, "its number, and that of its group")
    images: Mapping[str, str] = option(
        {}, "families (debian, alpine, redhat, none) or users of base images that are not known"
    )
    writable: Sequence[str] = option((), "more folders of the container that the process writes to")
    low_ports: bool = option(False, "whether every engine that runs the image lets users listen below port 1024")
    development: bool = option(False, "whether Dockerfiles for development and tests are looked at")


def check(dockerfile: Dockerfile, builds: ImageBuilds, options: Options) -> Iterator[Finding]:
    build = builds.builds.get(dockerfile.source.path)
    final = dockerfile.final
    if build is None or build.is_action:
        return
    if not options.development and (DEVELOPMENT.search(build.path) or DEVELOPMENT.search(final.name)):
        return
    starts = final.last("CMD", "ENTRYPOINT") is not None
    if not starts and (final.root.base == "scratch" or (BASES.search(build.path) and not build.services)):
        return
    image = _image(final, options)
    container = Container(dockerfile, build)
    users = list(container.acting("USER"))
    if users and users[-1].user not in ROOT:
        return
    if image is not None and (image.family == "windows" or (not users and image.runs_as not in ROOT)):
        return
    place = users[-1].instruction if users and users[-1].stage is final else final.start
    cure = _cure(container, image, options)
    yield Finding(build.path, place.span, _message(dockerfile, users), cure)


def _message(dockerfile: Dockerfile, users: list[State]) -> str:
    if users:
        return f"the container runs as root: the last USER is {users[-1].instruction.text}"
    for stage in dockerfile.stages[:-1]:
        if any(instruction.op == "USER" for instruction in stage.instructions):
            name = stage.name or str(stage.index)
            return f"the container runs as root: USER stands in stage {name!r}, which the final stage is not made from"
    return "the container runs as root: the final stage has no USER"


def _image(final: Stage, options: Options) -> BaseImage | None:
    """What is known about the base, the configuration's word first."""
    said = options.images
    image = final.root.image
    for name in (str(image), image.repository if image else "", final.root.start.words[0].text):
        if name in said:
            family = next((known for known in FAMILIES if known == said[name]), None)
            return made_up(family) if family else made_up("none", str(said[name]))
    if final.root.base == "scratch":
        return made_up("none")
    if image is None and final.root.start.words[0].text.startswith("mcr.microsoft.com/windows/"):
        return made_up("windows")  # whichever of them a variable chooses
    return base_image(image) if image else None


def _cure(container: Container, image: BaseImage | None, options: Options) -> Fix | Blocked:
    base = container.dockerfile.final.root.start.words[0].text
    if image is None:
        return Blocked(
            f"it is not known which users and tools the image {base} has",
            "say its family (debian, alpine, redhat, none), or the user that it runs as",
            f'rules.root-user.images = {{"{base}" = "{"alpine" if "alpine" in base else "debian"}"}}',
        )
    unpacked = (s for s in container.acting("ADD") if s.target == "/" and ".tar" in " ".join(s.instruction.args))
    if container.dockerfile.final.root.base == "scratch" and next(unpacked, None):
        return Blocked("it is a base image: images that are made from it need root to be built", "leave it")
    if image.keeps_root:
        return Blocked(f"{base}: {image.keeps_root}", image.instead)
    folders = _folders(container, options)
    for state in container.states:
        blocked = _breaks(container, state, folders, options)
        if blocked is not None:
            return blocked
    return _folder_breaks(container, folders) or _start_breaks(container, folders, options) or _fix(
        container, image, folders, options
    )  # fmt: skip


# -- what the process writes to -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Folders:
    """`roots` hold the application, `data` are for what it writes: volumes and folders that are made for it."""

    roots: tuple[str, ...]
    data: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.roots, *self.data)


def _folders(container: Container, options: Options) -> Folders:
    places = [s.folder for s in container.acting("WORKDIR") if is_within(container.folder, (s.folder,))]
    places += [s.target for s in container.acting("COPY", "ADD") if "." in local_sources(s.instruction) and s.target]
    roots = _topmost(p for p in places if p not in SYSTEM and "$" not in p)
    data = [mount.target for _, service in container.build.services for mount in service.mounts if not mount.bind]
    for state in container.acting("VOLUME"):
        data += [path for arg in state.instruction.args if (path := expanded(arg, state.values))]
    data += [path for path in _named_by_variables(container) if not is_within(path, (*PROGRAMS, *roots))]
    # What is in such a folder was installed, and is only read.
    data = [path.rstrip("/") for path in data if not re.search(r"/(node_modules|\.venv)/?$", path)]
    for state in container.acting("RUN"):
        if re.search(r"\bmkdir\b|\binstall\b", state.instruction.script):
            made = folders_made(state.script, state.values, state.folder)
            data += [p for p in made if not is_within(p, (*PROGRAMS, *roots)) and p not in SYSTEM and "$" not in p]
    removed = {
        word for s in container.acting("RUN") if "rm -" in s.instruction.script for word in s.instruction.script.split()
    }
    kept = [p for p in data if p.startswith("/") and p not in removed and p not in roots and not is_within(p, SCRATCH)]
    return Folders(tuple(roots), tuple(_topmost([*kept, *options.writable])))


def _named_by_variables(container: Container) -> Iterator[str]:
    """Folders that ENV and compose name for data, logs and the like."""
    given = [(name, value) for name, value in container.values.items() if value]
    for _, service in container.build.services:
        given += [(name, value) for name, value in service.environment.items() if value]
    for name, value in given:
        found = WRITTEN_PATH.fullmatch(value) if WRITTEN.search(name) else None
        if found is None:
            continue
        folder, _, last = found[1].rstrip("/").rpartition("/")
        folder = folder or "/"
        is_folder = "." not in last and (folder in SYSTEM or re.search(r"_(DIR|FOLDER|ROOT|HOME|CACHE)$", name))
        yield posixpath.join(folder, last) if is_folder else folder


def _topmost(paths: Iterable[str]) -> list[str]:
    found: list[str] = []
    for path in sorted(set(paths)):
        if not is_within(path, found):
            found.append(path)
    return found


# -- what would break -----------------------------------------------------------------------------------------------


def _breaks(container: Container, state: State, folders: Folders, options: Options) -> Blocked | None:
    """Why the container would not work without root for this instruction, or None."""
    instruction = state.instruction
    line = f"line {container.dockerfile.line(instruction)}"
    if is_within(state.folder, ("/root",)):
        return Blocked(
            f"{line}: the working folder is in /root, which only root can enter", "use a WORKDIR such as /app"
        )
    if instruction.op == "ONBUILD":
        return Blocked(
            f"{line}: ONBUILD runs in the images that are made from this one, as the user that this one has",
            "add USER to those images",
        )
    if instruction.op == "SHELL" and not re.search(r"\b(ba|da|a)?sh\b", instruction.text):
        return Blocked(f"{line}: the shell of this file is not sh", "add the user by hand")
    port = next((port for port in _ports_named(state) if 0 < port < 1024), None)
    if port is not None and not options.low_ports:
        return _low_port(port, f"{line} names it")
    found = _in_root_home(container, state)
    if found:
        return Blocked(
            f"{line}: {found}, in root's home, which only root can enter",
            "install it into a folder that everyone can read, such as /opt, and put that on PATH",
        )
    if mode := _closed_mode(state, folders):
        return Blocked(
            f"{line}: `{mode}` lets only root read or start what may be needed",
            "let others read and execute it (chmod 755), or COPY it with --chown and --chmod",
        )
    source = instruction.flag("from")
    if (instruction.op == "RUN" and ENGINE.search(instruction.script)) or (
        source is not None and re.match(r"([\w.-]+/)?docker(:|$)", source.value)
    ):
        return Blocked(
            f"{line} brings the tools of a container engine, whose socket belongs to root",
            "leave it, or give a user the group of the socket",
        )
    everything = instruction.op in ("COPY", "ADD") and {".", "./"} & set(instruction.args[:-1])
    if everything and state.target in SYSTEM:
        return Blocked(
            f"{line} copies everything into {state.target}, which belongs to the system", "use a WORKDIR such as /app"
        )
    return None


def _ports_named(state: State) -> Iterator[int]:
    """The ports that EXPOSE, or a variable such as PORT, gives."""
    instruction = state.instruction
    words = instruction.args if instruction.op == "EXPOSE" else ()
    if instruction.op == "ENV":
        words = tuple(value or "" for name, value in instruction.pairs if re.search(r"(^|_)PORT$", name))
    for word in words:
        port = re.match(r"\d+", expanded(word, state.values) or "")
        if port:
            yield int(port[0])


def _low_port(port: int, who: str) -> Blocked:
    return Blocked(
        f"{who}: outside of Docker's own engine only root may listen on port {port}",
        "listen on a port above 1023 and publish that, or say that all your engines allow it",
        "rules.root-user.low-ports = true",
    )


_GONE = re.compile(r"\brm -[^;&|\n]*|(?<!\S)\S*(/root|~|\$HOME|\$\{HOME\})/\.(cache|npm|m2|gnupg)\S*")


def _in_root_home(container: Container, state: State) -> str:
    """What an instruction keeps in root's home, which the process could not reach."""
    instruction = state.instruction
    moved = state.values.get("HOME") not in (None, "/root")
    if instruction.op in ("COPY", "ADD"):
        if not instruction.args:
            return ""
        return f"{instruction.op} puts files there" if ROOT_HOME.search(instruction.args[-1]) else ""
    if instruction.op in ("ENV", "ENTRYPOINT", "CMD", "VOLUME"):
        found = ROOT_HOME.search(instruction.text)
        return f"{instruction.op} names files there" if found and not (moved and "HOME" in found[0]) else ""
    if instruction.op != "RUN":
        return ""
    # Caches are only for the build, and what is removed is of no use.
    script = _GONE.sub("", instruction.script)
    named = re.findall(r"(?<![\w.-])[\w.-]+\.(?:py|sh)\b", script)
    started = [container.build.text(path) for name in named for path in container.build.named(name)]
    for pattern, variables, what in HOME_TOOLS:
        elsewhere = any(name in state.values or f"{name}=" in script for name in variables.split("|"))
        if any(re.search(pattern, text) for text in (script, *started)) and not elsewhere:
            return what
    if re.search(r"\buv (sync|venv|run)\b", script) and not _has_python(container):
        return "the Python that uv loads where the image has none"
    return "RUN puts files there" if ROOT_HOME.search(script) and not moved else ""


def _has_python(container: Container) -> bool:
    """Whether uv finds a Python, or is told where to put one."""
    image = container.dockerfile.final.root.image
    moved = any(
        name in container.values for name in ("UV_PYTHON_INSTALL_DIR", "UV_PYTHON_DOWNLOADS", "UV_NO_MANAGED_PYTHON")
    )
    installed = any(re.search(r"\bpython3?\b", s.instruction.script) for s in container.acting("RUN"))
    return image is None or "py" in str(image) or moved or installed


def _closed_mode(state: State, folders: Folders) -> str:
    """A mode that leaves others without the rights that its owner has, where that stays root."""
    instruction = state.instruction
    flag = instruction.flag("chmod")
    if flag is not None and not instruction.flag("chown") and re.fullmatch(r"[0-7]{3,4}", flag.value):
        closed = int(flag.value[-3]) & ~int(flag.value[-1]) & 5
        return flag.text if closed and not is_within(state.target, folders.all) else ""
    for found in re.finditer(r"\bchmod\s+(?:-R\s+)?([0-7]{3,4}|[ugoa]*[+=-][rwxX]+)\s+([^\s;&|]+)", instruction.script):
        mode, path = found[1], posixpath.join(state.folder, found[2])
        if (
            instruction.op != "RUN"
            or is_within(path, folders.all)
            or path.startswith(("/etc/", "/root", "/var/lib/apt"))
        ):
            continue
        if (mode.isdigit() and int(mode[-1]) < 4) or re.match(r"[go]+-|[ug]\+x|u=", mode):
            return found[0]
    return ""


def _folder_breaks(container: Container, folders: Folders) -> Blocked | None:
    for path, service in container.build.services:
        data, name = service.data, f"service {service.name!r}"
        if data.get("privileged") or data.get("cap_add") or data.get("pid") == "host":
            return Blocked(f"{path} gives {name} rights of root on purpose", "leave it, or take them away")
        if data.get("devices"):
            return Blocked(
                f"{path} gives {name} devices of the host, which belong to root", "leave it, or use group_add"
            )
        if any(mount.source.endswith("docker.sock") for mount in service.mounts):
            return Blocked(f"{path} mounts the engine's socket into {name}, which needs root", "leave it")
        if any(is_within(mount.target, ("/root",)) for mount in service.mounts):
            return Blocked(
                f"{path} mounts something into /root of {name}, which only root can enter",
                "mount it elsewhere, and tell the program where",
            )
    if "$" in container.folder:
        return Blocked(f"the working folder {container.folder} is not known", "give its variable a default")
    if odd := next(
        (path for path in (container.folder, *folders.all) if not re.fullmatch(r"[\w./@%+,-]+", path)), None
    ):
        return Blocked(f"the folder {odd!r} has a name that a shell would read in another way", "use a plain name")
    if container.folder in SYSTEM and container.folder != "/":
        return Blocked(
            f"the working folder is {container.folder}, which holds more than the application",
            "use a WORKDIR such as /app",
        )
    shared = next((path for path in folders.data if path in SYSTEM or is_within(path, ("/root",))), None)
    if shared is not None:
        return Blocked(f"{shared}, which is written to, holds more than data", "let data have a folder of its own")
    return _package_breaks(container)


def _package_breaks(container: Container) -> Blocked | None:
    """What packages put into root's home when they are installed."""
    told = any(name.startswith("PUPPETEER_") for name in container.values)
    for state in container.acting("RUN"):
        if told or not re.search(r"\b(npm|yarn|pnpm|bun) (ci|install|i|add)\b", state.instruction.script):
            continue
        for name, text in container.build.texts.items():
            if name.endswith("package.json") and re.search(r'"puppeteer"\s*:', text):
                return Blocked(
                    f"line {container.dockerfile.line(state.instruction)}: puppeteer puts its browser into root's home",
                    "set PUPPETEER_CACHE_DIR in ENV before it is installed",
                )
    return None


def _start_breaks(container: Container, folders: Folders, options: Options) -> Blocked | None:
    """What the programs that the container starts need."""
    if not container.programs:
        return Blocked(
            "neither the Dockerfile nor a compose file says what the container starts, so what it needs is not known",
            "leave a base image or a box of tools; else write the command as CMD",
        )
    if all(IDLE.fullmatch(program.text) for program in container.programs):
        return Blocked(
            f"the container starts only `{container.programs[0].text}`, so what it is for and needs is not known",
            "leave a base image or a box of tools; else write the command as CMD",
        )
    low_ports = options.low_ports
    for path, service in container.build.services if not low_ports else ():
        low = next((port for port in service.ports if 0 < port < 1024), None)
        if low is not None:
            return _low_port(low, f"service {service.name!r} of {path} publishes it")
    for program in container.programs:
        blocked = _program_breaks(container, program, folders, low_ports=low_ports)
        if blocked is not None:
            return blocked
    for name, text in container.settings:
        if not text:
            return Blocked(
                f"the settings {name} of the server are not in the repository: what it writes is not known",
                "look at what it writes and whether it changes its user, then add USER by hand",
            )
        if reason := settings_need_root(text, folders.all):
            return Blocked(f"{name}: {reason}", "take that out, or leave it")
    return None


def _program_breaks(container: Container, program: Program, folders: Folders, *, low_ports: bool) -> Blocked | None:
    """What one program needs root for, or looks for in root's home."""
    if program.missing:
        return Blocked(
            f"{program.where}: the script {program.missing} is not in the repository: what it needs is not known",
            "look at what it writes and whether it needs root, then add USER by hand",
        )
    words = ([_known(word.text, container) for word in command.words] for command in program.script.commands)
    port = next((low for command in words if (low := low_port(command))), None)
    if port is not None and not low_ports:
        return _low_port(port, program.where)
    if reason := needs_root(program.script, folders.all, container.values):
        return Blocked(f"{program.where}: {reason}", "leave it, or do that elsewhere")
    for runner, variables in HOME_RUNNERS:
        started = re.search(rf"(?:^|[\s;&|])({runner})(?=\s|$)", program.text)
        if started and not any(name in container.values for name in variables):
            return Blocked(
                f"{program.where}: `{started[1]}` looks for what it needs in the home of its user",
                f"set {variables[0]} in ENV before that is loaded, or start the program itself",
            )
    manager = re.search(r"(^|[\s;&|])(pnpm|yarn) ", program.text)
    if manager and "COREPACK_HOME" not in container.values and _uses_corepack(container):
        return Blocked(
            f"{program.where}: corepack keeps {manager[2]} in root's home, and another user would load it again",
            "set COREPACK_HOME in ENV before corepack is used, or start the program itself",
        )
    return None


def _uses_corepack(container: Container) -> bool:
    return any("corepack" in state.instruction.script for state in container.acting("RUN"))


def _known(word: str, container: Container) -> str:
    return expanded(word, container.values) or word


# -- the fix --------------------------------------------------------------------------------------------------------


def _fix(container: Container, image: BaseImage, folders: Folders, options: Options) -> Fix | Blocked:
    user, made = _existing(container, image)
    # Who makes a user while building has the tools for that.
    shell = image.family in ("debian", "redhat", "alpine") or made is not None
    create = user is None and shell
    if user is None:
        number = str(options.uid)
        name = _name(container.dockerfile, options) if shell else number
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name):
            return Blocked(f"{name!r} is no name of a user", "configure another", 'rules.root-user.user = "app"')
        user = User(name, name, number)
    blocked = _cannot_be_owner(user, container, image, folders, shell=shell)
    if blocked is not None:
        return blocked
    steps = _create(user, image.family) if create else []
    parts = _handed_over(user, container, folders, made, steps, shell=shell)
    todo = _todo(container, folders, user)
    number = f" ({user.id})" if user.id and user.id != user.name else ""
    effects = [f"the container runs as {user.name}{number} instead of root"]
    if shell and folders.all:
        effects.append(f"{listed(folders.all)} {'belong' if len(folders.all) > 1 else 'belongs'} to {user.name}")
    title = f"make the user {user.name}{number} and run as it" if create else f"run as {user.name}{number}"
    return Fix.of(title, *parts, tier=Tier.REVIEW if todo else Tier.SAFE, effects=effects, todo=todo)


def _cannot_be_owner(
    user: User, container: Container, image: BaseImage, folders: Folders, *, shell: bool
) -> Blocked | None:
    """Why this user cannot have what the process needs. `shell`: whether the image can run commands for that."""
    if not shell and folders.data:
        return Blocked(
            f"the image has no program that could give {folders.data[0]} to another user",
            "COPY an empty folder there with --chown from a stage that has a shell",
        )
    if not shell and image.user == "" and container.dockerfile.final.root.base != "scratch":
        return Blocked(
            "the image has no program that makes users",
            "make the user in a stage that has one, and COPY /etc/passwd from there",
        )
    if not user.home and "UV_NO_CACHE" not in container.values and _starts_uv(container.programs):
        return Blocked(
            f"uv keeps its cache in the home of its user, and {user.name} has none",
            "make the user with --create-home, or start the program itself",
        )
    return None


def _handed_over(
    user: User, container: Container, folders: Folders, made: Instruction | None, steps: list[str], *, shell: bool
) -> list[Parts]:
    """The edits that give the folders to the user and change to it; `steps` are commands that make it first."""
    dockerfile, parts = container.dockerfile, list[Parts]()
    late = shell and _written_late(container, folders, made)
    copies = [] if late else _copies(container, folders)
    first = copies[0].instruction if copies else None
    # Builders other than BuildKit drop what changes in a volume after it is declared.
    volume = next((s for s in container.acting("VOLUME") if shell and folders.data), None)
    if volume is not None and (first is None or volume.instruction.index < first.index):
        if volume.stage is not dockerfile.final or (made is not None and made.index > volume.instruction.index):
            blocked = Blocked(
                f"line {dockerfile.line(volume.instruction)}: the volume is declared before {user.name} can own it",
                "make the user and chown the folder before VOLUME",
            )
            return [blocked]
        given = _give(user, container, Folders((), folders.data), volume.instruction, recursive=False)
        parts.append(dockerfile.insert_before(volume.instruction, _run([*steps, *given])))
        folders, steps = Folders(folders.roots, ()), []
    if shell:
        steps = [*steps, *_give(user, container, folders, first, recursive=late)]
    run = [_run(steps)] if steps else []
    if first is not None and run:
        parts.append(dockerfile.insert_before(first, *run))
        run = []
    for state in copies:
        # With --link, names of users cannot be looked up: https://docs.docker.com/reference/dockerfile/#copy---link
        numeric = state.instruction.flag("link") is not None or not shell
        parts.append(dockerfile.set_flag(state.instruction, "chown", user.numeric if numeric else user.owner))
    return [*parts, *_set_user(dockerfile, run, (user.id or user.name) if shell else user.numeric)]


def _run(steps: list[str]) -> New:
    return New("RUN", "\n&& ".join(steps))


def _works_on_mounts(container: Container) -> bool:
    """A program that serves nothing, or whose working folder the image leaves empty, works on what it is given."""
    folder = container.folder
    filled = any(is_within(state.target, (folder,)) for state in container.acting("COPY", "ADD") if state.target)
    filled = filled or any(state.folder == folder for state in container.acting("RUN"))
    return not filled or next(iter(container.acting("EXPOSE")), None) is None


def _todo(container: Container, folders: Folders, user: User) -> list[str]:
    binds: dict[tuple[str, str], list[str]] = {}
    volumes = {arg.rstrip("/") for state in container.acting("VOLUME") for arg in state.instruction.args}
    for path, service in container.build.services:
        for mount in service.mounts:
            if mount.bind:
                binds.setdefault((path, service.name), []).append(mount.source)
            elif mount.source:
                volumes.add(mount.target.rstrip("/"))
    todo = [
        f"{path} mounts {listed(sources)} into {name!r}: the files there keep the owner of the host"
        for (path, name), sources in binds.items()
    ]
    todo += [
        f"{path} starts {service.name!r} as {service.user} all the same: take that out"
        for path, service in container.build.services
        if service.user.partition(":")[0] in ROOT
    ]
    if any(is_within(path, folders.data) for path in volumes):
        todo.append(f"volumes that exist already keep their owner: chown them to {user.numeric} once")
    if not container.build.services and _works_on_mounts(container):
        todo.append(f"where a folder of the host is mounted to be written to, it must let {user.numeric} write")
    return todo


def _existing(container: Container, image: BaseImage) -> tuple[User | None, Instruction | None]:
    """A user that is there, with the instruction that makes it: the last that the Dockerfile changes to or gives files
    to, else one that it makes, else the image's."""
    # Whom files are given to must be there, and is whom the process was meant to run as.
    used = [
        owner.partition(":")[0]
        for state in container.acting("COPY", "ADD")
        if (flag := state.instruction.flag("chown")) and (owner := expanded(flag.value, state.values))
    ]
    used = [name for name in [*used, *(state.user for state in container.acting("USER"))] if name not in ROOT]
    for name in [*reversed(used), *(user.name for user, _ in container.users)]:
        for user, state in container.users:
            if name in (user.name, user.id):
                return user, state.instruction
        if name in (image.user, str(image.id)):
            break
        if name in used and "$" not in name:
            # Debian and Alpine have the same nobody.
            known = "65534" if name == "nobody" and image.family in ("debian", "alpine") else ""
            return User(name, id=name if name.isdigit() else known, home=not name.isdigit() and not known), None
    if image.runs_as not in ROOT:
        return User(image.runs_as), None
    if image.user:
        return User(image.user, image.user, str(image.id) if image.id is not None else ""), None
    return None, None


def _name(dockerfile: Dockerfile, options: Options) -> str:
    """The name of the new user: one that another stage runs as, else the configuration's."""
    for stage in dockerfile.stages:
        for instruction in stage.instructions:
            name = instruction.text.partition(":")[0]
            if instruction.op == "USER" and name not in ROOT and re.fullmatch(r"[a-z_][a-z0-9_-]*", name):
                return name
    return str(options.user)


def _create(user: User, family: str) -> list[str]:
    if family == "alpine":
        return [f"addgroup -g {user.id} {user.name}", f"adduser -D -u {user.id} -G {user.name} {user.name}"]
    return [
        f"groupadd --gid {user.id} {user.name}",
        f"useradd --uid {user.id} --gid {user.name} --create-home {user.name}",
    ]


def _give(
    user: User, container: Container, folders: Folders, before: Instruction | None, *, recursive: bool
) -> list[str]:
    """Commands that give the folders to the user, at this place (None: at the end)."""
    reached = [s for s in container.states if before is None or s.instruction.index < before.index]
    places = [state.folder for state in reached if state.instruction.op == "WORKDIR"]
    made: list[str] = []
    there = list(places)
    for state in reached:
        if state.instruction.op == "RUN" and re.search(r"\bmkdir\b|\binstall\b", state.instruction.script):
            made += folders_made(state.script, state.values, state.folder)
            if "rm -" not in state.instruction.script:
                there += folders_made(state.script, state.values, state.folder, surely=True)
    entered = [path for path in (*places, container.folder) if is_within(path, folders.roots)]
    roots = dict.fromkeys([*folders.roots, *entered])
    # What mkdir makes inside goes with the folder right below the root, which it may have made too.
    inside = [
        f"{root}/{path[len(root) + 1 :].split('/')[0]}"
        for root in roots
        for path in made
        if path.startswith(f"{root}/")
    ]
    wanted = dict.fromkeys([*folders.all, *entered, *inside])
    missing = [path for path in wanted if not any(is_within(known, (path,)) for known in there)]
    steps = [f"mkdir -p {' '.join(missing)}"] if missing else []
    if recursive:
        return [*steps, f"chown -R {user.owner} {' '.join(_topmost(folders.all))}"] if folders.all else steps
    if roots:
        steps.append(f"chown {user.owner} {' '.join(roots)}")
    if given := _topmost([*folders.data, *inside]):
        steps.append(f"chown -R {user.owner} {' '.join(given)}")
    return steps


def _copies(container: Container, folders: Folders) -> list[State]:
    """What is copied into the application's folders, but for lists of what to install."""
    return [
        state
        for state in container.acting("COPY", "ADD")
        if not state.instruction.flag("chown")
        and is_within(state.target, folders.all)
        and not all(MANIFESTS.search(source) for source in state.instruction.args[:-1])
    ]


def _written_late(container: Container, folders: Folders, made: Instruction | None) -> bool:
    """Whether ownership can only be set at the end, for everything: files come from stages that this one is made from,
    from commands after they are copied, or before the user is there."""
    copies = _copies(container, folders)
    if any(WRITES_BESIDE.search(program.text) for program in container.programs):
        return True
    if copies:
        first = copies[0]
        if any(state.stage is not container.dockerfile.final for state in copies) or first.user not in ("", *ROOT):
            return True
        if made is not None and made.index > first.instruction.index:
            return True
    start = copies[0].instruction.index if copies else -1
    return bool(folders.all) and any(
        not _only_installs(state, folders, before=state.instruction.index < start) for state in container.acting("RUN")
    )


def _only_installs(state: State, folders: Folders, *, before: bool) -> bool:
    """Whether what a RUN leaves in the application's folders is only read later. `before`: the folders are given to
    the user after it, so that it may make them."""
    if not state.instruction.script or state.script.error:
        return False
    for command in state.script.commands:
        verb = next((word.text for word in command.args if not word.text.startswith("-")), "")
        if verb in INSTALLERS.get(command.name, ()):
            continue
        beside = (r.target for r in command.redirects if ">" in r.operator)
        if command.name in HARMLESS and all(p.startswith("/") and not is_within(p, folders.all) for p in beside):
            continue
        paths = [word.text for word in command.args if "/" in word.text and not word.text.startswith(("-", "http"))]
        if before and (command.name == "mkdir" or not is_within(state.folder, folders.roots)):
            continue
        if paths and all(path.startswith("/") and not is_within(path, folders.all) for path in paths):
            continue
        return False
    return True


def _set_user(dockerfile: Dockerfile, run: list[New], name: str) -> list[Parts]:
    """USER after the last instruction that needs root; in the place of a `USER root` that nothing follows."""
    final = dockerfile.final
    acting = [i for i in final.instructions if i.op in ("RUN", "COPY", "ADD", "WORKDIR", "USER")]
    last = acting[-1] if acting else final.start
    if last.op == "USER":
        return [*([dockerfile.insert_before(last, *run)] if run else []), dockerfile.set_body(last, name)]
    following = [i for i in final.instructions if i.index > last.index]
    start = next((i for i in following if i.op in ("CMD", "ENTRYPOINT")), None)
    new = [*run, New("USER", name)]
    if start is not None:
        return [dockerfile.insert_before(start, *new)]
    return [dockerfile.insert_after(following[-1] if following else last, *new)]


def _starts_uv(programs: Iterable[Program]) -> bool:
    return any(re.search(r"(^|[\s;&|])uvx? ", program.text) for program in programs)


RULE = Rule(
    __name__,
    "A container runs as root",
    check,
    audit=("D-011.1",),
    criterion="Images do not run as root",
    hours=(1, 1),
)
