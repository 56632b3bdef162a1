"""What the repository's task runners run: Makefile, tox, nox, just, pre-commit, package.json and shell scripts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

from fixer.github.workflows import Workflows
from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

_FILE = re.compile(
    r"(^|/)(GNUmakefile|[Mm]akefile|[Jj]ustfile|\.justfile|tox\.ini|noxfile\.py|tasks\.py|Taskfile\.ya?ml|"
    r"\.pre-commit-config\.yaml|package\.json|pyproject\.toml|setup\.cfg|[^/]+\.(mk|sh|bash))$|(^|/)(bin|scripts?)/[^/.]+$"
)
_SUFFIXES = ("", ".ini", ".py", ".yml", ".yaml", ".json", ".toml", ".cfg", ".mk", ".sh", ".bash", ".justfile")
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


@record
class TaskRunners:
    """The texts, by path and without comments, of those that a workflow calls, directly or by another one.

    A rule that misses a command in the workflows looks here too before it says so.
    """

    texts: tuple[tuple[str, str], ...]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        workflows = repository.fact(Workflows)
        called = "\n".join(workflow.source.text for workflow in workflows.documents) if workflows else ""
        waiting = {path: repository.text(path) for path in repository.ending(*_SUFFIXES) if _FILE.search(path)}
        found: list[tuple[str, str]] = []
        while called:  # one runner may call another; what was looked through before calls nobody new
            now = [path for path in waiting if _is_called(path.rpartition("/")[2], called)]
            texts = [_COMMENT.sub("", waiting.pop(path)) for path in now]
            found += zip(now, texts, strict=True)
            called = "\n".join(texts)
        return cls(tuple(sorted(found)))

    def run(self, *words: str) -> bool:
        """Whether one line of one file holds all of these words, in this order."""
        return bool(self.where(*words))

    def where(self, *words: str) -> str:
        """The path of the file that runs these words on one line; empty where none does."""
        pattern = re.compile(r"(?<![\w-])" + r"\b[^\n]*?(?<![\w])".join(re.escape(word) for word in words))
        return next((path for path, text in self.texts if pattern.search(text)), "")


def _is_called(name: str, text: str) -> bool:
    caller = _CALLED_BY.get(name.lower())
    if caller is None:
        # The name itself is found quickly where it is not there at all, which is the rule.
        return name in text and re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) is not None
    return re.search(rf"(?<![\w.-]){caller}(?![\w-])", text) is not None
