"""A new job that is made after one which works: runner, services, variables, and the steps of its set-up."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fixer.github.catalog.copied import copied
from fixer.github.combination import Combination, filled
from fixer.github.contexts import availability
from fixer.github.expressions import ANY, expressions_below
from fixer.github.runners import current
from fixer.github.workflows import script_of
from fixer.languages.tables import mapping
from fixer.languages.yaml import plain_of
from fixer.model import Blocked
from fixer.records import record

if TYPE_CHECKING:
    from fixer.github.action_files import ActionFiles
    from fixer.github.catalog.actions import Catalog
    from fixer.github.workflow import Job, Step

Plain = dict[str, Any]

_ORDER = (
    "name", "needs", "if", "permissions", "environment", "concurrency", "runs-on", "timeout-minutes", "defaults",
    "container", "services", "env", "steps",
)  # fmt: skip
_SIGNS_IN_BY_OIDC = re.compile(r"configure-aws-credentials|google-github-actions/auth|azure/login", re.IGNORECASE)
_TALKS_TO_THE_REMOTE = frozenset({"fetch", "pull", "push", "submodule", "lfs", "clone"})


@record
class Recipe:
    """What a new job has of the job `like`. `steps` are copies, each beside the step that it is a copy of.

    Values that are the same as those of `like` are written as they stand there. `history`: something may look at the
    commits before the one that is checked out.
    """

    like: Job
    catalog: Catalog
    action_files: ActionFiles
    combination: Combination
    steps: Sequence[tuple[Step, Plain]]
    services: Plain
    environment: Plain
    history: bool

    def job(self, title: str, minutes: int) -> Plain | Blocked:
        """The job, up to where its set-up ends; Blocked where it would read what only the other job has."""
        copied = self.like.data
        made: Plain = {
            **self.like.workflow.job_name(title),
            "if": self._guard(),
            "permissions": self._permissions(),
            "runs-on": current(filled(copied.get("runs-on"), self.combination)),
            "timeout-minutes": minutes,
            "defaults": self._defaults(),
            "container": filled(copied.get("container"), self.combination),
            "services": filled(self.services, self.combination),
            "env": self.environment,
            "steps": [self._step(step, data) for step, data in self.steps],
        }
        made = {key: value for key, value in made.items() if value not in (None, "", {}, [])}
        foreign = self._foreign(made)
        if foreign:
            return Blocked(f"job {self.like.id} sets the project up from {foreign}", "add the job by hand")
        read = set(_names(made, "needs"))
        needs = [name for name in self.like.needs if self._takes_over_files or name.lower() in read]
        if needs:
            made["needs"] = needs[0] if len(needs) == 1 else needs
        return self.like.workflow.dressed(self._ordered(made), self.like)

    @property
    def _takes_over_files(self) -> bool:
        """Whether a step wants what a job before has left: an artifact, or a cache that must be there."""
        for step, _ in self.steps:
            if step.action == "actions/download-artifact" or step.inputs.get("fail-on-cache-miss") == "true":
                return True
        return False

    def _guard(self) -> str:
        """The condition of the job that it is made after, where it would hold here as well."""
        condition = self.like.node.get("if")
        return str(condition.value) if condition is not None and condition.is_scalar else ""

    def _defaults(self) -> Any:
        """Those of the job, without a folder that is where every step starts anyway."""
        own = self.like.data.get("defaults")
        run = mapping(mapping(own).get("run"))
        around = mapping(mapping(mapping(self.like.workflow.root.data).get("defaults")).get("run"))
        if "working-directory" in around or posixpath.normpath(str(run.get("working-directory", "/"))) != ".":
            return own
        left = {key: value for key, value in run.items() if key != "working-directory"}
        return {**mapping(own), "run": left} if left else None

    def _permissions(self) -> Plain | None:
        """Reading the repository, unless the job or its workflow says just that, or the set-up needs more."""
        own = self.like.permissions
        given = own.data if own is not None else None
        wanted = {"contents": "read"}
        if isinstance(given, dict):
            signs_in = any(_SIGNS_IN_BY_OIDC.search(step.action) for step, _ in self.steps)
            if signs_in and given.get("id-token") == "write":
                wanted["id-token"] = "write"
            if given.get("packages") in ("read", "write"):
                wanted["packages"] = "read"
        whole = self.like.workflow.root.get("permissions")
        return None if whole is not None and whole.data == wanted else wanted

    def _step(self, step: Step, data: Plain) -> Plain:
        """A copy of a step, with a supported version of its action, and without a token left behind by a checkout."""
        if step.uses is not None:
            fresh = filled(copied(step, self.catalog, self.action_files), self.combination)
            data = {**data, **{key: fresh.get(key) for key in ("uses", "with") if key in {**data, **fresh}}}
            data = {key: value for key, value in data.items() if key != "with" or value is not None}
        own = step.node.value
        write = step.workflow.as_it_stands
        made: Plain = {key: write(own[key], value) if key in own else value for key, value in data.items()}
        if step.action == "actions/checkout" and not self._uses_git:
            inputs = mapping(data.get("with"))
            written = mapping(made.get("with")) or inputs
            if "persist-credentials" not in inputs:
                made["with"] = written = {**written, "persist-credentials": False}
            if "fetch-depth" in written and not self.history:
                made["with"] = {key: value for key, value in written.items() if key != "fetch-depth"}
        return made

    @property
    def _uses_git(self) -> bool:
        """Whether a step talks to the remote by git, for which a checkout leaves its token."""
        for _, data in self.steps:
            for command in script_of(str(data.get("run", ""))).commands:
                if command.name == "git" and _TALKS_TO_THE_REMOTE & {word.text for word in command.args}:
                    return True
        return False

    def _foreign(self, job: Plain) -> str:
        """What of an expression means nothing in this job, in words; empty where all is well."""
        ids = {str(step["id"]).lower() for _, step in self.steps if "id" in step}
        for at, context, name in _reads(job):
            if context in ("matrix", "strategy") or context == ANY:
                return "its matrix"
            if context == "steps" and name.lower() not in ids:
                return "outputs of other steps"
            if context == "needs" and name == ANY:
                return "all that it waits for"
            known = availability(("jobs", self.like.id, *at))
            if known is not None and context not in known.contexts:
                return f"`{context}`, which GitHub does not know in `{at[0]}` of a job"
        return ""

    def _ordered(self, job: Plain) -> Plain:
        """The keys in the order of the job that it is made after, the others where most people put them."""
        order = [key for key in self.like.data if key in job]
        for at, key in enumerate(_ORDER):
            if key not in job or key in order:
                continue
            before = next((other for other in reversed(_ORDER[:at]) if other in order), None)
            order.insert(order.index(before) + 1 if before is not None else 0, key)
        return {key: job[key] for key in order}


def _reads(job: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Where an expression of a job reads what: address, context, name."""
    for at, expression in expressions_below(plain_of(dict(job))):
        for read in expression.reads:
            yield at, read.context, read.name


def _names(job: Mapping[str, Any], context: str) -> Iterator[str]:
    for _, found, name in _reads(job):
        if found == context:
            yield name.lower()
