"""The container of an image that is shipped runs as root.

## Why
A process that is taken over can do in its container what its user can. As root it can change every file of the image
and of what is mounted, and a flaw in the kernel or the engine makes it root of the host.

The fix takes the user that the image brings (`node`), or one that the Dockerfile makes already, or makes one. What the
process writes to becomes that user's: the working folder, what is copied there, folders made for data, volumes, and
what Django's settings and Python code name outside of it. USER gets the number where it is known, since Kubernetes'
`runAsNonRoot` cannot check a name. Every stage that a workflow, script or compose file builds by its name counts.

Another user is *safe* only where all that runs the image is seen: compose files, manifests of Kubernetes and other
platforms. Where the sources are mounted from the host, development goes on as root (`user: root`), since files keep
their owner there; where data of the host is mounted the fix is blocked until `mounted` says that the user may write.

## When it is left alone
Files and final stages for development, tests, dev containers and the forge itself (`.github/`), unless
`development = true` includes them; GitHub's own container actions, images for AWS Lambda and Windows, and images that
start nothing and are only unpacked (`FROM scratch`) or built upon (`Dockerfile.base`), and programs of the command line
into which the documentation mounts the current folder; images that are only started as a user that a compose file or a
manifest names. Where another user in the image would be for nobody, since all that starts it goes on as root, and where
the container would break it is reported with the reason:
a port below 1024, an image or script that starts as root on purpose, files in root's home, an unknown base image, a
compose file or manifest that may start it and cannot be read, such as a template.
"""

import re
from collections.abc import Iterator

from fixer.django.project import DjangoProject
from fixer.docker.images import FAMILIES, ROOT, BaseImage, base_image, made_up
from fixer.docker.privileges import is_within
from fixer.documents import DEVELOPMENT
from fixer.languages.dockerfile import Dockerfile, Stage
from fixer.languages.toml import toml_value
from fixer.model import Blocked, Finding, Fix, Rule
from fixer.runtime.builds import ImageBuild, ImageBuilds
from fixer.runtime.fixed_places import FixedPlace, FixedPlaces
from fixer.runtime.programs import Kind
from fixer.runtime.states import Container, State
from transforms.docker.root_user.breaks import folder_breaks, instruction_breaks, start_breaks
from transforms.docker.root_user.folders import NEVER_GIVEN, folders_of, named_by_settings, written_by_code
from transforms.docker.root_user.handover import handed_over_to_a_user
from transforms.docker.root_user.options import Options

# Images that others are made from, which say who runs them.
BASES = re.compile(r"(^|[/._-])(base|builder)([/._-]|$)", re.IGNORECASE)
# A command of the documentation that mounts the folder it is called in.
RUN_HERE = re.compile(
    r"\b(docker|podman) run\b(?:[^\n\\]|\\\n)*?(-v|--volume|--mount)[ =]?[\"']?(type=bind,)?((src|source)=)?"
    r"[\"']?(\$\{?PWD\b|\$\(pwd\)|`pwd`|%cd%|\.[:/]|\$\{?HOME\b|~/)"
)


def check(
    dockerfile: Dockerfile,
    builds: ImageBuilds,
    django: DjangoProject | None,
    places: FixedPlaces | None,
    options: Options,
) -> Iterator[Finding]:
    for build in builds.of(dockerfile.source.path):
        container = Container(build)
        runs_django = any(program.is_django for program in build.programs)
        named = tuple(named_by_settings(django, container)) if django is not None and runs_django else ()
        written = tuple(written_by_code(places, container))
        yield from _of_image(container, builds, named, written, options)


def _of_image(
    container: Container,
    builds: ImageBuilds,
    named: tuple[str, ...],
    written: tuple[FixedPlace, ...],
    options: Options,
) -> Iterator[Finding]:
    build, stage = container.build, container.stage
    if build.is_action:
        return
    if not options.development and (DEVELOPMENT.search(build.path) or DEVELOPMENT.search(stage.name)):
        return
    starts = stage.last("CMD", "ENTRYPOINT") is not None
    if not starts and (stage.root.base == "scratch" or (BASES.search(build.path) and not build.runners)):
        return
    image = _image(stage, options)
    users = list(container.acting("USER"))
    if users and users[-1].user not in ROOT:
        return
    if image is not None and (image.family == "windows" or (not users and image.runs_as not in ROOT)):
        return
    if _is_tool(container, builds) or _is_told(build):
        return
    below = builds.named(container.stage.root.start.words[0].text) if image is None else None
    if below is not None and (last := below.image.stage.last("USER")) is not None and last.text not in ROOT:
        return
    place = users[-1].instruction if users and users[-1].stage is stage else stage.start
    meant = _is_meant(container, users[-1]) if users else None
    cure = meant or (
        _made_here(below) if below is not None else _cure(container, builds, image, named, written, options)
    )
    yield Finding(build.path, place.span, _message(container, users, image, below), cure)


def _made_here(below: ImageBuild) -> Blocked:
    """A base image that the repository builds itself."""
    return Blocked(
        f"it is made from the image of {below.path}, and what that one makes and installs is for both",
        "make the user there, and add USER to both by hand",
    )


