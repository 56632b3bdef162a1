"""Why a container would not work as another user."""

import posixpath
import re
from collections.abc import Iterator

from fixer.docker.compose import Mount
from fixer.docker.homes import runner_in_home, tool_in_home
from fixer.docker.privileges import (
    folders_made,
    is_within,
    keeps_schedule,
    low_port,
    names_its_port,
    needs_root,
    settings_need_root,
)
from fixer.languages.dockerfile import expanded
from fixer.languages.tables import natural
from fixer.model import Blocked
from fixer.runtime.images import local_sources
from fixer.runtime.programs import Program, Started
from fixer.runtime.states import Container, State
from transforms.docker.root_user.folders import EMPTY, SYSTEM, Folders
from transforms.docker.root_user.options import Options, also_mounted

ROOT_HOME = re.compile(r"(?<![\w/])/root(?=/|$|[\s:;\"'])|(?<![\w/])~/|\$\{?HOME\b")
ENGINE = re.compile(
    r"\b(install|add)\b[^;&|]*\b(docker-cli|docker\.io|docker-ce|docker-compose(-plugin)?|podman|buildah)\b"
)
# What starts nothing of the image.
IDLE = re.compile(
    r"(/(usr/)?bin/)?((ba|da|a|z)?sh( -l| --login| -i)?|tail -f /dev/null|sleep (infinity|inf|\d+d?)|true|cat"
    r"|i?python[\d.]*|node|irb)"
)


# https://refspecs.linuxfoundation.org/FHS_3.0/fhs/ch03.html
SOCKET = re.compile(r"[.-]sock(et)?(-ro)?$|^/(var/)?run/")
OF_THE_SYSTEM = re.compile(r"/($|(bin|boot|dev|etc|lib\d*|proc|root|run|sbin|sys|usr|var)(/|$))")
FOR_EVERYBODY = re.compile(
    r"/etc/(localtime|timezone|hosts|hostname|resolv\.conf|passwd|group|ssl/certs|pki|ca-certificates|fonts)(/|$)"
    r"|/usr/(local/)?share/|/dev/(shm|null|u?random)$|/var/(tmp|www)(/|$)"
)


