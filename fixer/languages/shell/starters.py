"""Programs that start others, and which word of a command is the program that really runs."""

from __future__ import annotations

import re

from fixer.languages.shell.parts import Word
from fixer.records import record


@record
class _Starter:
    """How a program names the one that it starts: options that take a value, then so many words of its own."""

    valued: str = ""
    words: int = 0
    module: str = ""
    """The option whose value is a Python module to run."""


_CONTAINER = "-e -u -w -v -p -l --env --env-file --user --workdir --volume --publish --name --entrypoint --index"
_STARTERS: dict[tuple[str, ...], _Starter] = {
    ("sudo",): _Starter("-u -g -h -p -C -r -t -U -D -R -T --user --group --host --chdir"),
    ("doas",): _Starter("-u -C"),
    ("sshpass",): _Starter("-p -f -d -P"),
    ("env",): _Starter("-u -C --unset --chdir"),
    ("time",): _Starter("-f -o --format --output"),
    ("timeout",): _Starter("-k -s --kill-after --signal", 1),
    ("nice",): _Starter("-n --adjustment"),
    ("ionice",): _Starter("-c -n --class --classdata"),
    ("nohup",): _Starter(),
    ("setsid",): _Starter(),
    ("tini",): _Starter("-p -e"),
    ("dumb-init",): _Starter("-r --rewrite"),
    ("stdbuf",): _Starter("-i -o -e"),
    ("exec",): _Starter("-a"),
    ("command",): _Starter(),
    ("builtin",): _Starter(),
    ("xvfb-run",): _Starter("-n -s -e -f -p -w --server-num --server-args"),
    ("npx",): _Starter("-p --package -w --workspace"),
    ("bunx",): _Starter("-p --package"),
    ("npm", "exec"): _Starter("-p --package -w --workspace"),
    ("pnpm", "exec"): _Starter("-C --dir -F --filter"),
    ("pnpm", "dlx"): _Starter("--package"),
    ("pnpx",): _Starter(),
    ("yarn", "exec"): _Starter(),
    ("yarn", "dlx"): _Starter("-p --package"),
    ("bun", "x"): _Starter("-p --package"),
    ("poetry", "run"): _Starter("-C -P --directory --project"),
    ("pipenv", "run"): _Starter(),
    ("pdm", "run"): _Starter("-p --project"),
    ("rye", "run"): _Starter("-p --pyproject"),
    ("hatch", "run"): _Starter(),
    ("pixi", "run"): _Starter("-e --environment --manifest-path"),
    ("conda", "run"): _Starter("-n -p --name --prefix --cwd"),
    ("micromamba", "run"): _Starter("-n -p -r"),
    ("pipx", "run"): _Starter("--spec --python --pip-args"),
    ("uv", "run"): _Starter(
        "-p -w -C --python --with --with-editable --with-requirements --group --only-group --no-group --extra "
        "--no-extra --package --project --directory --env-file --index --default-index --config-file --color",
        module="-m --module",
    ),
    ("coverage", "run"): _Starter(
        "--concurrency --context --data-file --debug --include --omit --rcfile --source", module="-m --module"
    ),
    ("uvx",): _Starter("-p -w --python --from --with --with-requirements --index --default-index"),
    ("uv", "tool", "run"): _Starter("-p -w --python --from --with --with-requirements --index --default-index"),
    ("bundle", "exec"): _Starter(),
    ("docker", "exec"): _Starter(_CONTAINER, 1),
    ("docker", "compose", "exec"): _Starter(_CONTAINER, 1),
    ("docker", "compose", "run"): _Starter(_CONTAINER, 1),
    ("docker-compose", "exec"): _Starter(_CONTAINER, 1),
    ("docker-compose", "run"): _Starter(_CONTAINER, 1),
    ("doppler", "run"): _Starter("-p -c --project --config"),
    ("infisical", "run"): _Starter("--env --path --projectId --token"),
    ("op", "run"): _Starter("--env-file"),
    ("chamber", "exec"): _Starter(words=1),
    ("gosu",): _Starter(words=1),
    ("su-exec",): _Starter(words=1),
    ("s6-setuidgid",): _Starter(words=1),
    ("ddtrace-run",): _Starter(),
    ("opentelemetry-instrument",): _Starter("--service_name --traces_exporter --metrics_exporter --logs_exporter"),
    ("newrelic-admin", "run-program"): _Starter(),
    ("watchmedo", "auto-restart"): _Starter("-d -p --directory --pattern --patterns --signal"),
}
# https://docs.docker.com/reference/cli/docker/compose/#options
_OF_COMPOSE = frozenset(
    ("-f", "--file", "-p", "--project-name", "--env-file", "--profile", "--project-directory", "--ansi", "--progress",
     "--parallel")
)  # fmt: skip
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


_PYTHON = re.compile(r"(?:.*/)?(?:python|pypy|py)(?:\d+(?:\.\d+)*)?t?")


def program_at(words: tuple[Word, ...]) -> int:
    """The index of the program that really runs."""
    at = 0
    while at < len(words):
        starter = _starter(words, at)
        if starter is None:
            return at
        found, size = starter
        after = _after(words, at + size, found)
        if after is None or after >= len(words):
            return at
        at = after
    return at


def _starter(words: tuple[Word, ...], at: int) -> tuple[_Starter, int] | None:
    first = words[at].text
    if _PYTHON.fullmatch(first):
        return _Starter("-W -X", module="-m"), 1
    name = first.rpartition("/")[2]
    behind = _behind_options(words, at + 1, _OF_COMPOSE) if name in ("docker", "docker-compose") else at + 1
    key = (name, *(word.text for word in words[behind : behind + 2]))
    if name == "docker" and key[1:2] == ("compose",):
        inner = _behind_options(words, behind + 1, _OF_COMPOSE)
        key = (name, "compose", *(word.text for word in words[inner : inner + 1]))
        if key in _STARTERS:
            return _STARTERS[key], inner + 1 - at
    elif behind > at + 1 and key[:2] in _STARTERS:
        return _STARTERS[key[:2]], behind + 1 - at
    for size in (3, 2, 1):
        if len(key) >= size and key[:size] in _STARTERS:
            return _STARTERS[key[:size]], size
    return None


def _behind_options(words: tuple[Word, ...], at: int, valued: frozenset[str]) -> int:
    """Where the first word stands that is no option, and no value of one of these."""
    while at < len(words) and words[at].text.startswith("-"):
        at += 2 if words[at].text in valued else 1
    return at


def _after(words: tuple[Word, ...], at: int, starter: _Starter) -> int | None:
    """Where the started program stands; None where the words start none."""
    valued, module, own = starter.valued.split(), starter.module.split(), starter.words
    while at < len(words):
        text = words[at].text
        if text in module:
            return at + 1
        if text == "--":
            at += 1
            if not own:
                return at
        elif text in valued:
            at += 2
        elif text.startswith("-") and len(text) > 1:
            if text in ("-c", "--call") or (text in ("-v", "-V") and not valued):
                return None
            at += 1
        elif _ASSIGNMENT.match(text):
            at += 1
        elif own:
            own, at = own - 1, at + 1
        else:
            # `python manage.py` runs a file: Python itself is the program.
            return None if module == ["-m"] else at
    return None
