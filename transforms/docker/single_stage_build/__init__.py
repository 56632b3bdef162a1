"""An image keeps the compilers with which its Python packages were installed, or what its pages were built with.

## Why
An application that runs needs no compiler. It makes the image two to three times as large (672 instead of 327 MB for a
small Django project with psycopg2), every pull and start slower, and it is there for whoever gets in.

The install moves to a first stage, into a virtual environment: everything up to it stays as it is, and is called
`builder`. The second stage starts from the same image, installs the packages that do more than compile and the shared
libraries of what was compiled (`libpq5` for `libpq-dev`), copies the environment to the *same* path, since its scripts
name it, and goes on as before.

A front end in Next.js whose image builds it and serves it keeps all modules of development: 359 MB of them, where the
traced server has 61. Next.js is told to trace (`output: "standalone"`), and the second stage gets the traced server,
the files of `.next/static`, without which a page comes without its scripts, and `public`. `HOSTNAME` is set since that
server listens on it, and Docker sets it to the container's name.

## When it is left alone
Images for development and tests; images without a compiler, where a second stage would make them larger by what a
virtual environment holds; a `RUN` that takes its compilers away again; `python:3.12` without `-slim`, which brings
them itself; images that compile when they start, or that a compose file alone builds and starts for development.
Reported, not fixed: wheels that another stage has compiled already, a start by a login shell or cron, whose PATH is
not the image's, or with a PATH of its own, packages of which it is not known what programs need at run time, or which
need a compiler then, editable and user installs, other installers than pip, `poetry install --no-root` and `uv sync`,
GeoDjango on Alpine, and what else happens before the install. Of Next.js what its tracing may miss is reported, too: a
server of one's own, files that the code opens by path, Prisma, workspaces, other folders of output, a configuration
that is not plainly one object, and whatever else runs before the build, after it, or in the container.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain

from fixer.django.project import DjangoProject
from fixer.docker.images import base_image
from fixer.docker.packages import compiles, installed, is_for_compiling, name_of, removes
from fixer.docker.privileges import is_within
from fixer.documents import DEVELOPMENT
from fixer.languages.dockerfile import Dockerfile, Instruction, New, Stage
from fixer.languages.shell import Command
from fixer.model import Blocked, Finding, Fix, Level, Parts, Profile, Rule, Tier, joined, listed
from fixer.project.nextjs import NextApplications
from fixer.project.packages import PythonPackages
from fixer.runtime.builds import ImageBuild, ImageBuilds
from fixer.runtime.programs import Kind, django_verb
from transforms.docker.single_stage_build.installers import (
    VENV,
    brings_only,
    brings_wheels,
    installs_python,
    into_venv,
    is_of_installer,
    unknown_place,
)
from transforms.docker.single_stage_build.pages import pages_of, with_what_built_them
from transforms.docker.single_stage_build.second import builder_name, commands_of, repeated

_REQUIREMENTS = re.compile(r"requirements|constraints|\.(?:txt|in|toml|cfg|lock)$|^setup\.py$|Pipfile", re.IGNORECASE)
_INSTALLS_ELSEWHERE = {
    ("-e", "--editable"): "an editable install points to its sources",
    ("--user",): "a user's install belongs to one home",
    ("--target", "-t", "--prefix", "--root"): "it installs into a folder of its own",
}
_COMPILES = frozenset(("gcc", "g++", "cc", "make", "cmake", "cargo", "rustc"))
_OF_THE_SYSTEM = re.compile(r"/usr/local/(?:bin/(?:python|pip|gunicorn|uvicorn|daphne|celery|django)|lib/python)")
_LOGIN = re.compile(r"#![^\n]*sh[ \t]+(?:-[a-z]*l|--login)")
_RESETS_PATH = frozenset(("cron", "crond", "sudo"))
_SHELLS = frozenset(("sh", "ash", "bash", "dash", "zsh"))
_SCRIPT = re.compile(r"(^|/)[\w-]+(\.(sh|bash))?$")


# What needs a compiler, or a library that comes with one, when it runs.
_NEEDS_COMPILERS = {
    "lightgbm": "loads libgomp, which the compiler brings",  # https://github.com/microsoft/LightGBM/blob/master/python-package/README.rst
    "cmdstanpy": "compiles models when it runs",
    "pystan": "compiles models when it runs",
    "pymc": "compiles its models when it runs",
    "pymc3": "compiles its models when it runs",
    "pytensor": "compiles its functions when it runs",
    "theano": "compiles its functions when it runs",
    "triton": "compiles its kernels when it runs",
    "vllm": "compiles its kernels when it runs",
}


def check(
    dockerfile: Dockerfile,
    builds: ImageBuilds,
    pages: NextApplications | None,
    django: DjangoProject | None,
    packages: PythonPackages | None,
) -> Iterator[Finding]:
    for build in builds.of(dockerfile.source.path):
        stage = build.image.stage
        if stage is not dockerfile.final or stage.parent is not None or build.is_action:
            continue
        if DEVELOPMENT.search(build.path) or DEVELOPMENT.search(stage.name) or not _is_served(build):
            continue
        yield from with_what_built_them(dockerfile, stage, build, pages, builds.unread_by(build))
        pips = [each for each in stage.instructions if any(map(installs_python, commands_of(each)))]
        kept = list(_kept(stage))
        if not kept or not pips or _brings_compilers(stage) or _compiles_at_run_time(build):
            continue
        names = list(dict.fromkeys(name for _, names in kept for name in names))
        yield Finding(
            build.path,
            kept[0][0].span,
            f"the image keeps what its packages were compiled with: {listed(names)}",
            _looked_up(stage, build, django)
            or _needed_later(build, packages)
            or _cure(dockerfile, stage, pips, build, builds),
        )


def _is_served(build: ImageBuild) -> bool:
    """Whether it starts something, and not the development server alone."""
    pushed = any(made.origin == "workflow" for made in build.image.builds)
    served = [each for program in build.runners for each in program.commands if each.kind is Kind.SERVER]
    if not pushed and served and all(django_verb(each.argv) == "runserver" for each in served):
        return False
    if build.image.stage.last("CMD", "ENTRYPOINT") is None:
        return bool(build.runners) and not all(program.development for program in build.runners)
    own = [started for program in build.programs if program.origin == "dockerfile" for started in program.commands]
    return not any("runserver" in started.source for started in own)


def _kept(stage: Stage) -> Iterator[tuple[Instruction, list[str]]]:
    """The instructions that install compilers and leave them there, with what only serves to compile."""
    image = stage.image
    base = base_image(image) if image is not None else None
    for instruction in stage.instructions:
        commands = commands_of(instruction)
        if any(map(removes, commands)) or base is None:
            continue
        names = [name_of(word) for command in commands for word in installed(command)]
        if any(map(compiles, names)):
            yield instruction, [name for name in names if is_for_compiling(name, base.family)]


def _brings_compilers(stage: Stage) -> bool:
    """Whether the base is another image than a small one with Python, or a full one, which has compilers itself."""
    image = stage.image
    return image is None or image.name != "python" or re.search(r"slim|alpine", image.tag) is None


def _compiles_at_run_time(build: ImageBuild) -> bool:
    commands = [started.command for program in build.programs for started in program.commands]
    return any(command.name in _COMPILES or installs_python(command) for command in commands)


def _looked_up(stage: Stage, build: ImageBuild, django: DjangoProject | None) -> Blocked | None:
    """Python finds libraries by name with the help of a compiler where there is no `ldconfig`, as on Alpine.

    https://github.com/docker-library/python/issues/111
    """
    is_alpine = stage.image is not None and "alpine" in stage.image.tag
    is_said = any(each.op == "ENV" and "GDAL_LIBRARY_PATH" in each.text for each in stage.instructions)
    if not is_alpine or is_said or django is None or not any(program.is_django for program in build.programs):
        return None
    modules = [module for project in django.projects for module in project.modules.values()]
    home = next((each.path for each in modules if "django.contrib.gis" in each.document.source.text), "")
    if not home:
        return None
    return Blocked(
        f"{home} loads GeoDjango, which looks for its libraries by name: on Alpine that takes the compiler",
        "set GDAL_LIBRARY_PATH and GEOS_LIBRARY_PATH in the settings, and write the stages by hand",
    )


def _needed_later(build: ImageBuild, packages: PythonPackages | None) -> Blocked | None:
    """A package that needs what compiles when it runs."""
    context = build.context
    for each in packages.requirements if packages is not None and context is not None else ():
        if each.name in _NEEDS_COMPILERS and not each.development and is_within(each.path, (context or each.path,)):
            return Blocked(
                f"{each.path} asks for {each.name}, which {_NEEDS_COMPILERS[each.name]}",
                "write the stages by hand, and install what it needs in the second one",
            )
    return None


def _cure(
    dockerfile: Dockerfile, stage: Stage, pips: list[Instruction], build: ImageBuild, builds: ImageBuilds
) -> Fix | Blocked:
    last = pips[-1]
    until = [each for each in stage.instructions if each.index <= last.index]
    after = [each for each in stage.instructions if each.index > last.index]
    why = _unmovable(dockerfile, pips, until, after, build)
    if why is not None:
        return why
    found = repeated(dockerfile, stage, until, builds=_only_installs, is_source=partial(_is_list, pips))
    if isinstance(found, Blocked):
        return found
    again, compiled, moved = found
    words = [word.text for word in stage.start.words]
    name = builder_name(dockerfile, "python-builder")
    flags = tuple(flag.text for flag in stage.start.flags)
    second = [
        New("FROM", " ".join(words), flags),
        *again,
        New("COPY", f"{VENV} {VENV}", (f"--from={name}",)),
        New("ENV", f'PATH="{VENV}/bin:$PATH"'),
    ]
    parts: list[Parts] = [
        dockerfile.set_body(stage.start, f"{words[0]} AS {name}"),
        dockerfile.delete(*moved, comments=True),
        dockerfile.insert_before(*into_venv(pips)),
        dockerfile.insert_after(last, *second, apart=True),
    ]
    return Fix.of(
        "install in a stage of its own, and copy the result",
        joined(parts),
        tier=Tier.REVIEW,
        effects=[f"the final image no longer has {listed(dict.fromkeys(compiled))}"],
        todo=[
            "build the image and start it once: what is loaded by name at run time cannot be seen here",
            *(
                f"{each.path} {each.reason}: see that it starts nothing by a path in /usr/local"
                for each in builds.unread_by(build)
            ),
        ],
    )


def _unmovable(
    dockerfile: Dockerfile,
    pips: list[Instruction],
    until: Sequence[Instruction],
    after: Sequence[Instruction],
    build: ImageBuild,
) -> Blocked | None:
    """Why the install cannot move to a stage of its own."""
    installs = next(_obstacles_in(dockerfile, pips), None)
    obstacle = installs or unknown_place(dockerfile, pips, after, build)
    if obstacle is not None:
        return obstacle
    others = chain(
        _obstacles_before(dockerfile, until, build), _obstacles_after(dockerfile, after), _starts_elsewhere(build)
    )
    return next(others, None)


def _obstacles_in(dockerfile: Dockerfile, pips: list[Instruction]) -> Iterator[Blocked]:
    for instruction in pips:
        line = dockerfile.line(instruction)
        if instruction.heredocs:
            yield Blocked(f"line {line}: the install stands in a here-document", "write it as a command")
        for command in commands_of(instruction):
            if not installs_python(command):
                continue
            for options, what in _INSTALLS_ELSEWHERE.items():
                if command.has(*options):
                    yield Blocked(f"line {line}: {what}", "install into a virtual environment, then run fhfix again")


def _obstacles_before(dockerfile: Dockerfile, until: Sequence[Instruction], build: ImageBuild) -> Iterator[Blocked]:
    brought = brings_wheels(dockerfile, until)
    if brought is not None:
        yield Blocked(
            f"line {dockerfile.line(brought)} brings wheels, which are compiled already",
            "take the compilers out, and install the shared libraries that the wheels need instead",
        )
    for path, text in build.texts.items():
        if _REQUIREMENTS.search(path) and re.search(r"^\s*(?:-e|--editable)\s", text, re.MULTILINE):
            yield Blocked(f"{path} has an editable install, which points to its sources", "install it as a package")
    for instruction in until:
        line = dockerfile.line(instruction)
        if instruction.op == "ENV" and _OF_THE_SYSTEM.search(instruction.text):
            yield Blocked(f"line {line}: a folder in /usr/local is named, where nothing will be", "take that out")
        if instruction.op in ("USER", "SHELL", "ONBUILD"):
            yield Blocked(f"line {line}: {instruction.op} stands before the install", "write the stages by hand")
        if any(command.name == "venv" for command in commands_of(instruction)) or re.search(
            r"\bvirtualenv\b", instruction.text
        ):
            yield Blocked("it has a virtual environment already", "copy that to a second stage, to the same path")


def _obstacles_after(dockerfile: Dockerfile, after: Sequence[Instruction]) -> Iterator[Blocked]:
    for instruction in after:
        line = dockerfile.line(instruction)
        if any(command.name in _COMPILES for command in commands_of(instruction)):
            yield Blocked(f"line {line}: something is compiled after the install", "do that before it")
        if any(compiles(name_of(word)) for command in commands_of(instruction) for word in installed(command)):
            yield Blocked(f"line {line}: compilers are installed after it", "move that up")
        if instruction.op != "COPY" and _OF_THE_SYSTEM.search(instruction.text):
            yield Blocked(
                f"line {line}: a program is named in /usr/local, where it will not be", "name it without its folder"
            )


def _starts_elsewhere(build: ImageBuild) -> Iterator[Blocked]:
    """What starts programs by paths that are none any more, or looks for them without the virtual environment."""
    for program in (*build.programs, *build.called):
        for started in (*program.calls, *program.commands):
            if _has_a_path_of_its_own(started.command):
                yield Blocked(
                    f"{started.path}:{started.line}: `{' '.join(started.argv[:2])}` gives what it starts another PATH, "
                    f"without {VENV}/bin",
                    "start the program without it, then run fhfix again",
                )
    for program in build.runners:
        if any(value.place.path != build.path for value in program.environment.of("PATH")):
            yield Blocked(
                f"{program.path} gives {program.name!r} a PATH of its own, without {VENV}/bin",
                "take that out, then run fhfix again",
            )
    for program in build.programs:
        for started in program.commands:
            if _OF_THE_SYSTEM.match(started.source):
                yield Blocked(f"{started.path} starts {started.argv[0]}", "name it without its folder")
    # A script is not always followed to its end: `exec $cmd` starts what only the container knows.
    for path, text in build.texts.items():
        if _LOGIN.match(text) and not build.excluded(path):
            yield Blocked(f"{path} is read by a login shell, which has another PATH", "let another shell read it")
        if _SCRIPT.search(path) and (named := _OF_THE_SYSTEM.search(text)) and not build.excluded(path):
            yield Blocked(f"{path} names {named[0]}, where it will not be", "name it without its folder")


def _has_a_path_of_its_own(command: Command) -> bool:
    """Whether what a command starts gets another PATH than the image says: from /etc/profile in a login shell, from
    cron, sudo and su otherwise."""
    starters = command.words[: len(command.words) - len(command.argv) + 1]
    leading = {word.text.rpartition("/")[2] for word in starters} | {command.name}
    options = [word.text for word in command.argv[1:]]
    if leading & {"su", "runuser"}:
        return bool({"-", "-l", "--login"} & set(options))
    at_once = [each for each in options[:1] if re.fullmatch(r"-[a-z]*l[a-z]*|--login", each)]
    return bool(leading & _RESETS_PATH) or (command.name in _SHELLS and bool(at_once))


def _only_installs(command: Command) -> bool:
    return installs_python(command) or is_of_installer(command)


def _is_list(pips: Sequence[Instruction], instruction: Instruction) -> bool:
    """Whether a COPY only brings lists of requirements, or the installer."""
    if instruction.flag("from") is not None:
        return brings_only(instruction, pips)
    return all(_REQUIREMENTS.search(source.rpartition("/")[2] or source) for source in instruction.args[:-1])


def _ships_packages(dockerfile: Dockerfile, builds: ImageBuilds, pages: NextApplications | None) -> bool:
    """Whether an image that is shipped installs Python packages, or serves pages of Next.js."""
    for build in builds.of(dockerfile.source.path):
        if DEVELOPMENT.search(build.path) or not _is_served(build):
            continue
        if any(installs_python(c) for stage in dockerfile.stages for i in stage.instructions for c in commands_of(i)):
            return True
        if pages_of(build, pages) is not None:
            return True
    return False


RULE = Rule(
    __name__,
    "An image keeps what only its build needs",
    check,
    audit=("D-005.1",),
    criterion="Images that are shipped do not keep what only their build needs",
    hours=(2, 3),
    level=Level.NOTE,
    profile=Profile.AUDIT,
    applies=_ships_packages,
)
