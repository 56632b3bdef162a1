"""GitHub workflows and composite actions, as jobs and steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fixer.languages.yaml import Flow, Node, Yaml
from fixer.model import Address, Blocked, Parts, Span, joined


class _Entry:
    """What a step and a job have in common: a mapping of the file."""

    node: Node

    @property
    def at(self) -> Address:
        return self.node.at

    @cached_property
    def data(self) -> dict[str, Any]:
        found = self.node.data
        return found if isinstance(found, dict) else {}

    @property
    def uses(self) -> Node | None:
        """The action of a step, or the reusable workflow that a job calls."""
        return _scalar(self.node.get("uses"))


@dataclass(frozen=True, eq=False)
class Step(_Entry):
    """One step, also one inside `parallel:`. `job` is None for a step of a composite action."""

    node: Node
    job: Job | None
    workflow: Workflow

    @property
    def name(self) -> str:
        """What the log shows; empty where the step has no name."""
        return _text(self.node.get("name"))

    @property
    def id(self) -> str:
        return _text(self.node.get("id"))

    @property
    def index(self) -> int:
        """Which step of its job it is, from 0; those in `parallel:` have the number of what holds them."""
        return next(part for part in self.at if isinstance(part, int))

    @property
    def action(self) -> str:
        """What it uses, without the version; empty for a script."""
        return _text(self.node.get("uses")).partition("@")[0]

    @property
    def run(self) -> Node | None:
        return _scalar(self.node.get("run"))

    @property
    def with_(self) -> Node | None:
        found = self.node.get("with")
        return found if found is not None and found.is_mapping else None

    @property
    def span(self) -> Span:
        """Where a finding about the step points: at its name, else at its action, else at all of it."""
        found = self.node.get("name") or self.uses or self.node
        return found.span

    @property
    def shell(self) -> str:
        """The shell that runs `run:`; empty for the default, which is `bash -e` without pipefail on Linux.

        https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#defaultsrunshell
        """
        return self._setting("shell")

    @property
    def working_directory(self) -> str:
        return self._setting("working-directory")

    def _setting(self, key: str) -> str:
        own = _text(self.node.get(key))
        return own or (self.job.default(key) if self.job is not None else "")


@dataclass(frozen=True, eq=False)
class Job(_Entry):
    """One job of a workflow."""

    id: str
    node: Node
    workflow: Workflow

    @property
    def name(self) -> str:
        """What people see: the job's name, or its id."""
        return _text(self.node.get("name")) or self.id

    @cached_property
    def needs(self) -> list[str]:
        found = self.node.get("needs")
        if found is None:
            return []
        return [_text(item) for item in found.items] if found.is_sequence else [_text(found)]

    def default(self, key: str) -> str:
        """What `defaults.run` of the job, else of the workflow, says of `shell` or `working-directory`."""
        for place in (self.node, self.workflow.root):
            found: Node | None = place
            for part in ("defaults", "run", key):
                found = found.get(part) if found is not None else None
            if found is not None and _text(found):
                return _text(found)
        return ""

    @property
    def steps_node(self) -> Node | None:
        found = self.node.get("steps")
        return found if found is not None and found.is_sequence else None

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        return tuple(_steps(self.steps_node, self, self.workflow))

    @property
    def environment(self) -> str:
        """The name of the deployment environment; empty where there is none."""
        found = self.node.get("environment")
        return _text(found.get("name") if found is not None and found.is_mapping else found)


