"""GitHub workflows and composite actions, as jobs and steps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from fixer.github.expressions import ANY, conditions, only, only_read, places, reads
from fixer.github.matrix import Matrix
from fixer.languages.shell import Script, Shell
from fixer.languages.tables import mapping, sequence
from fixer.languages.yaml import Flow, Node, Style, Yaml, entry_lines, plain_of
from fixer.model import Address, Blocked, Change, Parts, Span, joined
from fixer.records import entity, record
from fixer.scripts import ScriptText, known_to_be_code

_LONGEST_TITLE = 40  # characters; a longer comment explains something
WORKFLOWS = ".github/workflows/"
"""The only folder whose workflows GitHub runs: https://docs.github.com/actions/concepts/workflows-and-actions/workflows"""
_SYSTEMS = {"ubuntu": "linux", "linux": "linux", "windows": "windows", "macos": "macos"}


@record
class RunsOn:
    """What a job runs on: every label that it, or a job of its matrix, asks for, as text, and the group of runners.

    A label that an expression makes stays an expression.
    """

    labels: tuple[str, ...]
    group: str = ""

    @property
    def self_hosted(self) -> bool:
        """Whether it is a runner of somebody's own, or of a group, as far as can be told."""
        return bool(self.group) or any("self-hosted" in label for label in self.labels)

    @property
    def known(self) -> bool:
        """Whether every label is known, and one of GitHub's own."""
        hosted = (label.lower().startswith(("ubuntu", "windows", "macos")) for label in self.labels)
        return bool(self.labels) and not self.group and all(hosted)

    def may_be(self, system: str) -> bool:
        """Whether it is `linux`, `windows` or `macos`, in some job at least, by the words of its labels."""
        return system in self._systems

    def must_be(self, system: str) -> bool:
        """Whether it is this system and in no job another one, by the words of its labels."""
        return self._systems == {system}

    @property
    def _systems(self) -> set[str]:
        words = " ".join(self.labels).lower()
        return {system for word, system in _SYSTEMS.items() if word in words}


@record
class Service:
    """A container that runs beside a job, or the one that the job runs in. `ports` are as they are written."""

    name: str
    image: str
    env: Mapping[str, str]
    ports: tuple[str, ...]
    options: str
    node: Node

    @classmethod
    def of(cls, name: str, node: Node) -> Service:
        """`node` is the mapping, or the text of the image alone."""
        ports = node.get("ports")
        return cls(
            name,
            node.value if node.is_scalar else _text(node.get("image")),
            node.texts("env"),
            tuple(_text(port) for port in ports.items) if ports is not None else (),
            _text(node.get("options")),
            node,
        )


class _Entry:
    """What a step and a job have in common: a mapping of the file."""

    node: Node

    workflow: Workflow

    @property
    def at(self) -> Address:
        return self.node.at

    @property
    def is_written(self) -> bool:
        """Whether a fix of this run has put it there."""
        return self.workflow.source.is_written(self.node.span)

    @cached_property
    def data(self) -> dict[str, Any]:
        found = self.node.data
        return found if isinstance(found, dict) else {}

    @cached_property
    def uses(self) -> Node | None:
        """The action of a step, or the reusable workflow that a job calls."""
        return _scalar(self.node.get("uses"))

    @property
    def env(self) -> dict[str, str]:
        """Its own variables, as they are written; `timeline.Moment` knows all that are in scope."""
        return self.node.texts("env")

    @cached_property
    def condition(self) -> str:
        """The expression of `if:`, without `${{ }}` around it; empty where there is none."""
        text = _text(self.node.get("if")).strip()
        expression = only(text)
        return expression.inner if expression is not None else text

    @cached_property
    def conditions(self) -> frozenset[str]:
        """What must all hold where `condition` holds."""
        return conditions(self.condition)

    @cached_property
    def may_fail(self) -> bool:
        """Whether `continue-on-error` lets what follows run after a failure; an expression may."""
        given = self.node.get("continue-on-error")
        return given is not None and _text(given).strip().lower() != "false"


