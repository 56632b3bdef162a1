"""What a status report says is there, checked against the tree.

A claim is a path, a `make` target, a secret, or a number of workflows or make targets, where a report names it as such:
in code, in a heading, at the start of a list item, behind "File:"; a command (`commands.py`); and what entries of lists
say is done, measured or enforced (`practices.py`). Other prose is not read, nor what is said of bugs and of what is to
come.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import PurePosixPath

from fixer.audit.commands import Commands, makes
from fixer.audit.practices import Answer, Verdict, practices
from fixer.github.workflow import Workflow
from fixer.languages.makefile import Target, targets
from fixer.records import record
from fixer.repository import Repository

_ABOUT = re.compile(r"devops|infra(structure)?|deployment|ci-?cd")
_SAYS = re.compile(r"status|report|complete|summary")


@record
class Claim:
    """What a line of a report says. `found` says what is there instead."""

    report: str
    line: int
    kind: str
    said: str
    verdict: Verdict
    found: str = ""


_EXTENSIONS = "cfg|conf|css|env|example|html|ini|js|json|jsx|md|mjs|py|sh|sql|toml|ts|tsx|txt|yaml|yml"
_PATH = re.compile(
    rf"(?:\./)?(?P<path>(?:[\w.@-]+/)*(?:[\w.-]+\.(?:{_EXTENSIONS})|Makefile|Dockerfile(?:\.[\w-]+)?|\.[a-z][\w.-]+)|(?:[\w.@-]+/)+)"
)
_LIST_MARK = r"^\s*(?:#{1,6}\s+|[-*•+]\s+|\d+[.)]\s+|[├└│─ ]+)?(?:(?:✅|✓|✔|☑|\[[xX ]\])\uFE0F?\s*)?"
_AT_START = re.compile(_LIST_MARK + rf"(?:\*\*)?{_PATH.pattern}(?=\s*(?:$|\(|#|-\s|–|—|\*\*|:\s))")
_BEHIND_FILE = re.compile(rf"(?i)\b(?:file|location|path)s?:\**\s+{_PATH.pattern}(?=\s|$|\()")
_CODE = re.compile(r"`([^`]+)`")
_MAKE_LINE = re.compile(_LIST_MARK + r"(?:\$\s*)?make\s+([a-z][\w.-]*)(?=\s*(?:$|#|[A-Z_]+=|-\s|–|—))")
_MAKE_CODE = re.compile(r"^make\s+([a-z][\w.-]*)(?:\s+[A-Z_]+=\S+)*$")
_SECRET = re.compile(r"^\s*(?:[-*•]\s*)?`?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`?(?=\s|$|:|=)")
_WORKFLOWS = re.compile(r"(?i)\b(\d{1,9})\+?\s+(?:(?:github|actions|ci/cd|ci)\s+)*workflows\b")
_TARGETS = re.compile(
    r"(?i)\bmakefile\b\D{0,30}(\d{1,9})\+?\s+(?:\w+\s+)?(?:commands|targets)"
    r"|(\d{1,9})\+?\s+makefile (?:commands|targets)"
)
_RUN_LINE = re.compile(
    _LIST_MARK + r"(?:\$\s*)?(\./(?:[\w.-]+/)*[\w-]+\.(?:sh|py)(?:\s+[^\s#]+)*?)\s*(?:$|\s#|\s(?:-|–|—)\s)"
)
# What a report says is still to be done, or was wrong, claims nothing.
_HEADING = re.compile(r"#|\s*[^a-z]{6,}$|\s*\*\*[^*]+\*\*:?\s*$|\s*[-*•] [^`:]{1,40}:\s*$")
_DEEPEST = 7  # what is none of Markdown's six levels
_WISHED = re.compile(
    r"(?i)next steps?|to-?dos?\b|future|pending|planned|recommend|roadmap|remaining|improvements|"
    r"\bbugs?\b|known issues|\brisks?\b|limitations|\b(?:long|medium|short)[- ]term|next (?:week|month|quarter|year)"
)
_OPEN = re.compile(r"\[ \]|⏳|❌|🔜|^\s*(?:[-*•+]|\d+[.)])\s+\**(?:Add|Implement|Introduce|Improve|Enhance|Set up)\s")
# A variable that make puts in and whoever calls it must give.
_UNSET = re.compile(r"\$[({]([A-Z][A-Z0-9_]+)[)}]")
# https://www.gnu.org/software/make/manual/html_node/Special-Variables.html, Implicit-Variables.html, Recursion.html
_MAKES_OWN = frozenset(
    (
        "AR", "ARFLAGS", "AS", "CC", "CFLAGS", "CO", "CPP", "CPPFLAGS", "CURDIR", "CXX", "CXXFLAGS", "FC", "FFLAGS",
        "LDFLAGS", "LDLIBS", "LEX", "LINT", "MAKE", "MAKECMDGOALS", "MAKEFILES", "MAKEFILE_LIST", "MAKEFLAGS",
        "MAKELEVEL", "MAKEOVERRIDES", "MAKE_HOST", "MAKE_RESTARTS", "MAKE_TERMERR", "MAKE_TERMOUT", "MAKE_VERSION",
        "MFLAGS", "RM", "SHELL", "SUFFIXES", "VPATH", "YACC",
        "HOME", "LANG", "LOGNAME", "PATH", "PWD", "TMPDIR", "USER",  # of every environment, which make takes over
    )
)  # fmt: skip
_RULER = re.compile(r"^\s*(?:-{3,}|={3,}|━{3,}|─{3,})\s*$")
# https://www.gnu.org/software/make/manual/html_node/Rule-Syntax.html; a variable's `:=` is no rule.
_TARGET = re.compile(r"^([A-Za-z0-9][\w./ -]*?)\s*::?(?!=)", re.MULTILINE)


def status_reports(repository: Repository) -> list[str]:
    return [path for path in repository.files if _is_report(path)]


def _is_report(path: str) -> bool:
    """Whether a file's name is that of a status report: `DEVOPS_STATUS.md`."""
    name = path.rpartition("/")[2].lower()
    about = _ABOUT.search(name)
    return about is not None and _SAYS.search(name, about.end()) is not None and name.endswith((".md", ".txt"))


