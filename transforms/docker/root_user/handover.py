"""The fix: a user, its folders, and the change to it."""

import posixpath
import re
from collections.abc import Iterable, Iterator, Set

from fixer.docker.images import ROOT, BaseImage
from fixer.docker.privileges import User, folders_made, is_within
from fixer.languages.dockerfile import Dockerfile, Instruction, New, expanded
from fixer.languages.shell import path_word
from fixer.model import Blocked, Fix, Parts, Tier, listed
from fixer.runtime.builds import ImageBuilds
from fixer.runtime.states import Container, State
from fixer.scripts import Quoted, ScriptText
from transforms.docker.root_user.building import MANIFESTS, builds_as_user, caches_of_root, moved, not_made_later
from transforms.docker.root_user.folders import Folders, topmost
from transforms.docker.root_user.options import Options
from transforms.docker.root_user.runners import kept_working, on_sources, todo_of

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


# Users of an image that have a number and no home of theirs.
SYSTEM_USERS = {("nobody", "debian"): "65534", ("nobody", "alpine"): "65534", ("www-data", "debian"): "33"}


def handed_over_to_a_user(
    container: Container, builds: ImageBuilds, image: BaseImage, folders: Folders, options: Options
) -> Fix | Blocked:
    back = _back_to_root(container)
    if back is not None:
        return Blocked(
            f"line {container.dockerfile.line(back)} changes back to root for what is started, after a part as another"
            " user: that may be meant",
            "leave that line out if what is started needs no root",
        )
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
    if create and (maker := _makes_unknown_users(user.name, container)) is not None:
        return Blocked(
            f"line {container.dockerfile.line(maker)} makes a user or group whose name is not known, or is {user.name}",
            "change to that user by USER, by hand",
        )
    for name in (user.id, user.name, user.owner):
        if isinstance(odd := path_word(name), Blocked):
            return odd
    blocked = _cannot_be_owner(user, container, image, folders, shell=shell)
    if blocked is not None:
        return blocked
    steps = _create(user, image.family) if create else []
    parts = _handed_over(user, container, folders, made, steps, shell=shell)
    mounted = kept_working(container, builds, folders, user, options)
    if isinstance(mounted, Blocked):
        return mounted
    parts += mounted
    todo = todo_of(container, builds, folders, user)
    number = f" ({user.id})" if user.id and user.id != user.name else ""
    effects = [f"the container runs as {user.name}{number} instead of root"]
    if shell and folders.all:
        effects.append(f"{listed(folders.all)} {'belong' if len(folders.all) > 1 else 'belongs'} to {user.name}")
    title = f"make the user {user.name}{number} and run as it" if create else f"run as {user.name}{number}"
    if mounted:
        developing = on_sources(container, folders)
        names = listed(f"{each.name!r} of {each.path}" for each in developing)
        many = len(developing) > 1
        verb, them = ("go on", "them") if many else ("goes on", "it")
        effects.append(f"{names} {verb} as root, since the sources of the host are mounted into {them}")
    review = todo or mounted
    return Fix.of(title, *parts, tier=Tier.REVIEW if review else Tier.SAFE, effects=effects, todo=todo)


def _makes_unknown_users(name: str, container: Container) -> Instruction | None:
    """The RUN that may make a user or group of this name, which then cannot be made again."""
    for state in container.acting("RUN"):
        for command in state.script.commands:
            if command.name in ("useradd", "adduser", "groupadd", "addgroup"):
                words = [expanded(word.text, state.values) for word in command.args]
                if None in words or name in words:
                    return state.instruction
    return None


def _cannot_be_owner(
    user: User, container: Container, image: BaseImage, folders: Folders, *, shell: bool
) -> Blocked | None:
    """Why this user cannot have what the process needs. `shell`: whether the image can run commands for that."""
    if not shell and folders.data:
        return Blocked(
            f"the image has no program that could give {folders.data[0]} to another user",
            "COPY an empty folder there with --chown from a stage that has a shell",
        )
    if not shell and image.user == "" and container.stage.root.base != "scratch":
        return Blocked(
            "the image has no program that makes users",
            "make the user in a stage that has one, and COPY /etc/passwd from there",
        )
    if not user.home and "UV_NO_CACHE" not in container.values and _starts_uv(container):
        return Blocked(
            f"uv keeps its cache in the home of its user, and {user.name} has none",
            "make the user with --create-home, or start the program itself",
        )
    return None