def instruction_breaks(container: Container, state: State, folders: Folders, options: Options) -> Blocked | None:
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
            f"{line}: root's home, which only root can enter, holds {found}",
            "keep it in a folder that everyone can read, such as /opt, and let what looks for it look there",
        )
    if mode := _closed_mode(container, state, folders):
        return Blocked(
            f"{line}: `{mode}` lets only root read, start or change what may be needed",
            "let others read and execute it (chmod 755), or COPY it with --chown and --chmod",
        )
    if given := _given_to_the_group(state):
        return Blocked(
            f"{line}: `{given}` lets the group of root write, as clusters want it that choose a user by themselves",
            "set a number of that group by hand, such as `USER 10001:0`, and let the files keep their group",
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


def _given_to_the_group(state: State) -> str:
    """What gives files to the group of root, with its rights; empty where nothing does.

    https://docs.openshift.com/container-platform/4.17/openshift_images/create-images.html#use-uid_create-images
    """
    for command in state.script.commands if state.instruction.op == "RUN" else ():
        words = [word.text for word in command.args if not word.text.startswith("-")]
        mode = words[0] if words else ""
        if command.name == "chmod" and re.search(r"\bg=u\b", mode):
            return f"chmod {mode}"
        if command.name == "chgrp" and mode in ("0", "root"):
            return f"chgrp {mode}"
        if command.name == "chown" and re.fullmatch(r"(?!root|0)[^:]+:(0|root)", mode):
            return f"chown {mode}"
    return ""


def _ports_named(state: State) -> Iterator[int]:
    """The ports that EXPOSE, or a variable such as PORT, gives."""
    instruction = state.instruction
    words = instruction.args if instruction.op == "EXPOSE" else ()
    if instruction.op == "ENV":
        words = tuple(value or "" for name, value in instruction.pairs if names_its_port(name))
    for word in words:
        port = re.match("[0-9]{1,9}", expanded(word, state.values) or "")
        if port:
            yield int(port[0])


def _low_port(port: int, who: str) -> Blocked:
    return Blocked(
        f"{who}: outside of Docker's own engine only root may listen on port {port}",
        "listen on a port above 1023 and publish that, or say that all your engines allow it",
        "rules.root-user.low-ports = true",
    )


def _in_root_home(container: Container, state: State) -> str:
    """What an instruction keeps in root's home, which the process could not reach."""
    instruction = state.instruction
    moved = state.values.get("HOME") not in (None, "/root")
    if instruction.op in ("COPY", "ADD"):
        if not instruction.args:
            return ""
        return f"what {instruction.op} puts there" if ROOT_HOME.search(instruction.args[-1]) else ""
    if instruction.op in ("ENV", "ENTRYPOINT", "CMD", "VOLUME"):
        found = ROOT_HOME.search(instruction.text)
        return f"what {instruction.op} names" if found and not (moved and "HOME" in found[0]) else ""
    if instruction.op != "RUN":
        return ""
    # Caches are only for the build, and what is removed is of no use.
    script = re.sub(
        r"\brm -[^;&|\n]*|(?<!\S)\S*(/root|~|\$HOME|\$\{HOME\})/\.(cache|npm|m2|gnupg)\S*", "", instruction.script
    )
    named = re.findall(r"(?<![\w.-])[\w.-]+\.(?:py|sh)\b", script)
    started = [container.build.text(path) for name in named for path in container.build.named(name)]
    if kept := tool_in_home((script, *started), state.values):
        return kept
    if re.search(r"\bgit config --global\b", script) and not moved:
        return "what git config --global writes"
    if re.search(r"\buv (sync|venv|run)\b", script) and (
        not _has_python(container) or _wants_another(container, state)
    ):
        return "the Python that uv loads where the image has none"
    return "what RUN puts there" if ROOT_HOME.search(script) and not moved else ""


def _has_python(container: Container) -> bool:
    """Whether uv finds a Python, or is told where to put one."""
    image = container.stage.root.image
    moved = any(
        name in container.values for name in ("UV_PYTHON_INSTALL_DIR", "UV_PYTHON_DOWNLOADS", "UV_NO_MANAGED_PYTHON")
    )
    installed = any(re.search(r"\bpython3?\b", s.instruction.script) for s in container.acting("RUN"))
    return image is None or "py" in str(image) or moved or installed


def _wants_another(container: Container, state: State) -> bool:
    """Whether uv is told to use a Python that the image does not have, and then loads it."""
    image = container.stage.root.image
    there = re.match(r"\d+\.\d+", image.tag if image is not None and image.tag else "")
    wanted = re.search(r"(?:--python|-p)[ =]\D{0,8}(\d+\.\d+)", state.instruction.script)
    said = wanted[1] if wanted is not None else state.values.get("UV_PYTHON") or ""
    moved = "UV_PYTHON_INSTALL_DIR" in container.values
    return bool(said) and not moved and there is not None and not said.startswith(there[0])


def _closed_mode(container: Container, state: State, folders: Folders) -> str:
    """What gives a mode with which the process could not do what root can, whom no mode keeps from reading and writing:
    others lack what the owner may, where that stays root; else the owner lacks it."""
    instruction = state.instruction
    flag = instruction.flag("chmod")
    own = is_within(state.target, folders.all)
    if flag is not None and re.fullmatch(r"[0-7]{3,4}", flag.value) and (own or not instruction.flag("chown")):
        taken = (posixpath.normpath(source) for source in local_sources(instruction))
        is_folder = any(source == "." or source in container.build.folders for source in taken)
        return flag.text if _is_closed(flag.value, own=own, is_folder=is_folder) else ""
    # https://docs.docker.com/reference/dockerfile/#adding-files-from-a-url
    loaded = instruction.op == "ADD" and any(re.match("https?://", source) for source in instruction.args[:-1])
    if loaded and flag is None and not own:
        return f"ADD {instruction.args[0]}"
    for command in state.script.commands if instruction.op == "RUN" else ():
        words = [expanded(word.text, state.values) or word.text for word in command.argv]
        at = next((at for at, word in enumerate(words) if posixpath.basename(word) == "chmod"), None)
        if at is None:
            continue
        recursive = at > 0 or command.has("-R", "--recursive")  # `find … -exec chmod`
        given = [word for word in words[at + 1 :] if not re.match(r"-(?![rwxXst]+$)", word)]
        mode = given[0] if given else ""
        for said in given[1:]:
            path = posixpath.normpath(posixpath.join(state.folder, said))
            if path.startswith(("/etc/", "/root", "/var/lib/apt")):
                continue
            own = is_within(path, folders.all)
            if _is_closed(mode, own=own, is_folder=recursive or path in _folders_known(container)):
                return f"chmod {mode} {said}"
    return ""


def _folders_known(container: Container) -> set[str]:
    """Folders of the image: those that are entered, made, or copied to as such."""
    found = {state.folder for state in container.states}
    for state in container.acting("RUN"):
        found.update(folders_made(state.script, state.values, state.folder))
    for state in container.acting("COPY", "ADD"):
        for source in local_sources(state.instruction):
            below = (path for path in container.build.folders if source == "." or is_within(path, (source,)))
            found.update(
                posixpath.normpath(posixpath.join(state.target, posixpath.relpath(each, source))) for each in below
            )
    return found


_LACKS = re.compile(r"(?P<who>[ugoa]*)(?P<how>[-=+])(?P<what>[rwxXst]*)")


def _is_closed(mode: str, *, own: bool, is_folder: bool) -> bool:
    """Whether a mode keeps out the owner of a file or folder (`own`), else everybody but its owner."""
    if re.fullmatch(r"[0-7]{3,4}", mode):
        owner, others = int(mode[-3]), int(mode[-1])
        if own:
            return owner != 7 if is_folder else not owner & 4
        return bool(owner & ~others & 5) or others < 4
    for each in mode.split(","):
        found = _LACKS.fullmatch(each)
        if found is None:
            continue
        who, how, what = found["who"], found["how"], set(found["what"])
        if own:
            takes = (how == "-" and what & {"r", "w", "x"}) or (how == "=" and not {"r", "w"} <= what)
            if is_folder and takes and (not who or set(who) & {"u", "a"}):
                return True
            continue
        least = who and not set(who) & {"o", "a"}
        if (how == "-" and (not least or "g" in who) and what & {"r", "x"}) or (least and how == "+" and "x" in what):
            return True
        if how == "=" and "u" in who and least:
            return True
    return False


def _belongs_to_root(mount: Mount, program: Program, options: Options) -> Blocked | None:
    """What is mounted of the host that only root may use there."""
    where = f"{program.path} mounts {mount.source} of the host into {program.name!r}"
    said = also_mounted(options, mount)
    if mount.bind and SOCKET.search(mount.source):
        return Blocked(
            f"{where}: the socket of a service, which belongs to root or to a group of the host",
            "leave it; or give the user that group (group_add), then say so",
            said,
        )
    if mount.bind and OF_THE_SYSTEM.match(mount.source) and not FOR_EVERYBODY.match(mount.source):
        return Blocked(
            f"{where}: a part of its system, which belongs to root",
            "leave it; or let the user use it, then say so",
            said,
        )
    return None


def folder_breaks(container: Container, folders: Folders, options: Options) -> Blocked | None:
    for job in container.build.jobs:
        # https://docs.github.com/en/actions/reference/workflows-and-actions/dockerfile-support#user
        told = job.container.options if job.container is not None else ""
        if not re.search(r"--user[ =]|(^|\s)-u[ =]?\w", told):
            return Blocked(
                f"job {job.id} of {job.workflow.source.path} runs its steps in it, where only root can write to what "
                "GitHub mounts",
                "give that job `options: --user root` beside its image, or an image of its own",
            )
    for program in (*container.build.runners, *container.build.called):
        where = f"{program.path} gives {program.name!r}"
        if program.rights == "devices of the host":
            return Blocked(f"{where} devices of the host, which belong to root", "leave it, or use group_add")
        if program.rights:
            return Blocked(f"{where} {program.rights} on purpose", "leave it, or take them away")
        for mount in program.mounts:
            if mount.target not in options.mounted and (blocked := _belongs_to_root(mount, program, options)):
                return blocked
        if any(is_within(mount.target, ("/root",)) for mount in program.mounts):
            return Blocked(
                f"{program.path} mounts something into /root of {program.name!r}, which only root can enter",
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
    shared = next((path for path in folders.data if path in SYSTEM - EMPTY or is_within(path, ("/root",))), None)
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


def start_breaks(container: Container, folders: Folders, options: Options) -> Blocked | None:
    """What the programs that the container starts need."""
    if not container.commands and not container.unfollowed:
        return Blocked(
            "neither the Dockerfile nor a compose file says what the container starts, so what it needs is not known",
            "leave a base image or a box of tools; else write the command as CMD",
        )
    if container.commands and all(IDLE.fullmatch(each.source) for each in container.commands):
        return Blocked(
            f"the container starts only `{container.commands[0].source}`, so what it is for and needs is not known",
            "leave a base image or a box of tools; else write the command as CMD",
        )
    low_ports = options.low_ports
    for program in container.build.runners if not low_ports else ():
        low = next((port for port in program.ports if 0 < port < 1024), None)
        if low is not None:
            return _low_port(low, f"{program.name!r} of {program.path} publishes it")
        for value in program.environment.values:
            given = natural(value.text or "") if names_its_port(value.name) else None
            if given is not None and 0 < given < 1024:
                return _low_port(given, f"{value.place}: {value.name} says it")
    for reason in container.unfollowed:
        return Blocked(
            f"{reason}: what it needs is not known",
            "look at what it writes and whether it needs root, then add USER by hand",
        )
    for program in container.build.programs:
        for started in (*program.calls, *program.commands):
            blocked = _command_breaks(container, program, started, folders, low_ports=low_ports)
            if blocked is not None:
                return blocked
    for program in (*container.build.called, *container.build.told):
        if program.user:
            continue
        for started in program.commands:
            if reason := needs_root((started.command,), folders.all, _values(container, program, started)):
                return Blocked(f"{started.path}:{started.line}: {reason}", "let that go on with `--user root`")
    for name, text in container.settings:
        if not text:
            return Blocked(
                f"the settings {name} of the server are not in the repository: what it writes is not known",
                "look at what it writes and whether it changes its user, then add USER by hand",
            )
        if reason := settings_need_root(text, folders.all):
            return Blocked(f"{name}: {reason}", "take that out, or leave it")
    return None


def _values(container: Container, program: Program, started: Started) -> dict[str, str | None]:
    """What variables say where a command runs: those of its script, of who starts it, of the image; where none of them
    knows one, what others say who start it."""
    others = (value for other in container.build.runners for value in other.environment.values)
    said = {value.name: value.text for value in others if value.text is not None}
    said |= {name: text for name, text in container.values.items() if text is not None}
    # The strongest comes first.
    said |= {value.name: value.text for value in reversed(program.environment.values) if value.text is not None}
    values: dict[str, str | None] = {**said}
    for value in started.exported:
        values[value.name] = expanded(value.text, values) if value.text is not None else None
    return values


def _command_breaks(
    container: Container, program: Program, started: Started, folders: Folders, *, low_ports: bool
) -> Blocked | None:
    """What one command needs root for, or looks for in root's home."""
    where = f"{started.path}:{started.line}"
    words = [_known(word.text, container) for word in started.command.words]
    port = low_port(words)
    if port is not None and not low_ports:
        return _low_port(port, where)
    if reason := needs_root((started.command,), folders.all, _values(container, program, started)):
        return Blocked(f"{where}: {reason}", "leave it, or do that elsewhere")
    if not folders.roots and keeps_schedule(started.command):
        return Blocked(
            f"{where}: celery's beat keeps its schedule in the folder where it starts, which belongs to root",
            "name a file in a folder of the user with --schedule",
        )
    if (runner := runner_in_home(started.source, container.values)) is not None:
        tool, variable = runner
        moving = f"set {variable} in ENV before that is loaded, or " if variable else ""
        return Blocked(
            f"{where}: `{tool}` looks for what it needs in the home of its user",
            f"{moving}start the program itself",
        )
    manager = re.search(r"(^|[\s;&|])(pnpm|yarn) ", started.source)
    if manager and "COREPACK_HOME" not in container.values and _uses_corepack(container):
        return Blocked(
            f"{where}: corepack keeps {manager[2]} in root's home, and another user would load it again",
            "set COREPACK_HOME in ENV before corepack is used, or start the program itself",
        )
    return None


def _uses_corepack(container: Container) -> bool:
    return any("corepack" in state.instruction.script for state in container.acting("RUN"))


def _known(word: str, container: Container) -> str:
    return expanded(word, container.values) or word
