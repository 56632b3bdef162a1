"""Values as a step writes them, with the variables of the shell followed to where they are set.

A literal, or text with `${{ … }}`. Where it cannot be seen what a variable holds, the answer
is None, and nobody guesses.
"""

from __future__ import annotations

import re

from fixer.deploy.sign_in import AWS_SIGN_IN
from fixer.github.expressions import ANY, Read, masked
from fixer.github.workflow import Step
from fixer.languages.shell import Script

IN_ONE_JOB = frozenset(("steps", "needs", "matrix", "strategy", "job", "runner", ANY))
"""What these contexts hold has a meaning in one job only."""
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_GITHUB_VARIABLES = {
    "GITHUB_SHA": "github.sha",
    "GITHUB_REF_NAME": "github.ref_name",
    "GITHUB_REPOSITORY": "github.repository",
    "GITHUB_RUN_ID": "github.run_id",
    "GITHUB_RUN_NUMBER": "github.run_number",
}


def value_of(text: str, step: Step, script: Script | None, depth: int = 0) -> str | None:
    """A word of the shell with its variables followed to where they are set; None where that cannot be seen.

    What is set in the step, its script or its job is put in place of the variable; what the whole workflow sets
    becomes `${{ env.NAME }}`.
    """
    if depth > 5:
        return None
    plain = masked(text, "\0")
    if "$(" in plain or "`" in plain:
        return None
    made, at = "", 0
    for found in _VARIABLE.finditer(plain):
        value = _variable(found[1] or found[2], step, script, depth)
        if value is None:
            return None
        made += text[at : found.start()] + value
        at = found.end()
    rest = plain[at:]
    return None if "$" in rest else made + text[at:]


def _variable(name: str, step: Step, script: Script | None, depth: int) -> str | None:
    assigned = script.assignments.get(name) if script is not None else None
    if assigned is not None:
        return value_of(assigned.text, step, script, depth + 1)
    job = step.job
    given = {**(job.node.texts("env") if job is not None else {}), **step.node.texts("env")}
    if name in given:
        return given[name]
    if name in step.workflow.root.mapping("env"):
        return f"${{{{ env.{name} }}}}"
    if name in _GITHUB_VARIABLES:
        return f"${{{{ {_GITHUB_VARIABLES[name]} }}}}"
    for other in job.steps if job is not None else ():
        if other.at == step.at:
            break
        if name in ("AWS_REGION", "AWS_DEFAULT_REGION") and other.uses is not None and other.with_ is not None:
            region = other.with_.get("aws-region")
            if AWS_SIGN_IN.match(other.uses.value) and region is not None:
                return str(region.value)
        if exports(other, name):
            return f"${{{{ env.{name} }}}}"
    return None


def output_of_shell(read: Read, near: Step) -> tuple[str, Step]:
    """What `echo "image=…" >> "$GITHUB_OUTPUT"` gives an output, and the step that says it; empty where none does."""
    for step in near.job.steps if near.job is not None else ():
        for command in step.script.commands if step.script is not None else ():
            for word in command.args if command.name in ("echo", "printf") else ():
                name, _, value = word.text.partition("=")
                if step.id and read.is_(f"steps.{step.id}.outputs.{name}"):
                    return value, step
    return "", near


def exports(step: Step, name: str) -> bool:
    """Whether a step sets a variable for the steps behind it."""
    script = step.run.value if step.run is not None else ""
    return "GITHUB_ENV" in script and re.search(rf"\b{name}=", script) is not None