def _message(container: Container, users: list[State], image: BaseImage | None, below: ImageBuild | None) -> str:
    shipped = f"the stage {container.stage.name!r}" if container.stage is not container.dockerfile.final else "it"
    who = "the container" if shipped == "it" else f"the container of {shipped}"
    if users:
        return f"{who} runs as root: the last USER is {users[-1].instruction.text}"
    if below is not None:
        return f"{who} runs as root: {shipped} has no USER, and neither has {below.path}, from which it is made"
    if image is None:
        base = container.stage.root.start.words[0].text
        return (
            f"nothing says that {who} does not run as root: {shipped} has no USER, and whom {base} runs as is not known"
        )
    for stage in container.dockerfile.stages:
        if stage in container.stage.chain or stage.index > container.stage.index:
            continue
        if any(instruction.op == "USER" for instruction in stage.instructions):
            name = stage.name or str(stage.index)
            return f"{who} runs as root: USER stands in stage {name!r}, which the final stage is not made from"
    return f"{who} runs as root: {'the final stage' if shipped == 'it' else 'it'} has no USER"


def _is_meant(container: Container, user: State) -> Blocked | None:
    """What people wrote wins: a comment at `USER root` that says why."""
    instruction = user.instruction
    said = container.dockerfile.comment_above(instruction)
    if user.stage is not container.stage or not re.search(r"\broot\b", said, re.IGNORECASE):
        return None
    line = container.dockerfile.line(instruction)
    return Blocked(
        f"line {line}: the comment above says that it is root on purpose",
        "leave it, with `# fhfix: ignore[root-user]` above; or start as root and go on as another user (setpriv, gosu)",
    )


def _is_tool(container: Container, builds: ImageBuilds) -> bool:
    """A program of the command line that works on folders of its caller, as whom it then must run: it serves nothing,
    and the documentation mounts the current folder into it."""
    serves = any(each.kind in (Kind.SERVER, Kind.WORKER) for each in container.commands)
    if serves or next(iter(container.acting("EXPOSE")), None) is not None or container.build.runners:
        return False
    return any(RUN_HERE.search(text) for _, text in builds.documentation)


def _is_told(build: ImageBuild) -> bool:
    """Whether every file that starts the image names another user than root, and nobody gets it from elsewhere."""
    pushed = any(made.origin == "workflow" for made in build.image.builds)
    users = [program.user.partition(":")[0] for program in build.runners]
    return bool(users) and not pushed and not any(user in ("", *ROOT) for user in users)


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


def _cure(
    container: Container,
    builds: ImageBuilds,
    image: BaseImage | None,
    named: tuple[str, ...],
    written: tuple[FixedPlace, ...],
    options: Options,
) -> Fix | Blocked:
    base = container.stage.root.start.words[0].text
    if image is None:
        return Blocked(
            f"it is not known which users and tools the image {base} has",
            "say its family (debian, alpine, redhat, none), or the user that it runs as",
            f'rules.root-user.images.{toml_value(base)} = "{"alpine" if "alpine" in base else "debian"}"',
        )
    unpacked = (s for s in container.acting("ADD") if s.target == "/" and ".tar" in " ".join(s.instruction.args))
    if container.stage.root.base == "scratch" and next(unpacked, None):
        return Blocked("it is a base image: images that are made from it need root to be built", "leave it")
    if image.keeps_root:
        return Blocked(f"{base}: {image.keeps_root}", image.instead)
    heir = next((other for other in container.dockerfile.stages if container.stage in other.chain[:-1]), None)
    if heir is not None:
        return Blocked(
            f"{heir.name or heir.index} is made from the stage {container.stage.name!r}, and would run its commands as "
            f"that user too",
            "add USER to both by hand",
        )
    owned = (each.folder for each in written if not is_within(each.folder, NEVER_GIVEN))
    folders = folders_of(container, (*named, *owned), options)
    for each in written:
        if each.surely and is_within(each.folder, NEVER_GIVEN) and not is_within(each.folder, folders.all):
            return Blocked(
                f"{each.path}:{each.line} writes to {each.place}, where only root may",
                "let it write to a folder of its own, or leave the container as it is",
            )
    made = builds.made_from(container.build)
    if made is not None:
        return Blocked(
            f"{made.path} is made from this image, and would run its commands as that user too",
            "add USER to both by hand",
        )
    for unread in builds.unread_by(container.build):
        return Blocked(
            f"{unread.path} {unread.reason}: what it mounts into the container, and as whom it starts it, is not known",
            "look at that, then add USER by hand",
        )
    for state in container.states:
        blocked = instruction_breaks(container, state, folders, options)
        if blocked is not None:
            return blocked
    return (
        folder_breaks(container, folders, options)
        or start_breaks(container, folders, options)
        or handed_over_to_a_user(container, builds, image, folders, options)
    )


def _ships_images(dockerfile: Dockerfile, builds: ImageBuilds) -> bool:
    """Whether an image is made for more than development, tests and the forge."""
    return any(
        not build.is_action and not DEVELOPMENT.search(build.path) for build in builds.of(dockerfile.source.path)
    )


RULE = Rule(
    __name__,
    "A container runs as root",
    check,
    audit=("D-011.1",),
    criterion="Images do not run as root",
    hours=(1, 1),
    applies=_ships_images,
    security=True,
)
