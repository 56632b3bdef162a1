"""GitHub's own parser, validator and expression evaluator, in one resident node process.

A test that uses it needs the components `node` and `github-parser`.
"""

from __future__ import annotations

import atexit
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.components import path as component


class ExpressionError(Exception):
    """What GitHub would say of an expression that it cannot evaluate."""


@dataclass(frozen=True, slots=True)
class Problem:
    severity: str
    message: str
    line: int


class GitHubCode:
    """Answers one request at a time; ends with the process that made it."""

    def __init__(self) -> None:
        component("github-parser")
        command = [component("node"), "--import", "./json_modules.mjs", "github.mjs"]
        self._process = subprocess.Popen(
            command,
            cwd=Path(__file__).parent / "node",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(timeout=10)

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise ExpressionError(f"{answer['error']} in {request.get('expression', request.get('text', ''))}")
        return answer

    def problems(self, text: str, name: str = ".github/workflows/workflow.yml") -> list[Problem]:
        """What GitHub's parser (will this file be accepted?) and its editor's validator (unknown names) say."""
        return [Problem(**found) for found in self._ask(op="validate", name=name, text=text)["problems"]]

    def errors(self, text: str) -> list[str]:
        return [f"{p.line}: {p.message}" for p in self.problems(text) if p.severity == "error"]

    def interpolate(self, value: Any, contexts: Mapping[str, Any], **more: Any) -> Any:
        """A value with every `${{ }}` replaced by its text, in lists and mappings too."""
        if isinstance(value, dict):
            return {key: self.interpolate(item, contexts, **more) for key, item in value.items()}
        if isinstance(value, list):
            return [self.interpolate(item, contexts, **more) for item in value]
        if isinstance(value, str) and "${{" in value:
            return self._ask(op="interpolate", text=value, contexts=contexts, **more)["value"]
        return value

    def evaluate(self, value: Any, contexts: Mapping[str, Any], **more: Any) -> Any:
        """The typed value of a string that is one expression (`${{ fromJSON(…) }}`); anything else as it is."""
        if isinstance(value, str) and value.strip().startswith("${{"):
            return self._ask(op="evaluate", expression=value.strip(), contexts=contexts, **more)["value"]
        return value

    def holds(self, condition: str, contexts: Mapping[str, Any], **more: Any) -> bool:
        return bool(self._ask(op="evaluate", expression=condition, contexts=contexts, **more)["truthy"])


@cache
def github_code() -> GitHubCode:
    """The one process of this test run (7 ms a file once it is up; it takes half a second to start)."""
    code = GitHubCode()
    atexit.register(code.close)
    return code