class Workflow(Yaml):
    """A file in `.github/workflows`, or an `action.yml` (`composite` is true; it has steps and no jobs)."""

    @property
    def path(self) -> str:
        return self.source.path

    @property
    def composite(self) -> bool:
        return self.source.path.rpartition("/")[2].lower() in ("action.yml", "action.yaml")

    @property
    def name(self) -> str:
        return _text(self.root.get("name")) or self.source.path

    @cached_property
    def jobs(self) -> dict[str, Job]:
        found = self.root.get("jobs")
        if self.composite or found is None or not found.is_mapping:
            return {}
        return {key: Job(key, node, self) for key, node in found.value.items() if node.is_mapping}

    @cached_property
    def triggers(self) -> tuple[str, ...]:
        """The events of `on:`."""
        found = self.root.get("on")
        if found is None:
            return ()
        if found.is_mapping:
            return tuple(found.value)
        return tuple(_text(item) for item in found.items) if found.is_sequence else (_text(found),)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Every step that has a text of its own, once: aliases of a list of steps are not steps again."""
        found: dict[int, Step] = {}
        if self.composite:
            runs = self.root.get("runs")
            for step in _steps(runs.get("steps") if runs is not None else None, None, self):
                found.setdefault(id(step.node.target or step.node), step)
        for job in self.jobs.values():
            for step in job.steps:
                if step.node.target is None:
                    found.setdefault(id(step.node), step)
        return tuple(found.values())

    def upstream(self, *job_ids: str, without: Iterable[str] = ()) -> Iterator[Job]:
        """These jobs, and those that they wait for, directly or by way of jobs other than `without`; each once."""
        seen, todo = set(without), list(job_ids)
        while todo:
            job_id = todo.pop()
            job = self.jobs.get(job_id)
            if job is not None and job_id not in seen:
                seen.add(job_id)
                yield job
                todo += job.needs

    # -- builders -------------------------------------------------------------------------------------------------

    def add_job(self, job_id: str, job: dict[str, Any], *, like: Job | None = None, gates: bool = True) -> Parts:
        """Adds a job, and, if it `gates`, puts it into `needs:` of the jobs that gate on the others.

        A job gates on the others if it waits for `like`, or, where nothing waits for that one, if it waits for two
        jobs or more and nothing waits for it (a `notify` at the end). The new job goes before the first of them.
        """
        jobs = self.root.get("jobs")
        if jobs is None or not jobs.is_mapping or not jobs.value:
            return Blocked(f"{self.path} has no jobs")
        if job_id in jobs.value:
            return Blocked(f"{self.path} has a job {job_id} already")
        final = self._gates(like)
        order = list(jobs.value)
        first = min((order.index(gate.id) for gate in final), default=len(order))
        place = {"after": order[first - 1]} if first else {"before": order[0]}
        parts = [self.add_key(jobs, job_id, job, **place)]
        if gates:
            parts += [self._add_need(needs, job_id) for gate in final if (needs := gate.node.get("needs")) is not None]
        return joined(parts)

    def add_trigger(self, event: str) -> Parts:
        """Adds an event to `on:`; nothing where it is there already."""
        if event in self.triggers:
            return ()
        on = self.root.get("on")
        if on is None:
            return Blocked(f"{self.path} has no triggers")
        if on.is_mapping:
            return self.add_key(on, event, None)
        if on.is_sequence:
            return self.insert_item(on, len(on.items), event)
        return self.set_scalar(on, Flow((on.value, event)))

    def _add_need(self, needs: Node, job_id: str) -> Parts:
        if needs.is_sequence:
            return self.insert_item(needs, len(needs.items), job_id)
        return self.set_scalar(needs, Flow((needs.value, job_id)))

    def _gates(self, like: Job | None) -> list[Job]:
        waited_for = {need for job in self.jobs.values() for need in job.needs}
        if like is not None and like.id in waited_for:
            return [job for job in self.jobs.values() if like.id in job.needs]
        return [job for job in self.jobs.values() if len(job.needs) > 1 and job.id not in waited_for]

    def job_name(self, title: str) -> dict[str, str]:
        """`name:` for a new job, where most of its neighbours have one."""
        named = sum(job.node.get("name") is not None for job in self.jobs.values())
        return {"name": title} if named * 2 >= len(self.jobs) else {}

    def step_name(self, title: str) -> dict[str, str]:
        """`name:` for a new step, where most of its neighbours have one."""
        named = sum(bool(step.name) for step in self.steps)
        return {"name": title} if named * 2 >= len(self.steps) else {}


def _steps(sequence: Node | None, job: Job | None, workflow: Workflow) -> Iterator[Step]:
    for node in sequence.items if sequence is not None else ():
        if not node.is_mapping:
            continue
        parallel = node.get("parallel")
        if parallel is not None and parallel.is_sequence:
            yield from _steps(parallel, job, workflow)
        else:
            yield Step(node, job, workflow)


def _text(node: Node | None) -> str:
    return node.value if node is not None and node.is_scalar else ""


def _scalar(node: Node | None) -> Node | None:
    return node if node is not None and node.is_scalar else None
