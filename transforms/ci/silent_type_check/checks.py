"""Which commands check something: types, tests, or how code is written."""

from __future__ import annotations

import re

from fixer.languages.shell import Command, Word
from fixer.records import record

TYPES = {
    *("mypy", "dmypy", "pyright", "basedpyright", "pyre", "pyrefly", "pytype", "ty", "zuban"),
    *("tsc", "vue-tsc", "svelte-check", "flow"),
}
TESTS = {"pytest", "py.test", "unittest", "jest", "vitest", "mocha", "ava", "phpunit", "rspec"}
LINTERS = {
    *("flake8", "pylint", "ruff", "black", "isort", "bandit", "codespell", "pydocstyle", "djlint", "yamllint"),
    *("eslint", "stylelint", "prettier", "biome", "oxlint", "hadolint", "shellcheck", "actionlint", "golangci-lint"),
}
RUNNERS = {"npm", "yarn", "pnpm", "bun", "make", "just", "task", "poe", "hatch", "tox", "nox", "pre-commit", "composer"}
TYPES_TARGET = re.compile(
    r"(.*[:/_-])?(type-?check(s|ing|er)?|check-?types?|types|typing|tsc|mypy|pyright|basedpyright)([:/_-].*)?"
)
TESTS_TARGET = re.compile(r"(unit-?)?tests?([:/_-].*)?")
LINTERS_TARGET = re.compile(r"lint(ing)?([:/_-].*)?")

# A formatter or fixer that writes is no check; these words make it one, or make it none.
CHECKS_ONLY_WITH = {
    "black": ("--check", "--diff"),
    "isort": ("--check", "--check-only", "-c"),
    "prettier": ("--check", "-c"),
}
SUBCOMMANDS = {"ty": ("check",), "ruff": ("check",), "biome": ("check", "lint", "ci"), "pyrefly": ("check",)}
NO_CHECK = ("--version", "--help", "--init", "--fix", "--write", "--showConfig")
# Options with which a linter succeeds whatever it finds.
SUCCEEDS_WITH = {
    "bandit": ("--exit-zero",),
    "flake8": ("--exit-zero",),
    "hadolint": ("--no-fail",),
    "pylint": ("--exit-zero",),
    "ruff": ("--exit-zero", "-e"),
}

NO_EMIT = ("--noemit", "-noemit")


@record
class Check:
    """A command that checks something: how people call it, whether it checks types, and whether it also builds."""

    label: str
    types: bool
    builds: bool = False


def check_of(command: Command) -> Check | None:
    name, words = command.name, [word.text for word in command.args]
    if any(word.split("=")[0] in NO_CHECK for word in words) or _only_installs_types(command):
        return None
    if name in RUNNERS:
        return _target(name, words)
    if name in CHECKS_ONLY_WITH and not command.has(*CHECKS_ONLY_WITH[name]):
        return None
    if name in SUBCOMMANDS and words[:1] and words[0] not in SUBCOMMANDS[name]:
        return None
    if name in TYPES:
        return Check(name, True, name == "tsc" and not any(word.lower() in NO_EMIT for word in words))
    return Check(name, False) if name in TESTS | LINTERS else None


def _only_installs_types(command: Command) -> bool:
    """`mypy --install-types` without anything to check installs the stubs that the last run missed.

    https://mypy.readthedocs.io/en/stable/command_line.html#cmdoption-mypy-install-types
    """
    targets = [word for word in command.args if not word.text.startswith("-")]
    return command.has("--install-types") and not targets and not command.has("-m", "-p", "-c")


def always_succeeds(command: Command) -> Word | None:
    """The option with which a linter succeeds whatever it finds; None where it has none."""
    return next((word for word in command.args if word.text in SUCCEEDS_WITH.get(command.name, ())), None)


def _target(runner: str, words: list[str]) -> Check | None:
    """What `npm run typecheck`, `make mypy`, `tox -e types` check, by the name of the target."""
    selected = [word for word in words if not word.startswith("-") and word not in ("run", "exec", "run-script")]
    if runner in ("tox", "nox"):
        selected = [part for word in selected for part in word.split(",")]
    for target in selected[:3] if runner in ("tox", "nox", "make") else selected[:1]:
        label = " ".join([runner, *(["run"] if words[:1] == ["run"] else []), target])
        if TYPES_TARGET.fullmatch(target):
            return Check(label, True)
        if TESTS_TARGET.fullmatch(target) or LINTERS_TARGET.fullmatch(target):
            return Check(label, False)
    return Check(runner, False) if runner in ("tox", "nox") and not selected else None