def _handed_over(
    user: User,
    container: Container,
    folders: Folders,
    made: Instruction | None,
    steps: list[ScriptText],
    *,
    shell: bool,
) -> list[Parts]:
    """The edits that give the folders to the user and change to it; `steps` are commands that make it first."""
    dockerfile, parts = container.dockerfile, list[Parts]()
    # Kubernetes can only check a number.
    known = user.said if user.said and made is not None and made in container.stage.instructions else user.id
    name = user.name if user.said and known != user.said else known or user.name
    if _has_all(user, container, folders):
        return _set_user(container, [], name)
    late = shell and _written_late(container, folders, made)
    home = f"/home/{user.name}" if made is None and user.id and user.home else ""
    early = builds_as_user(container, folders, made, home, has_home=user.home) if late else None
    if early is not None:
        copies = _copies(container, folders, since=early)
        kept = not_made_later(container, folders, early)
        given = _give(user, container, kept, early, recursive=False, copied={state.target for state in copies})
        parts.append(dockerfile.insert_before(early, *_run([*steps, *given]), New("USER", name)))
        for state in copies:
            owner = user.numeric if state.instruction.flag("link") is not None else user.owner
            parts.append(dockerfile.set_flag(state.instruction, "chown", owner))
        for instruction in container.stage.instructions[container.stage.instructions.index(early) :]:
            for flag, path in caches_of_root(instruction):
                parts.append(dockerfile.change_flag(instruction, flag, moved(flag, path, home, user.id)))
        return parts
    copies = [] if late else _copies(container, folders)
    first = copies[0].instruction if copies else None
    final = _last_acting(container)
    # Builders other than BuildKit drop what changes in a volume after it is declared.
    volume = next((s for s in container.acting("VOLUME") if shell and folders.data), None)
    if volume is not None and final.op == "USER" and final.index < volume.instruction.index:
        volume = None  # the folders are given away above that USER, so above the volume
    if volume is not None and (first is None or volume.instruction.index < first.index):
        if volume.stage is not container.stage or (made is not None and made.index > volume.instruction.index):
            blocked = Blocked(
                f"line {dockerfile.line(volume.instruction)}: the volume is declared before {user.name} can own it",
                "make the user and chown the folder before VOLUME",
            )
            return [blocked]
        at_once = first is not None and not _makes_folders(container, volume.instruction, first)
        now = folders if at_once else Folders((), folders.data)
        given = _give(user, container, now, volume.instruction, recursive=False)
        if run := _run([*steps, *given]):
            parts.append(dockerfile.insert_before(volume.instruction, *run))
        folders, steps = Folders(() if at_once else folders.roots, ()), []
    place = _apart_from_run(container, first, made) if first is not None else None
    if shell:
        steps = [*steps, *_give(user, container, folders, place, recursive=late)]
    run = _run(steps)
    if place is not None and run:
        parts.append(dockerfile.insert_before(place, *run))
        run = []
    for state in copies:
        # With --link, names of users cannot be looked up: https://docs.docker.com/reference/dockerfile/#copy---link
        numeric = state.instruction.flag("link") is not None or not shell
        parts.append(dockerfile.set_flag(state.instruction, "chown", user.numeric if numeric else user.owner))
    return [*parts, *_set_user(container, run, name if shell else user.numeric)]


def _makes_folders(container: Container, start: Instruction, end: Instruction) -> bool:
    """Whether what stands between two instructions makes folders, or enters one."""
    between = [each for each in container.stage.instructions if start.index < each.index < end.index]
    return any(each.op == "WORKDIR" or re.search(r"\bmkdir\b|\binstall -d\b", each.script) for each in between)