def claims(repository: Repository, reports: Iterable[str], secrets: Iterable[str]) -> list[Claim]:
    """Every claim of these reports, in their order; the same thing is taken up once in a report."""
    tree = _Tree(repository, frozenset(secrets))
    found = []
    for report in reports:
        seen: set[tuple[str, str]] = set()
        text = repository.text(report)
        lines = text.splitlines()
        judged = [(line, kind, said, tree.judge(kind, said, lines[line - 1])) for line, kind, said in _said(text)]
        for number, line in enumerate(lines, 1):
            judged += [(number, kind, said, answer) for kind, said, answer in practices(repository, line)]
        nothing = _wishes(lines)
        for line_number, kind, said, answer in sorted(judged, key=lambda each: each[0]):
            if answer is not None and line_number not in nothing and (kind, said) not in seen:
                seen.add((kind, said))
                found.append(Claim(report, line_number, kind, said, *answer))
    return found


def _wishes(lines: Sequence[str]) -> set[int]:
    """The numbers of the lines that speak of what is to come, of what is missing, or of what was wrong; what stands
    below such a heading does, down to the next one of its level."""
    found = set()
    below = _DEEPEST + 1  # the level of the heading that says so
    fenced = False
    for number, line in enumerate(lines, 1):
        fenced ^= line.lstrip().startswith("```")
        heading = None if fenced else _HEADING.match(line)
        if heading is not None:
            level = len(line) - len(line.lstrip("#")) or _DEEPEST
            if level <= below:
                below = level if _WISHED.search(line) or _OPEN.search(line) else _DEEPEST + 1
        if below <= _DEEPEST or _OPEN.search(line):
            found.add(number)
    return found


def make_targets(repository: Repository) -> set[str]:
    """Targets of the Makefile at the top and of the files beside it that it may include."""
    found: set[str] = set()
    for path in repository.files:
        if path in ("Makefile", "makefile", "GNUmakefile") or ("/" not in path and path.endswith(".mk")):
            for match in _TARGET.finditer(repository.text(path)):
                found.update(match[1].split())
    return found


