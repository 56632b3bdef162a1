"""The field's linters over changed workflows: none may say of the result what it did not say of the original."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.components import path as component
from tests.proofs.github_code import github_code

Said = dict[str, Counter[str]]
"""By file: the kinds of complaint, and how many of each."""

EXPECTED = {
    # zizmor accepts broad permissions at the top of a workflow of one job, and minds them once a fix adds a second
    # job: what they grant is what it was, and to narrow it is not that fix's business.
    "excessive-permissions",
    # It would have every release made by `gh`; that is a style of deprecated-release-action, not its default.
    "superfluous-actions",
    # It would have an action of the repository called by `$/` instead of `./`, which not every runner knows.
    "self-repository",
    # shellcheck would have neighbouring `echo … >> "$GITHUB_OUTPUT"` share one redirection. Each took the place of a
    # command of its own, and stays a line of its own: a matter of style, about lines that people wrote.
    "SC2129",
    # create-github-app-token has `app-id` on every runtime that is left, and wants `client-id`, another value, which
    # only the app's owner can look up.
    "action: avoid using deprecated input … in action …: Use … instead",
}


def actionlint(paths: Sequence[Path]) -> Said:
    command = [component("actionlint"), "-format", "{{json .}}", "-shellcheck", component("shellcheck"), "-pyflakes="]
    said: Said = {}
    for complaint in _json([*command, *map(str, paths)]) or []:
        found = re.search(r"SC\d+", complaint["message"])
        kind = found[0] if found else f"{complaint['kind']}: {_general(complaint['message'])}"
        said.setdefault(str(Path(complaint["filepath"]).resolve()), Counter())[kind] += 1
    return said


def zizmor(paths: Sequence[Path]) -> Said:
    command = [component("zizmor"), "--offline", "--no-progress", "--no-config", "--format", "json"]
    said: Said = {}
    for finding in _json([*command, *map(str, paths)]) or []:
        for location in finding["locations"]:
            if location["symbolic"]["kind"] == "Primary":
                path = location["symbolic"]["key"]["Local"]["verbatim_path"]
                said.setdefault(str(Path(path).resolve()), Counter())[finding["ident"]] += 1
    return said


def json_schema(paths: Sequence[Path]) -> Said:
    schema = "vendor.github-workflows"
    command = [component("check-jsonschema"), "--builtin-schema", schema, "--output-format", "json"]
    said: Said = {}
    for error in (_json([*command, *map(str, paths)]) or {}).get("errors", []):
        said.setdefault(str(Path(error["filename"]).resolve()), Counter())[re.sub(r"\d+", "…", error["path"])] += 1
    return said


def github(paths: Sequence[Path]) -> Said:
    """GitHub's own parser and validator, errors only."""
    code = github_code()
    said: Said = {}
    for path in paths:
        problems = code.problems(path.read_text(encoding="utf-8-sig"))
        kinds = Counter(_general(problem.message) for problem in problems if problem.severity == "error")
        if kinds:
            said[str(path.resolve())] = kinds
    return said


LINTERS: Mapping[str, Callable[[Sequence[Path]], Said]] = {
    "actionlint": actionlint,
    "zizmor": zizmor,
    "JSON schema": json_schema,
    "GitHub's parser": github,
}


def worse(changed: Mapping[str, tuple[bytes, bytes]]) -> list[str]:
    """Kinds of complaint that a linter has only about the result. `changed` has workflows by a name of any form."""
    if not changed:
        return []
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        pairs = {name: _written(Path(folder).resolve(), number, *changed[name]) for number, name in enumerate(changed)}
        for linter, run in LINTERS.items():
            said = run([path for pair in pairs.values() for path in pair])
            for name, (before, after) in pairs.items():
                new = said.get(str(after), Counter()).keys() - said.get(str(before), Counter()).keys() - EXPECTED
                found += [f"{name}: {linter} now says {kind}" for kind in sorted(new)]
    return found


def _written(folder: Path, number: int, before: bytes, after: bytes) -> tuple[Path, Path]:
    paths = []
    for moment, data in (("before", before), ("after", after)):
        path = folder / moment / str(number) / ".github/workflows/workflow.yml"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        paths.append(path)
    return paths[0], paths[1]


def _general(message: str) -> str:
    """Without what the complaint quotes or lists: names, numbers and what is known differ with the version."""
    return re.sub(r'"[^"]*"|\'[^\']*\'|\d+| \{.*| available inputs are.*', "…", message)


def _json(command: Sequence[str]) -> Any:
    done = subprocess.run(command, capture_output=True, text=True)
    return json.loads(done.stdout) if done.stdout.strip() else None