def _apart_from_run(container: Container, first: Instruction, made: Instruction | None) -> Instruction:
    """Where the folders are given away: before what is copied first, or right below the working folder where a RUN
    stands above that; two RUN in a row are one layer more than needed."""
    own = container.stage.instructions
    above = [each for each in own if each.index < first.index]
    if not above or above[-1].op != "RUN":
        return first
    entered = next((at for at in range(len(above) - 1, -1, -1) if above[at].op == "WORKDIR"), None)
    between = above[entered + 1 :] if entered is not None else []
    makes = bool(between) and _makes_folders(container, between[0], first)
    known = made is None or made.index < (between[0].index if between else 0)
    return between[0] if between and between[0].op == "COPY" and known and not makes else first


def _run(steps: list[ScriptText]) -> list[New]:
    return [New("RUN", ScriptText.joined("\n&& ", steps))] if steps else []


def _existing(container: Container, image: BaseImage) -> tuple[User | None, Instruction | None]:
    """A user that is there, with the instruction that makes it: the last that the Dockerfile changes to or gives files
    to, else one that it makes, else the image's."""
    # Whom files are given to must be there, and is whom the process was meant to run as.
    used = [
        owner.partition(":")[0]
        for state in container.acting("COPY", "ADD")
        if (flag := state.instruction.flag("chown")) and (owner := expanded(flag.value, state.values))
    ]
    used += [owner for owner, path in _chowned(container.states) if is_within(container.folder, (path,))]
    used = [name for name in [*used, *(state.user for state in container.acting("USER"))] if name not in ROOT]
    for name in [*reversed(used), *(user.name for user, _ in container.users)]:
        for user, state in container.users:
            if name in (user.name, user.id):
                return user, state.instruction
        if name in (image.user, str(image.id)):
            break
        if name in used and "$" not in name:
            known = SYSTEM_USERS.get((name, image.family), "")
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


_ADDED = {
    "alpine": (ScriptText.of("addgroup -g @id@ @name@"), ScriptText.of("adduser -D -u @id@ -G @name@ @name@")),
    "": (
        ScriptText.of("groupadd --gid @id@ @name@"),
        ScriptText.of("useradd --uid @id@ --gid @name@ --create-home @name@"),
    ),
}
"""What makes a user and its group; on Alpine by busybox."""


def _create(user: User, family: str) -> list[ScriptText]:
    number, name = _word(user.id), _word(user.name)
    return [each.filled(id=number, name=name) for each in _ADDED.get(family, _ADDED[""])]


def _word(name: str) -> Quoted:
    """A name that was looked at before: of a user, or a folder of an image."""
    made = path_word(name)
    assert isinstance(made, Quoted), f"{name!r} is no word"
    return made


_ALL_GIVEN = ScriptText.of("chown -R @owner@ @paths@")


def _give(
    user: User,
    container: Container,
    folders: Folders,
    before: Instruction | None,
    *,
    recursive: bool,
    copied: Set[str] = frozenset(),
) -> list[ScriptText]:
    """Commands that give the folders to the user, at this place (None: at the end); `copied` are folders that a COPY
    makes for the user later."""
    reached = [s for s in container.states if before is None or s.instruction.index < before.index]
    places = [state.folder for state in reached if state.instruction.op == "WORKDIR"]
    made: list[str] = []
    there = [*places, *(state.target for state in reached if state.instruction.op in ("COPY", "ADD") and state.target)]
    for state in reached:
        if state.instruction.op == "RUN" and re.search(r"\bmkdir\b|\binstall\b", state.instruction.script):
            made += folders_made(state.script, state.values, state.folder)
            if "rm -" not in state.instruction.script:
                there += folders_made(state.script, state.values, state.folder, surely=True)
    later = container.folder if container.folder in there or container.folder not in copied else ""
    entered = [path for path in (*places, later) if path and is_within(path, folders.roots)]
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
    steps = [ScriptText.of("mkdir -p @paths@", paths=_words(missing))] if missing else []
    owner = _word(user.owner)
    if recursive:
        return [*steps, _ALL_GIVEN.filled(owner=owner, paths=_words(topmost(folders.all)))] if folders.all else steps
    already = set(_given_already(user, reached))
    if own := [path for path in roots if path not in already]:
        steps.append(ScriptText.of("chown @owner@ @paths@", owner=owner, paths=_words(own)))
    if given := [path for path in topmost([*folders.data, *inside]) if not is_within(path, already)]:
        steps.append(_ALL_GIVEN.filled(owner=owner, paths=_words(given)))
    return steps