@entity
class Step(_Entry):
    """One step, also one inside `parallel:`. `job` is None for a step of a composite action."""

    node: Node
    job: Job | None
    workflow: Workflow

    @cached_property
    def data(self) -> dict[str, Any]:
        """Its keys; a `run:` is code, since somebody wrote it as that."""
        found = self.node.data
        if not isinstance(found, dict):
            return {}
        run = found.get("run")
        return {**found, "run": ScriptText.written(run)} if isinstance(run, str) else found

    @cached_property
    def script(self) -> Script | None:
        """The script of its `run:`; None where it has none, or where another program than bash or sh reads it."""
        run = self.run
        if run is None:
            return None
        setting = self.shell
        # Without `shell:` a Windows runner starts PowerShell.
        if not setting and self.job is not None and self.job.runs_on.must_be("windows"):
            return None
        shell = Shell.named(setting)
        return Script.parse(run.value, shell, self.placeholders) if shell is not None else None

    @property
    def name(self) -> str:
        """What the log shows; empty where the step has no name."""
        return _text(self.node.get("name"))

    @property
    def id(self) -> str:
        return _text(self.node.get("id"))

    @cached_property
    def index(self) -> int:
        """Which step of its job it is, from 0; those in `parallel:` have the number of what holds them."""
        return next(part for part in self.at if isinstance(part, int))

    @cached_property
    def action(self) -> str:
        """What it uses, without the version; empty for a script."""
        return _text(self.node.get("uses")).partition("@")[0]

    @cached_property
    def run(self) -> Node | None:
        return _scalar(self.node.get("run"))

    @cached_property
    def mentions_environment_file(self) -> bool:
        """Whether its script names the file by which variables reach later steps, `$GITHUB_ENV`."""
        script = self.run.value if self.run is not None else ""
        return "GITHUB_ENV" in script or any(read.may_read("github.env") for read in reads(script))

    @property
    def placeholders(self) -> tuple[tuple[int, int], ...]:
        """Where GitHub puts values into its script before a shell sees it: starts and ends."""
        run = self.run
        return places(run.value) if run is not None else ()

    @property
    def with_(self) -> Node | None:
        found = self.node.get("with")
        return found if found is not None and found.is_mapping else None

    @property
    def inputs(self) -> dict[str, str]:
        """What `with:` gives, as it is written."""
        return self.node.texts("with")

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


