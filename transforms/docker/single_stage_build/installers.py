"""What installs the Python packages of an image, and how it is told to install into a virtual environment."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from fixer.languages.dockerfile import Dockerfile, Instruction, New
from fixer.languages.shell import Command
from fixer.languages.tables import mapping, toml_table
from fixer.model import Blocked
from fixer.runtime.builds import ImageBuild
from fixer.scripts import ScriptText
from transforms.docker.single_stage_build.second import commands_of

VENV = ScriptText.of("/opt/venv")
_PIP = re.compile(r"(?:.*/)?pip[\d.]*")
_OTHERS = frozenset(("poetry", "uv", "pipenv", "pdm", "conda", "mamba", "micromamba", "hatch"))
_BROUGHT = re.compile(r"(?:poetry|uv|pip|setuptools|wheel)(?:\[[\w,-]+\])?(?:[=<>~!].*)?")
_OWN = "`RUN python -m venv /opt/venv` and `ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH` above it"
_INTO_VENV = {
    "uv": "`ENV UV_PROJECT_ENVIRONMENT=/opt/venv UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never` above it",
    "uv pip": f"{_OWN}, and no `--system`",
    "poetry": f"{_OWN}, and `POETRY_VIRTUALENVS_CREATE=false`",
    "pipenv": f"{_OWN}, and no `--system`",
}
_SAYS_WHERE = re.compile(r"in-project|IN_PROJECT|UV_PROJECT_ENVIRONMENT|UV_SYSTEM_PYTHON|\.venv\b|/venv\b")
"""What says where an environment is, or goes on to use it there."""


def installs_python(command: Command) -> bool:
    """`pip install …`, `python -m pip install …`, or another installer."""
    words = [word.text for word in command.args]
    if command.name in _OTHERS:
        return bool({"install", "sync"} & set(words))
    return _PIP.fullmatch(command.name) is not None and "install" in words


def is_of_installer(command: Command) -> bool:
    """`poetry config …`, `uv --version`: what only installers need."""
    return command.name in ("poetry", "uv") and not installs_python(command)


def brings_only(instruction: Instruction, pips: Sequence[Instruction]) -> bool:
    """`COPY --from=ghcr.io/astral-sh/uv /uv /bin/uv`, where uv installs and nothing else."""
    return bool(_by(pips, "uv")) and all(source.rpartition("/")[2] in ("uv", "uvx") for source in instruction.args[:-1])


def brings_wheels(dockerfile: Dockerfile, until: Sequence[Instruction]) -> Instruction | None:
    """The COPY that brings what `pip wheel` of another stage has compiled, if there is one."""
    for instruction in until:
        stage = dockerfile.source_stage(instruction) if instruction.op == "COPY" else None
        for command in (each for i in (stage.inherited if stage is not None else ()) for each in commands_of(i)):
            folder = command.value("-w", "--wheel-dir") if _PIP.fullmatch(command.name) else None
            if folder is not None and any(_is_below(source, folder.text) for source in instruction.args[:-1]):
                return instruction
    return None


def _is_below(source: str, folder: str) -> bool:
    return posixpath.basename(source.rstrip("/*")) == posixpath.basename(folder.rstrip("/"))


def into_venv(pips: Sequence[Instruction]) -> tuple[Instruction, New, *tuple[New, ...]]:
    """The instruction that installs first, and what lets it do so into the environment."""
    own = _by(pips, "uv") or _by(pips, "poetry")
    path = f'PATH="{VENV}/bin:$PATH"'
    if own and _by(pips, "uv"):
        told = f"UV_PROJECT_ENVIRONMENT={VENV} UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never {path}"
        return own[0], New("ENV", told)
    made = New("RUN", ScriptText.of("python -m venv @folder@", folder=VENV))
    if own:
        return own[0], made, New("ENV", f"VIRTUAL_ENV={VENV} {path}")
    return pips[0], made, New("ENV", path)


def _by(pips: Sequence[Instruction], installer: str) -> list[Instruction]:
    return [each for each in pips if any(c.name == installer and installs_python(c) for c in commands_of(each))]


def unknown_place(
    dockerfile: Dockerfile, pips: Sequence[Instruction], after: Sequence[Instruction], build: ImageBuild
) -> Blocked | None:
    """Why it is not known that what another installer than pip installs comes into the environment, and stays whole."""
    found = [(each, c) for each in pips for c in commands_of(each) if c.name in _OTHERS and installs_python(c)]
    if not found:
        return None
    instruction, command = found[0]
    how = f"{command.name} pip" if "pip" in [word.text for word in command.args] else command.name
    line = dockerfile.line(instruction)
    into = _INTO_VENV.get(how, f"let it install into a virtual environment at {VENV}")
    step = f"{into}; then copy {VENV} to a second stage, with `ENV PATH={VENV}/bin:$PATH` there"
    if how not in ("poetry", "uv") or len({c.name for _, c in found}) > 1:
        return Blocked(f"line {line}: {command.name} installs, and where to is a matter of its settings", step)
    for each in pips:
        for other in commands_of(each):
            if installs_python(other) and other.name not in _OTHERS and not _brings_an_installer(other):
                return Blocked(f"line {dockerfile.line(each)}: pip installs beside {command.name}", step)
    if not all(_leaves_the_project_out(c, build) for _, c in found):
        return Blocked(
            f"line {line}: {command.name} installs the project itself, as a link to its sources",
            f"add {'--no-root' if command.name == 'poetry' else '--no-install-project'}; {step}",
        )
    if any(_SAYS_WHERE.search(each.text) for each in dockerfile.instructions):
        return Blocked(f"line {line}: where {command.name} installs to is said already", f"copy that folder; {step}")
    started = [each.source for program in build.programs for each in program.commands]
    later = [each.source for instruction in after for each in commands_of(instruction)]
    if any(re.match(rf"(?:exec )?{command.name}\s", source) for source in (*started, *later)):
        return Blocked(
            f"what is built is started by {command.name}, which the second stage has no more",
            "start programs by their names",
        )
    return None


def _brings_an_installer(command: Command) -> bool:
    """`pip install poetry`, and nothing else."""
    names = [word.text for word in command.args if not word.text.startswith("-")]
    return all(_BROUGHT.fullmatch(name) for name in names[names.index("install") + 1 :])


def _leaves_the_project_out(command: Command, build: ImageBuild) -> bool:
    """Whether only what the project asks for is installed, and not the project."""
    if command.has("--no-root", "--no-install-project"):
        return True
    data = [toml_table(text) for path, text in build.texts.items() if path.rpartition("/")[2] == "pyproject.toml"]
    if command.name == "poetry":
        return any(mapping(mapping(each.get("tool")).get("poetry")).get("package-mode") is False for each in data)
    return bool(data) and not any("build-system" in each or _is_package(each) for each in data)


def _is_package(data: dict[str, object]) -> bool:
    return mapping(mapping(data.get("tool")).get("uv")).get("package") is True
