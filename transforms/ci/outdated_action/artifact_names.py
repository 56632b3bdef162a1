"""Names of artifacts, which from upload-artifact v4 on can be used once in a run.

Up to v3 several uploads of one name, such as those of the jobs of a matrix, ran together into one artifact. From v4 on
the second one fails, so each gets a name of its own, and who downloads takes them together by a pattern.
https://github.com/actions/upload-artifact/blob/main/docs/MIGRATION.md
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from fixer.github.expressions import ANY, equalities, expressions_in, literals, reads
from fixer.github.matrix import combinations_of
from fixer.github.workflow import Job, Step, Workflow
from fixer.model import Address, Blocked
from fixer.records import record

SUFFIX = "-${{ strategy.job-index }}"
# Other actions that leave artifacts; those of Docker leave the record of a build.
_OTHER_UPLOADS = re.compile(r"^docker/(build-push|bake)-action@|upload(?!-artifact@)[\w-]*artifact|^\./", re.IGNORECASE)
ADVICE = "give each upload a name of its own; downloads can take them together with pattern and merge-multiple"


@record
class ArtifactNames:
    """New names by the address of the step that uploads, and patterns by the address of the step that downloads."""

    uploads: Mapping[Address, str]
    downloads: Mapping[Address, str]


def artifact_names(
    workflow: Workflow, crossing: Collection[Address], readers: Mapping[str, str]
) -> ArtifactNames | Blocked:
    """What the steps at `crossing` must be named so that no name is uploaded twice, and who reads them.

    `readers` are the texts of workflows that read artifacts of other runs, by path.
    """
    uploads = list(_steps_of(workflow, "actions/upload-artifact"))
    downloads = [step for step in _steps_of(workflow, "actions/download-artifact") if "run-id" not in _inputs(step)]
    renamed: dict[Address, str] = {}
    patterns: dict[Address, str] = {}
    for name, group in _by_name(uploads).items():
        repeating = [step for step in group if step.job is not None and _repeats(step, step.job, name)]
        if not any(step.at in crossing for step in group) or (len(group) == 1 and not repeating):
            continue
        many = f"the artifact {name} is uploaded several times, which from v4 on can be done once in a run"
        if any(step.at not in crossing or step.job is None for step in group):
            return Blocked(f"{many}, and one of the uploads cannot be renamed with the others", ADVICE)
        reader = next((path for path, text in readers.items() if _names(text, name)), "")
        if reader or "workflow_call" in workflow.triggers:
            where = reader or "the workflow that calls this one"
            return Blocked(f"{many}, and {where} may read it by its name", ADVICE)
        others = [other for other in _by_name(uploads) if other != name]
        stems = (stem for stem in (name, f"{name}-part") if not any(_may_be(other, f"{stem}-") for other in others))
        stem = next(stems, "")
        if not stem:
            return Blocked(f"{many}, and another artifact begins with the same name", ADVICE)
        for step in group:
            new = _own_name(stem, step, group) + (SUFFIX if step in repeating else "")
            if new in renamed.values():
                return Blocked(many, ADVICE)
            renamed[step.at] = new
        for download in downloads:
            wanted = _inputs(download).get("name")
            if wanted == name:
                patterns[download.at] = f"{stem}-*"
            elif wanted is None and "pattern" not in _inputs(download):
                return Blocked(f"{many}, and a step downloads all artifacts into folders of their names", ADVICE)
            elif wanted is not None and _may_be_same(name, wanted):
                return Blocked(f"{many}, and it cannot be told whether {wanted} is one of them", ADVICE)
    return ArtifactNames(renamed, patterns)


def only_artifact(workflow: Workflow) -> str | None:
    """The name of the one artifact that a run has; empty where it has several, None where that cannot be told."""
    names = _by_name(list(_steps_of(workflow, "actions/upload-artifact")))
    if len(names) > 1:
        return ""
    shared = "workflow_call" in workflow.triggers or any(job.uses is not None for job in workflow.jobs.values())
    if not names or shared or any(_OTHER_UPLOADS.search(step.uses.value) for step in workflow.steps if step.uses):
        return None
    [name] = names
    contexts = {read.context for read in reads(name)}
    if contexts & {"matrix", "strategy"}:
        return ""
    return name if contexts <= {"github", "inputs", "vars"} else None


def _by_name(uploads: list[Step]) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = {}
    for step in uploads:
        found.setdefault(_inputs(step).get("name", "artifact"), []).append(step)
    return found


def _own_name(name: str, step: Step, group: list[Step]) -> str:
    """The name with the job's id, and a number where a job uploads it more than once."""
    if len(group) == 1 or step.job is None:
        return name
    mates = [other for other in group if other.job is not None and other.job.id == step.job.id]
    number = f"-{mates.index(step) + 1}" if len(mates) > 1 else ""
    return f"{name}-{step.job.id}{number}"


def _steps_of(workflow: Workflow, action: str) -> Iterator[Step]:
    for step in workflow.steps:
        if step.uses is not None and step.uses.value.lower().startswith(f"{action}@"):
            yield step


def _inputs(step: Step) -> dict[str, str]:
    given = step.with_
    return {key: node.value for key, node in given.value.items() if node.is_scalar} if given is not None else {}


def _names(text: str, name: str) -> bool:
    """Whether a text may name an artifact; only the literal beginning of a name with expressions can be looked for."""
    literal = literals(name)[0]
    end = r"(?![\w.-])" if literal == name else ""
    return re.search(rf"(?<![\w.-]){re.escape(literal)}{end}", text) is not None


def _may_be(template: str, text: str, *, whole: bool = False) -> bool:
    """Whether a name with expressions in it may begin with, or be, this text."""
    literal = literals(template)
    pattern = ".*".join(re.escape(part) for part in literal)
    if whole:
        return re.fullmatch(pattern, text) is not None
    return literal[0].startswith(text) or (len(literal) > 1 and text.startswith(literal[0]))


def _may_be_same(one: str, other: str) -> bool:
    """Whether two names, either of them perhaps with expressions in it, may be the same."""
    if not expressions_in(one) or not expressions_in(other):
        template, text = (other, one) if expressions_in(other) else (one, other)
        return _may_be(template, text, whole=True)
    (head, *_, tail), (other_head, *_, other_tail) = (literals(name) for name in (one, other))
    heads = head.startswith(other_head) or other_head.startswith(head)
    return heads and (tail.endswith(other_tail) or other_tail.endswith(tail))


def _repeats(step: Step, job: Job, name: str) -> bool:
    """Whether two jobs of the matrix may upload the same name."""
    strategy = job.node.get("strategy")
    matrix = strategy.get("matrix") if strategy is not None else None
    if matrix is None:
        return False
    found = reads(name)
    if any(read.is_("strategy.job-index", "strategy", "matrix") for read in found):
        return False
    used = {read.name.lower() for read in found if read.context == "matrix" and read.name != ANY}
    combinations = combinations_of(matrix.data)
    if combinations is None:
        return True
    # Expressions do not tell upper from lower case.
    combinations = [{key.lower(): value for key, value in one.items()} for one in combinations]
    condition = step.data.get("if")
    if isinstance(condition, str):
        for read, literal in equalities(condition):
            if read.context == "matrix" and len(read.keys) == 2:
                key = read.name.lower()
                combinations = [one for one in combinations if _text(one.get(key)) == literal.text]
    seen = [tuple(_text(one.get(key)) for key in sorted(used)) for one in combinations]
    return len(set(seen)) < len(seen)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