def _said(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, kind and words of each claim."""
    about_secrets = underlined = fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        heading = not fenced and (line.startswith("#") or line.rstrip().endswith((":", ":**")))
        ruler = _RULER.match(line) is not None
        if re.search(r"(?i)\bsecrets\b", line) and heading:
            about_secrets, underlined = True, False
        elif ruler and about_secrets and not underlined:
            underlined = True  # the ruler below the heading itself
        elif ruler or (heading and re.match(r"#|\s*\d+[.)]\s", line)):
            about_secrets = False
        if about_secrets and (match := _SECRET.match(line)):
            yield number, "secret", match[1]
            continue
        if match := _MAKE_LINE.match(line):
            yield number, "make target", match[1]
        if match := _RUN_LINE.match(line):
            yield number, "command", " ".join(match[1].split())
        for pattern, kind in ((_WORKFLOWS, "workflows"), (_TARGETS, "make targets")):
            if match := pattern.search(line):
                yield number, kind, match[match.lastindex or 1]
        if not fenced:
            yield from ((number, kind, said) for kind, said in _in_line(line))


def _in_line(line: str) -> Iterator[tuple[str, str]]:
    for span in _CODE.findall(line):
        if match := _MAKE_CODE.match(span):
            yield "make target", match[1]
        elif match := _PATH.fullmatch(span):
            yield "file", match["path"]
    for match in (_AT_START.match(line), _BEHIND_FILE.search(line)):
        if match:
            yield "file", match["path"]


class _Tree:
    """What is there, as claims ask for it."""

    def __init__(self, repository: Repository, secrets: frozenset[str]) -> None:
        self.repository = repository
        self.files = repository.files
        self.folders = {str(parent) for path in self.files for parent in PurePosixPath(path).parents}
        self.by_name: dict[str, list[str]] = {}
        for path in self.files:
            self.by_name.setdefault(path.rpartition("/")[2].lower(), []).append(path)
        self.workflows = [p for p in self.files if re.fullmatch(r"\.github/workflows/[^/]+\.ya?ml", p)]
        self.targets = make_targets(repository)
        makefile = next((path for path in ("Makefile", "makefile", "GNUmakefile") if path in self.files), "")
        text = repository.text(makefile) if makefile else ""
        self.recipes: Mapping[str, Target] = targets(text)
        self.variables = _MAKES_OWN.union(re.findall(r"^\s*(?:export\s+)?([A-Z_]\w*)\s*[?:+]?=", text, re.MULTILINE))
        self.secrets = secrets
        self.commands = Commands(repository)

    def judge(self, kind: str, said: str, line: str) -> Answer | None:
        """None: no claim, or one that another kind of claim is about."""
        if kind == "file":
            return self._file(said)
        if kind == "make target":
            if said in self.targets:
                return self._recipe(said, line)
            near = get_close_matches(said, self.targets, 1)
            return Verdict.FALSE, "the Makefile has no such target" + (f", but {near[0]}" if near else "")
        if kind == "command":
            return self.commands.judge(said) if self.commands.is_there(said) else None
        if kind == "secret":
            return self._secret(said)
        there = len(self.workflows if kind == "workflows" else self.targets)
        return (Verdict.TRUE if there >= int(said) else Verdict.FALSE), f"there are {there}"

    def _recipe(self, name: str, line: str, above: tuple[str, ...] = ()) -> Answer:
        """Whether what a target runs can be run: its scripts are there, its variables are set, there or in the line
        that names it, and so is it with the targets that it needs or calls."""
        target = self.recipes.get(name)
        for recipe in target.recipes if target is not None else ():
            verdict, why = self.commands.judge(recipe.text)
            if verdict is not Verdict.TRUE:
                return verdict, f"its recipe: {why}"
            for variable in _UNSET.findall(recipe.text):
                if variable not in self.variables and f"{variable}=" not in line:
                    return Verdict.FALSE, f"its recipe needs {variable}, which nothing sets"
        called = [each for recipe in target.recipes for each in makes(recipe.text)] if target is not None else []
        for other in called:
            if other not in self.targets:
                return Verdict.FALSE, f"its recipe: make {other}, and there is no such target"
        for other in (*(target.needs if target is not None else ()), *called):
            if other in self.recipes and other not in (name, *above):
                verdict, why = self._recipe(other, line, (name, *above))
                if verdict is not Verdict.TRUE:
                    return verdict, f"{other}: {why}"
        return Verdict.TRUE, ""

    def _secret(self, name: str) -> Answer:
        if name in self.secrets:
            return Verdict.TRUE, ""
        for workflow in self.repository.documents(Workflow):
            if name in workflow.env:
                return Verdict.ELSEWHERE, f"{workflow.path} sets it as a plain variable"
        return Verdict.FALSE, "no workflow reads it"

    def _file(self, said: str) -> Answer:
        path = said.rstrip("/")
        if path in self.folders or (not said.endswith("/") and path in self.files):
            return Verdict.TRUE, ""
        same = self.by_name.get(path.rpartition("/")[2].lower(), []) if not said.endswith("/") else []
        if not same and self.repository.ignored((said,)):
            return Verdict.NOT_CHECKABLE, "git leaves it out"
        if not same:
            return Verdict.FALSE, "not there"
        nearest = max(same, key=lambda other: (_common_end(path, other), -len(other)))
        return Verdict.ELSEWHERE, f"there is {nearest}"


def _common_end(one: str, other: str) -> int:
    """How many parts two paths have in common, counted from the end."""
    count = 0
    for a, b in zip(reversed(one.lower().split("/")), reversed(other.lower().split("/")), strict=False):
        if a != b:
            break
        count += 1
    return count