def _words(paths: Iterable[str]) -> ScriptText:
    return ScriptText.joined(" ", map(_word, paths))


def _given_already(user: User, reached: Iterable[State]) -> Iterator[str]:
    """Folders that a chown of the Dockerfile gives to the user, with all that is in them."""
    return (path for owner, path in _chowned(reached) if owner == user.name)


def _has_all(user: User, container: Container, folders: Folders) -> bool:
    """Whether the Dockerfile itself gives the user everything, once nothing is added to the folders any more."""
    states = container.states
    adding = [
        at
        for at, state in enumerate(states)
        if state.instruction.op in ("COPY", "ADD")
        or (state.instruction.op == "RUN" and not _only_installs(state, folders, before=False))
    ]
    given = [*_given_already(user, states[max(adding, default=-1) + 1 :])]
    return bool(folders.all) and all(is_within(path, given) for path in folders.all)


def _chowned(states: Iterable[State]) -> Iterator[tuple[str, str]]:
    """The names of users, and the folders that `chown -R` gives them with all that is in them."""
    for state in states:
        for command in state.script.commands if "chown" in state.instruction.script else ():
            owner, *paths = [word.text for word in command.args if not word.text.startswith("-")] or [""]
            if command.name == "chown" and command.has("-R", "--recursive"):
                name = owner.partition(":")[0]
                yield from ((name, posixpath.normpath(posixpath.join(state.folder, path))) for path in paths)


def _copies(container: Container, folders: Folders, *, since: Instruction | None = None) -> list[State]:
    """What is copied into the application's folders, but for lists of what to install; from an instruction on also
    these, since somebody who is not root installs there, and may bring them up to date."""
    return [
        state
        for state in container.acting("COPY", "ADD")
        if not state.instruction.flag("chown")
        and is_within(state.target, folders.all)
        and (
            (since is not None and state.instruction.index >= since.index)
            or not all(MANIFESTS.search(source) for source in state.instruction.args[:-1])
        )
    ]


def _written_late(container: Container, folders: Folders, made: Instruction | None) -> bool:
    """Whether ownership can only be set at the end, for everything: files come from stages that this one is made from,
    from commands after they are copied, or before the user is there."""
    copies = _copies(container, folders)
    if any(WRITES_BESIDE.search(started.source) for started in container.started):
        return True
    if copies:
        first = copies[0]
        if any(state.stage is not container.stage for state in copies) or first.user not in ("", *ROOT):
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
        if command.name == "mkdir" and command.has("-p", "--parents") and paths and {*paths} <= {*folders.data}:
            continue  # they are there already, given to the user
        if paths and all(path.startswith("/") and not is_within(path, folders.all) for path in paths):
            continue
        return False
    return True


def _set_user(container: Container, run: list[New], name: str) -> list[Parts]:
    """USER after the last instruction that needs root; in the place of a `USER root` that nothing follows."""
    dockerfile, final, last = container.dockerfile, container.stage, _last_acting(container)
    if last.op == "USER":
        return [*([dockerfile.insert_before(last, *run)] if run else []), dockerfile.set_body(last, name)]
    following = [i for i in final.instructions if i.index > last.index]
    start = next((i for i in following if i.op in ("CMD", "ENTRYPOINT")), None)
    new = [*run, New("USER", name)]
    if start is not None:
        return [dockerfile.insert_before(start, *new)]
    return [dockerfile.insert_after(following[-1] if following else last, *new)]


def _last_acting(container: Container) -> Instruction:
    stage = container.stage
    acting = [each for each in stage.instructions if each.op in ("RUN", "COPY", "ADD", "WORKDIR", "USER")]
    return acting[-1] if acting else stage.start


def _back_to_root(container: Container) -> Instruction | None:
    """The `USER root` that nothing but what is started follows, where the build had changed to another user."""
    last = _last_acting(container)
    users = [state.user for state in container.acting("USER") if state.stage is container.stage]
    return last if last.op == "USER" and any(user not in ROOT for user in users) else None


def _starts_uv(container: Container) -> bool:
    return any(re.search(r"(^|[\s;&|])uvx? ", started.source) for started in container.started)