@entity
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
    def own_steps(self) -> tuple[Step, ...]:
        """The steps that people wrote: what a fix has put between them tells nothing of how the project is set up."""
        return tuple(step for step in self.steps if not step.is_written)

    @cached_property
    def may_export(self) -> bool:
        """Whether a step may give variables to later ones: by its script, or in an action of the repository."""
        return any(step.mentions_environment_file or step.action.startswith("./") for step in self.steps)

    @cached_property
    def matrix(self) -> Matrix | None:
        """What `strategy.matrix` makes of the job; None where it has none."""
        strategy = self.node.get("strategy")
        found = strategy.get("matrix") if strategy is not None else None
        return Matrix(found.data) if found is not None else None

    @cached_property
    def runs_on(self) -> RunsOn:
        found = self.node.get("runs-on")
        if found is None:
            return RunsOn(())
        group = _text(found.get("group"))
        names = found.get("labels") if found.is_mapping else found
        if names is None:
            return RunsOn((), group)
        written = [_text(item) for item in names.items] if names.is_sequence else [_text(names)]
        return RunsOn(tuple(label for text in written for label in self._labels(text)), group)

    def _labels(self, text: str) -> Iterator[str]:
        """The labels that a matrix puts in the place of `${{ matrix.os }}`."""
        # The label of a runner is hardly ever made of more than `${{ matrix.os }}` alone.
        read = only_read(text)
        of_matrix = read is not None and read.context == "matrix" and len(read.keys) == 2 and read.name != ANY
        values = self.matrix.values(read.name) if read is not None and of_matrix and self.matrix is not None else None
        if not values:
            yield text
            return
        for value in values:
            yield from map(str, value if isinstance(value, list) else [value])

    @cached_property
    def services(self) -> dict[str, Service]:
        return {name: Service.of(name, node) for name, node in self.node.mapping("services").items()}

    @cached_property
    def container(self) -> Service | None:
        """The container that its steps run in; None where they run on the runner itself."""
        found = self.node.get("container")
        return Service.of("container", found) if found is not None and found.value else None

    @property
    def permissions(self) -> Node | None:
        """What restricts the job's token: its own `permissions`, else the workflow's; None where neither says a word.

        What neither says is decided by a setting of the repository.
        """
        own = self.node.get("permissions")
        return own if own is not None else self.workflow.root.get("permissions")

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
    def is_run(self) -> bool:
        """Whether GitHub runs it, which it does with none below another folder, and with none without an event."""
        return self.path.startswith(WORKFLOWS) and not self.composite and bool(self.triggers)

    @property
    def name(self) -> str:
        return _text(self.root.get("name")) or self.source.path

    @cached_property
    def jobs(self) -> dict[str, Job]:
        found = self.root.get("jobs")
        if self.composite or found is None or not found.is_mapping:
            return {}
        return {key: Job(key, node, self) for key, node in found.value.items() if node.is_mapping}

    @property
    def env(self) -> dict[str, str]:
        """The variables of all of its jobs, as they are written."""
        return self.root.texts("env")

    @property
    def sees_every_change(self) -> bool:
        """Whether no filter of paths keeps it from running for a change."""
        events = self.root.mapping("on")
        filters = ("paths", "paths-ignore")
        return not any(event.get(name) is not None for event in events.values() for name in filters)

    @cached_property
    def triggers(self) -> tuple[str, ...]:
        """The events of `on:`."""
        found = self.root.get("on")
        if found is None:
            return ()
        if found.is_mapping:
            return tuple(found.value)
        return tuple(_text(item) for item in found.items) if found.is_sequence else (_text(found),)

    def branches(self, event: str) -> tuple[str, ...]:
        """Those that an event of `on:` lists."""
        given = self.root.mapping("on").get(event)
        names = sequence(mapping(given.data).get("branches")) if given is not None else []
        return tuple(name for name in names if isinstance(name, str))

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

    def _everywhere(self, changes: Iterable[Change]) -> tuple[Change, ...]:
        """The same as for any YAML, once it is seen that what goes into a script is code."""
        return super()._everywhere(known_to_be_code(change, _is_script) for change in changes)

    def add_job(
        self,
        name: str,
        job: dict[str, Any],
        *,
        like: Job | None = None,
        gates: bool = True,
        comment: Sequence[str] = (),
    ) -> Parts:
        """Adds a job under the id that `job_id` makes of its name, and, if it `gates`, puts it into `needs:` of the
        jobs that gate on the others.

        A job gates on the others if it waits for `like`, or, where nothing waits for that one, if it waits for two
        jobs or more and nothing waits for it (a `notify` at the end). The new job goes before the first of them, or to
        the end where it waits for one of them itself.
        """
        jobs = self.root.get("jobs")
        if jobs is None or not jobs.is_mapping or not jobs.value:
            return Blocked(f"{self.path} has no jobs")
        job_id = self.job_id(name)
        if job_id in jobs.value:
            return Blocked(f"{self.path} has a job {job_id} already")
        final = self._gates(like)
        order = list(jobs.value)
        first = min((order.index(gate.id) for gate in final), default=len(order))
        needs = job.get("needs")
        if isinstance(needs, Flow) and set(order[first:]).intersection(needs.items):
            first = len(order)
        place = {"after": order[first - 1]} if first else {"before": order[0]}
        parts = [self.add_key(jobs, job_id, job, comment=comment, **place)]
        if gates:
            parts += [self._add_need(needs, job_id) for gate in final if (needs := gate.node.get("needs")) is not None]
        return joined(parts)

    def dressed(self, job: Mapping[str, Any], like: Job) -> dict[str, Any]:
        """A job that is made after another, with its values as they are written there; steps are so already."""
        return {
            key: value if key == "steps" or (own := like.node.get(key)) is None else self.as_it_stands(own, value)
            for key, value in job.items()
        }

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

    def job_id(self, name: str) -> str:
        """An id of words with dashes, spelled as most of its neighbours are: `migrations_check`."""
        dashes, lines = (sum(mark in each for each in self.jobs) for mark in "-_")
        return name.replace("-", "_") if lines > dashes else name

    def banner(self, title: str, like: Job) -> tuple[str, ...]:
        """The comment to stand above a new job, where each of at least two jobs has one that announces it.

        A banner of three lines, a rule above and below a title, is made anew; a single line is taken as a title too.
        """
        found = [self._comment_above(key) for key in self.jobs]
        if len(found) < 2 or not all(found):
            return ()
        own = self._comment_above(like.id)
        rules = [line for line in own if not re.search(r"\w", line)]
        if len(own) == 1 and not rules:
            words = re.search(r"\w(?:.*\w)?", own[0])
            if words is None or len(words[0]) > _LONGEST_TITLE:
                return ()
            lead, tail = own[0][: words.start()], own[0][words.end() :]
            # A rule behind the title is as long as the one in front, or ends where it ends in the other banner.
            length = len(own[0]) - len(lead) - len(title) - 1
            if tail.strip() == lead.strip("# "):
                length = len(tail.strip())
            rule = tail[-1:] * max(length, 3)
            return (f"{lead}{title}{f' {rule}' if len(tail) > 1 else tail}",)
        if len(own) == 3 and rules == [own[0], own[2]]:
            lead = own[1][: len(own[1]) - len(own[1].lstrip("# -=*"))]
            return (own[0], f"{lead}{title}", own[2])
        return ()

    def _comment_above(self, job_id: str) -> tuple[str, ...]:
        """The lines of comment right above a job, from the `#` on."""
        text = self.source.text
        lines: list[str] = []
        key = self.root.value["jobs"].key_spans[job_id]
        at = self.source.line_start(key.start)
        while at > 0:
            start = self.source.line_start(at - 1)
            line = text[start : at - 1].strip()
            if not line.startswith("#"):
                break
            lines.insert(0, line)
            at = start
        return tuple(lines)

    def job_name(self, title: str) -> dict[str, str]:
        """`name:` for a new job, where most of its neighbours have one."""
        names = [_text(name) for job in self.jobs.values() if (name := job.node.get("name")) is not None]
        if len(names) * 2 < len(self.jobs):
            return {}
        several = [name for name in names if len(name.split()) > 1]
        sentences = [
            name for name in several if not all(word[0].isupper() or not word.isalpha() for word in name.split())
        ]
        return {"name": title.capitalize() if len(sentences) * 2 > len(several) else title}

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


def _is_script(at: Address) -> bool:
    """Of a step: a variable or a key of a service may have the same name."""
    return at[-3:-2] + at[-1:] == ("steps", "run") or at[-4:-3] + at[-2:] == ("steps", "with", "script")


def new_workflow(title: str, events: dict[str, Any], jobs: dict[str, Any], style: Style, **keys: Any) -> str:
    """The text of a workflow; `keys` stand above its jobs. Raises TypeError where a script of a job is no code."""
    known_to_be_code(Change("set", ("jobs",), plain_of(jobs)), _is_script)
    # `on` without quotes, as everybody writes it and GitHub reads it.
    lines = [f"name: {title}", "", "on:", *entry_lines("on", events, style)[1:], ""]
    for key, value in keys.items():
        lines += [*entry_lines(key, value, style), ""]
    return "\n".join([*lines, *entry_lines("jobs", jobs, style), ""])


def _text(node: Node | None) -> str:
    return node.value if node is not None and node.is_scalar else ""


def _scalar(node: Node | None) -> Node | None:
    return node if node is not None and node.is_scalar else None
