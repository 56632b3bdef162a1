"""What the repository's task runners run: Makefile, tox, nox, just, pre-commit, package.json and shell scripts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from fixer.github.workflows import Workflows

if TYPE_CHECKING:
    from fixer.repository import Repository

_FILE = re.compile(
    r"(^|/)(GNUmakefile|[Mm]akefile|[Jj]ustfile|\.justfile|tox\.ini|noxfile\.py|tasks\.py|Taskfile\.ya?ml|"
    r"\.pre-commit-config\.yaml|package\.json|pyproject\.toml|setup\.cfg|[^/]+\.(mk|sh|bash))$|(^|/)(bin|scripts?)/[^/.]+$"
)
# The program that reads a file of this name; a script is called by its own name.
_CALLED_BY = {
    "makefile": r"make",
    "gnumakefile": r"make",
    "justfile": r"just",
    ".justfile": r"just",
    "tox.ini": r"tox",
    "setup.cfg": r"tox",
    "noxfile.py": r"nox",
    "tasks.py": r"(invoke|inv)",
    "taskfile.yml": r"task",
    "taskfile.yaml": r"task",
    ".pre-commit-config.yaml": r"(pre-commit|prek)",
    "package.json": r"(npm|yarn|pnpm|bun)",
    "pyproject.toml": r"(tox|poe|hatch|pdm|rye|task|nox)",
}
_COMMENT = re.compile(r"(^|\s)#.*$", re.MULTILINE)


@dataclass(frozen=True)
class TaskRunners:
    """The texts, by path and without comments, of those that a workflow calls, directly or by another one.

    A rule that misses a command in the workflows looks here too before it says so.
    """

    texts: tuple[tuple[str, str], ...]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        workflows = repository.fact(Workflows)
        called = "\n".join(workflow.source.text for workflow in workflows.documents) if workflows else ""
        waiting = {path: _COMMENT.sub("", repository.text(path)) for path in repository.files if _FILE.search(path)}
        found: list[tuple[str, str]] = []
        moved = True
        while moved:  # one runner may call another
            moved = False
            for path in list(waiting):
                name = path.rpartition("/")[2].lower()
                caller = _CALLED_BY.get(name) or re.escape(path.rpartition("/")[2])
                if re.search(rf"(?<![\w.-]){caller}(?![\w-])", called):
                    text = waiting.pop(path)
                    found.append((path, text))
                    called += "\n" + text
                    moved = True
        return cls(tuple(sorted(found)))

    def run(self, *words: str) -> bool:
        """Whether one line of one file holds all of these words, in this order."""
        return bool(self.where(*words))

    def where(self, *words: str) -> str:
        """The path of the file that runs these words on one line; empty where none does."""
        pattern = re.compile(r"(?<![\w-])" + r"\b[^\n]*?(?<![\w])".join(re.escape(word) for word in words))
        return next((path for path, text in self.texts if pattern.search(text)), "")
