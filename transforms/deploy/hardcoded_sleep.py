"""A fixed `sleep` that waits for a deployment by guessing.

## Why
Too short and the check after it fails for a service that was about to come up; too long and every deployment pays for
it. A loop with a deadline does both right: it goes on as soon as the service is healthy, and it fails, with a message,
when the service never is.

While a rollout goes on the old version still answers, and a check that asks it passes. So what deploys is asked first
whether its rollout is done (`aws ecs wait services-stable`, `kubectl rollout status`, …), and the checks that follow
stay as they are. Where nothing is known that tells, the sleep stays as the least time, and the loop comes behind it.

The addresses come from the health checks that follow the sleep, in its own script or in the next step that checks.
Where those addresses were checked since the deployment already, the sleep is a soak (“wait and look again”): it becomes
a loop that fails as soon as an address is not healthy during that time. Where nothing is checked, the option `url` says
what to ask.

## When it is left alone
* Sleeps in loops and conditions: they are part of a wait that looks.
* Waits for a service on the runner itself (`localhost`, a container, a port-forward), and for logs to arrive; on a
  server, waits after which nothing is checked; a head start for `aws ecs wait` or `kubectl rollout status`, and what
  makes time for other steps before the job waits in that way.
* Sleeps of a few seconds, of a length that is not written there, and those with no deployment before them.

* A sleep before a loop that asks, where nothing tells when the rollout is done.

Where the check that follows judges the answer itself, or does not care, the loop only waits: at its deadline it warns
and goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from fixer.deploy.commands import (
    StepScript,
    action_deploys,
    deploys,
    job_deploys,
    starts_of,
    waits,
    waits_by_action,
    waits_for_ecs,
)
from fixer.deploy.deployment import Deployment
from fixer.deploy.deployments import Deployments
from fixer.deploy.health_check import HealthCheck, Probe, health_checks, is_local, stay_healthy, wait_until_healthy
from fixer.deploy.values import value_of
from fixer.deploy.ways import ECS, KUBERNETES, Returns, Start, Way
from fixer.github.expressions import Expression, expressions_in, replaced, without
from fixer.github.workflow import Step, Workflow
from fixer.languages.shell import Command, Silence, Structure, Word, expanded_word, word
from fixer.languages.yaml import dotted
from fixer.model import Blocked, Finding, Fix, Parts, Rule, RuleOptions, Tier, listed, option
from fixer.records import entity
from fixer.scripts import Quoted, ScriptText, with_edits

SHORTEST = 5
"""Seconds; a shorter sleep is a pause, not a wait for a deployment."""

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
SOMEWHERE_ELSE = (
    *(Structure.LOOP, Structure.CONDITION, Structure.FUNCTION, Structure.SUBSTITUTION, Structure.BACKGROUND),
    *(Structure.PIPELINE, Structure.NEGATION, Structure.SUBSHELL),
)
READS_LOGS = re.compile(
    r"(aws .*\blogs|kubectl .*\blogs?|(docker|podman)( compose|-compose)? .*\blogs|journalctl|gcloud .*\blog)\b"
)
WAITS = re.compile(r"aws .*\bwait\b|kubectl .*\b(rollout status|wait)\b")
ABOUT_LOGS = re.compile(r"#.*\blogs?\b", re.IGNORECASE)
STARTS_HERE = re.compile(
    r"(docker|podman)([ -]compose)? .*\b(up|run|start|restart)\b|kubectl .*port-forward|.*\brunserver\b"
)
DEPLOYMENT_IN_NAME = re.compile(
    r"deploy|release|roll-?out|ship|smoke|staging|production|post-deploy|health|uptime|propagat|restart", re.IGNORECASE
)
URL = re.compile(r"https?://[\w.-]+(:\d+)?(/[\w/.?&=%~+-]*)?", re.ASCII)
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
OWN_VARIABLES = re.compile(r"(GITHUB|RUNNER|AWS)_\w+")


class Options(RuleOptions):
    url: str | Sequence[str] | Mapping[str, str | Sequence[str]] = option(
        "", "what to ask where nothing that follows is checked: one URL, several, or one per job id", about="address"
    )
    timeout: int = option(300, "seconds after which a deployment that is not healthy has failed")
    interval: int = option(5, "seconds between two attempts")
    max_time: int = option(10, "seconds that one request may take")


def check(workflow: Workflow, options: Options, deployments: Deployments | None) -> Iterator[Finding]:
    for wait in _sleeps(workflow):
        yield from _finding(wait, options, deployments)


def _sleeps(workflow: Workflow) -> Iterator[Wait]:
    if "sleep" not in workflow.source.text:
        return
    for steps in [job.steps for job in workflow.jobs.values()] or [workflow.steps]:
        for number, step in enumerate(steps):
            if step not in workflow.steps:
                continue  # an alias of steps that stand elsewhere
            here = StepScript.of(step)
            if here is None or "sleep" not in here.script.text:
                continue
            for command in here.script.commands:
                sleep = _sleep(command)
                if sleep:
                    yield Wait(workflow, steps, number, here, command, sleep)


def _sleep(command: Command) -> int:
    """The seconds that a statement sleeps, 0 for what is no wait of its own."""
    if command.name != "sleep" or len(command.args) != 1 or command.within(*SOMEWHERE_ELSE):
        return 0
    found = re.fullmatch(r"([0-9]{1,9})([smh]?)", command.args[0].text)
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    return seconds if seconds >= SHORTEST else 0


@entity
class Wait:
    """A sleep, and where it stands."""

    workflow: Workflow
    steps: Sequence[Step]
    number: int
    here: StepScript
    command: Command
    seconds: int

    @property
    def step(self) -> Step:
        return self.here.step

    @property
    def text(self) -> str:
        return self.here.script.text

    def scripts(self, *, before: bool) -> Iterator[StepScript]:
        """The scripts of the other steps of the job, nearest first."""
        others = reversed(self.steps[: self.number]) if before else iter(self.steps[self.number + 1 :])
        return (found for step in others if (found := StepScript.of(step)) is not None)

    @property
    def deployed_before(self) -> bool:
        """Whether the script, a step before it, or a job that this one needs has deployed."""
        return (
            any(c.start < self.command.start for c in self.here.deploying())
            or any(deploys(step) for step in self.steps[: self.number])
            or self.needs_deployment
        )

    @property
    def needs_deployment(self) -> bool:
        job = self.step.job
        return job is not None and any(
            job_deploys(job.workflow.jobs[name]) for name in job.needs if name in job.workflow.jobs
        )


def _finding(wait: Wait, options: Options, deployments: Deployments | None) -> Iterator[Finding]:
    checks = _checks_after(wait)
    if checks and not wait.here.remote and any(is_local(_value(found)) for found in checks):
        return
    if _waits_for_something_else(wait) or (not checks and (_started_here(wait) or _is_waited_for_later(wait))):
        return
    if not checks and (wait.here.remote or not _is_pure_wait(wait)):
        return
    if not wait.deployed_before and not (checks and _speaks_of_deployment(wait)):
        return
    span = wait.workflow.span_of(wait.here.node, wait.command.start, wait.command.end)
    if checks and all(_value(found) in _checked_before(wait) for found in checks):
        message = f"`{wait.command.source}` looks away for that long; nothing sees whether the service stays healthy"
        yield Finding(wait.workflow.path, span, message, _soak(wait, checks, options))
    else:
        message = f"`{wait.command.source}` guesses how long the deployment takes"
        cure = _cure(wait, checks, options, deployments)
        asked = bool(checks) and _asks_again(checks[0])
        if asked and (isinstance(cure, Blocked) or _rollout(wait, Environment(wait), deployments, 0) is None):
            return
        yield Finding(wait.workflow.path, span, message, cure)


def _asks_again(found: Found) -> bool:
    """Whether a check stands in a loop that asks the same address again."""
    around = found.check.command.structure
    until = any(pair == (Structure.CONDITION, Structure.LOOP) for pair in pairwise(around))
    return until or (Structure.LOOP in around and found.url == found.check.url.text)


# -- what the sleep waits for -------------------------------------------------------------------------------------


def _waits_for_something_else(wait: Wait) -> bool:
    text, script = wait.text, wait.here.script
    line = text[: wait.command.start].count("\n")
    if any(ABOUT_LOGS.search(found) for found in text.split("\n")[max(0, line - 1) : line + 1]):
        return True
    following = next((c for c in script.commands if c.start > wait.command.start and c.name != "echo"), None)
    if following is None:
        place = next(wait.scripts(before=False), None)
        following = place.script.commands[0] if place is not None and place.script.commands else None
    return following is not None and bool(READS_LOGS.match(_said(following)) or WAITS.match(_said(following)))


def _is_waited_for_later(wait: Wait) -> bool:
    """Whether the job waits for the rollout further down: then this sleep is for what comes in between."""
    if any(command.start > wait.command.start for command in waits(wait.here.script)):
        return True
    for step in wait.steps[wait.number + 1 :]:
        if deploys(step) or _waits(step):
            return _waits(step)
    return False


def _started_here(wait: Wait) -> bool:
    """Whether the script has started something on the runner itself."""
    earlier = [c for c in wait.here.script.commands if c.start < wait.command.start]
    return any(c.within(Structure.BACKGROUND) or STARTS_HERE.match(_said(c)) for c in earlier)


def _said(command: Command) -> str:
    return " ".join([command.name, *(word.text for word in command.args)])


def _is_pure_wait(wait: Wait) -> bool:
    """Whether the script does nothing but wait, or waits right after it has deployed."""
    others = [c for c in wait.here.script.commands if c is not wait.command and c.name not in ("echo", "printf", "set")]
    before = [c for c in others if c.start < wait.command.start]
    deploying = {c.start for c in wait.here.deploying(surely=True)}
    return not others or bool(before and before[-1].start in deploying)


def _speaks_of_deployment(wait: Wait) -> bool:
    job = wait.step.job
    names = [wait.step.name, wait.workflow.name, wait.workflow.path.rpartition("/")[2]]
    names += [job.id, job.name] if job is not None else []
    return any(DEPLOYMENT_IN_NAME.search(name) for name in names)


@entity
class Found:
    """A health check, and the script in which it stands. `url` is one of its addresses, as a word of that script."""

    check: HealthCheck
    place: StepScript
    url: str
    literal: bool


def _expanded(found: HealthCheck, place: StepScript) -> Iterator[Found]:
    """A check in `for url in a b` is one for each."""
    word = found.url
    names = [one or other for one, other in VARIABLE.findall(word.text)]
    loop = next((name for name in names if name in place.script.loop_values), "")
    if not loop:
        yield Found(found, place, word.text, word.literal)
        return
    for value in place.script.loop_values[loop]:
        text = re.sub(rf"\$\{{{loop}\}}|\${loop}\b", lambda _, value=value: value.text, word.text)  # type: ignore[misc]
        yield Found(found, place, text, value.literal and "$" not in text)


def _checks_after(wait: Wait) -> list[Found]:
    """The checks that the sleep makes time for: those behind it in its script, else those of the next step that has
    any and that runs whenever this one does."""
    following = [c for c in wait.here.script.commands if c.start > wait.command.start]
    limit = next((c.start for c in following if _sleep(c)), len(wait.text) + 1)
    own = [c for c in health_checks(wait.here.script) if wait.command.start < c.command.start < limit]
    if own:
        return [each for one in own for each in _expanded(one, wait.here)]
    condition = wait.step.data.get("if")
    for step in wait.steps[wait.number + 1 :]:
        place = StepScript.of(step)
        if deploys(step) or (place is not None and any(_sleep(c) for c in place.script.commands[:1])):
            return []
        if (
            place is None
            or place.remote != wait.here.remote
            or step.data.get("if") not in (None, condition, "success()")
        ):
            continue
        found = health_checks(place.script)
        if found:
            limit = next((c.start for c in place.script.commands if _sleep(c)), len(place.script.text) + 1)
            return [each for one in found if one.command.start < limit for each in _expanded(one, place)]
    return []


def _checked_before(wait: Wait) -> set[str]:
    """The addresses that were asked between the deployment and the sleep."""
    found = {
        _value(each)
        for one in health_checks(wait.here.script)
        if one.command.start < wait.command.start and not _deploys_between(wait.here, one.command, wait.command)
        for each in _expanded(one, wait.here)
    }
    if any(c.start < wait.command.start for c in wait.here.deploying()):
        return found
    for step in reversed(wait.steps[: wait.number]):
        place = StepScript.of(step)
        last = max((c.start for c in place.deploying()), default=-1) if place is not None else -1
        if place is not None:
            after = [one for one in health_checks(place.script) if one.command.start > last]
            found |= {_value(each) for one in after for each in _expanded(one, place)}
        if last >= 0 or action_deploys(step):
            return found
    return found if wait.needs_deployment else set()


def _deploys_between(place: StepScript, first: Command, second: Command) -> bool:
    return any(first.start < c.start < second.start for c in place.deploying())


def _value(found: Found) -> str:
    """The address with everything known put in; as it is written where that is not known."""
    return value_of(found.url, found.place.step, found.place.script) or found.url


# -- the cure -----------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Environment:
    """What a script may name: values with `${{ … }}` come to it through the step's `env:`, never as text of the script.

    https://docs.github.com/actions/security-for-github-actions/security-guides/security-hardening-for-github-actions
    """

    wait: Wait
    added: dict[str, str] = field(default_factory=dict)

    def word(self, text: str, place: StepScript | None = None, literal: bool = False, role: str = "") -> Quoted | None:
        """A word of another script as a word of this one, quoted; None where its value cannot be had here."""
        if place is not None and not literal and not expressions_in(text) and self._knows_all(text, place):
            return expanded_word(text)
        value = text
        if place is not None:
            followed = value_of(text, place.step, place.script)
            if followed is None:
                return None
            value = followed
        if self.wait.here.remote and expressions_in(value):
            # No variable of the step reaches a server; what the same script holds already is no worse twice.
            return expanded_word(value) if place is not None and place.node is self.wait.here.node else None
        if not expressions_in(value):
            return _quoted(value)
        named = replaced(value, lambda expression: f"${{{self._name(expression, role)}}}")
        return expanded_word(re.sub(r"^\$\{(\w+)\}(?!\w)", r"$\1", named))

    def _knows_all(self, text: str, place: StepScript) -> bool:
        """Whether every variable of this word has the same value where the sleep stands."""
        names = [one or other for one, other in VARIABLE.findall(text)]
        return bool(names) and "$(" not in text and all(self._knows(name, place) for name in names)

    def _knows(self, name: str, place: StepScript) -> bool:
        wait = self.wait
        if place.node is wait.here.node and re.search(rf"\b{name}=", wait.text[: wait.command.start]):
            return True
        if wait.here.remote or re.search(rf"\b{name}=", place.script.text):
            return False
        own, other = wait.step.node.texts("env"), place.step.node.texts("env")
        if name in own or name in other:
            return own.get(name) == other.get(name)
        job = wait.step.job
        given = {**wait.workflow.root.texts("env"), **(job.node.texts("env") if job else {})}
        return name in given or OWN_VARIABLES.fullmatch(name) is not None

    def _name(self, expression: Expression, role: str) -> str:
        """The variable that holds an expression, added to the step's `env:` where it is not there."""
        read = expression.read
        wait = self.wait
        own = {**wait.step.node.texts("env"), **self.added}
        for name, value in own.items():
            if value == expression.text:
                return name
        job = wait.step.job
        shared = {**wait.workflow.root.texts("env"), **(job.node.texts("env") if job else {})}
        if read is not None and read.context == "env" and read.name in shared and read.name not in own:
            return read.name
        last = read.keys[-1].text if read is not None else ""
        base = last.upper() if re.fullmatch(r"[A-Za-z]\w*", last) else role
        base = f"{role.partition('_')[0]}_{base}" if len(base) < 5 else base
        taken = {*own, *shared}
        name = next(n for n in (base, *(f"{base}_{i}" for i in range(2, 99))) if n not in taken)
        self.added[name] = expression.text
        return name


def _is_address(text: str) -> bool:
    """Whether it is one URL; an expression at its start may hold the scheme too."""
    plain = replaced(text, lambda _: "x")
    if text.startswith("${{"):
        plain = f"https://{plain}"
    return URL.fullmatch(plain) is not None and not re.search(r"['\"`]", text)


def _quoted(text: str) -> Quoted | None:
    made = word(text)
    return made if isinstance(made, Quoted) else None


def _probes(found: Iterable[Found], environment: Environment, longest: int) -> list[Probe] | None:
    """What to ask, once each; None where an address or an option cannot be had where the sleep stands."""
    probes: dict[str, Probe] = {}
    for each in found:
        job = each.place.step.job
        has_curl = each.check.command.name == "curl" or job is None or not job.data.get("container")
        if not each.check.expects_success or not has_curl:
            return None
        url = environment.word(each.url, each.place, each.literal, "HEALTH_URL")
        options = [_option(word, each.place, environment) for word in each.check.options]
        if url is None or any(option is None for option in options):
            return None
        limit = int(each.check.max_time) if re.fullmatch(r"[0-9]{1,6}", each.check.max_time) else longest
        probes.setdefault(url, Probe(url, tuple(filter(None, options)), limit))
    return list(probes.values()) or None


def _option(given: Word, place: StepScript, environment: Environment) -> Quoted | None:
    if given.literal:
        return _quoted(given.text)
    return environment.word(given.text, place, role="HEALTH_OPTION")


def _cure(wait: Wait, checks: list[Found], options: Options, deployments: Deployments | None) -> Fix | Blocked:
    environment = Environment(wait)
    timeout, interval = _timeout(wait, options), int(options.interval)
    rollout = _rollout(wait, environment, deployments, timeout)
    if rollout:
        title = "wait until the service is stable" if "aws ecs" in rollout[0] else "wait until the roll-out is complete"
        return _fix(wait, rollout, environment, [], title, Tier.REVIEW)
    environment = Environment(wait)
    probes = _probes(checks, environment, int(options.max_time)) if checks else None
    followed = probes is not None
    if probes is None:
        environment = Environment(wait)
        configured = _configured(wait, options)
        words = [environment.word(text, role="HEALTH_URL") if _is_address(text) else None for text in configured]
        if None in words:
            given = configured[words.index(None)]
            return Blocked(f"{given!r} is no address to ask", "give a whole URL", _configuration(wait))
        probes = [Probe(each, max_time=int(options.max_time)) for each in words if each is not None] or None
    if probes is not None:
        goes_on = followed and _judged_elsewhere(checks)
        lines = wait_until_healthy(probes, timeout, interval, wait.text, goes_on=goes_on)
        urls = listed(probe.url.strip("\"'") for probe in probes)
        title = f"wait until {urls} {'is' if len(probes) == 1 else 'are'} healthy, {timeout} seconds at most"
        if rollout is None:
            title = f"keep `{wait.command.source}`, then {title}"
            return _fix(wait, [_written(wait.command), *lines], environment, checks, title, Tier.REVIEW)
        alike = followed and (goes_on or not _silencers(checks))
        return _fix(wait, lines, environment, checks, title, Tier.SAFE if alike else Tier.REVIEW)
    if checks:
        reason = "the address that is checked afterwards cannot be known where the sleep stands"
    else:
        reason = "nothing after it says which address tells that the deployment is there"
    return Blocked(reason, "name the address of a health check", _configuration(wait))


def _written(command: Command) -> ScriptText:
    return command.script.part(command.start, command.end)


def _rollout(
    wait: Wait, environment: Environment, deployments: Deployments | None, timeout: int
) -> list[ScriptText] | None:
    """The lines that wait until what was deployed has taken over; none where it has by then, and None where nothing
    that is known tells when it has."""
    begun = list(_begun(wait))
    if not begun:  # what deploys may not be seen at all: a platform that follows the branch
        return [] if wait.deployed_before else None
    if not all(start.means.waiter and start.line is not None for _, start in begun):
        return _waiter(wait, environment, deployments, timeout) or None
    lines: list[ScriptText] = []
    for place, start in begun:
        line = _waiting_line(wait, place, start, environment)
        if line is None:
            return None
        lines.append(line)
    return list(dict.fromkeys(lines))


def _begun(wait: Wait) -> Iterator[tuple[StepScript | None, Start]]:
    """What was deployed before the sleep, nothing has waited for, and may not have taken over yet."""
    here = [start for start in wait.here.starts if start.offset < wait.command.start]
    waited = [command.start for command in waits(wait.here.script) if command.start < wait.command.start]
    yield from ((wait.here, start) for start in here if _may_go_on(start, waited))
    for step in reversed(wait.steps[: wait.number]):
        if waited:
            return
        place = StepScript.of(step)
        started = list(starts_of(step))
        waited = [command.start for command in waits(place.script)] if place is not None else []
        if waits_by_action(step):
            return
        yield from ((place, start) for start in started if _may_go_on(start, waited))
        here += started
    job = wait.step.job
    if waited or here or job is None:
        return
    for needed in wait.workflow.upstream(*job.needs):
        started = [start for step in needed.steps for start in starts_of(step)]
        if not any(map(_waits, needed.steps)):
            yield from ((None, start) for start in started if _may_go_on(start, []))


def _may_go_on(start: Start, waited: Sequence[int]) -> bool:
    return start.returns is Returns.BEGUN and not any(at > start.offset for at in waited)


def _waits(step: Step) -> bool:
    place = StepScript.of(step)
    return waits_by_action(step) or (place is not None and any(True for _ in waits(place.script)))


def _waiting_line(wait: Wait, place: StepScript | None, start: Start, environment: Environment) -> ScriptText | None:
    """The waiter of the same command line, with the options that name what it waits for; None where it cannot be
    said here."""
    command = start.command
    if place is None or start.line is None or command is None or place.remote or wait.here.remote:
        return None
    decided = command.within(Structure.LOOP, Structure.FUNCTION, Structure.BRANCH)
    if decided and (place is not wait.here or command.block != wait.command.block):
        return None
    if place is not wait.here and any(name.startswith("AWS_") for name in place.step.node.texts("env")):
        return None
    words = [ScriptText.written(start.means.waiter)]
    for name, value in start.line.options:
        wanted = name if name in ("--region", "--profile") else start.means.carried.get(name)
        if wanted is None:
            continue
        given = environment.word(value.text, place, value.literal, "DEPLOYED") if value is not None else None
        if given is None:
            return None
        words.append(ScriptText.of("@option@ @value@", option=ScriptText.written(wanted), value=given))
    return ScriptText.joined(" ", words)


def _soak(wait: Wait, checks: list[Found], options: Options) -> Fix | Blocked:
    environment = Environment(wait)
    probes = _probes(checks, environment, int(options.max_time))
    if probes is None:
        reason = "the address that is checked afterwards cannot be known where the sleep stands"
        return Blocked(reason, "check it in the same script, with the address in a variable set before the sleep")
    interval = min(int(options.interval), wait.seconds)
    lines = stay_healthy(probes, wait.seconds, interval, wait.text, goes_on=_judged_elsewhere(checks))
    urls = listed(probe.url.strip("\"'") for probe in probes)
    stays = "stays" if len(probes) == 1 else "stay"
    return _fix(
        wait, lines, environment, checks, f"see that {urls} {stays} healthy for {wait.seconds} seconds", Tier.REVIEW
    )


def _timeout(wait: Wait, options: Options) -> int:
    """Seconds until the deadline: before the step's own `timeout-minutes`, which says nothing of what was awaited."""
    wanted = max(int(options.timeout), 2 * wait.seconds)
    minutes = wait.step.data.get("timeout-minutes")
    limit = minutes * 60 - int(options.max_time) - int(options.interval) if isinstance(minutes, int) else wanted
    return min(wanted, limit) if limit > wait.seconds else wanted


def _silencers(checks: list[Found]) -> set[Silence]:
    return {silencer.kind for c in checks for silencer in c.place.script.silencers(c.check.command)}


def _judged_elsewhere(checks: list[Found]) -> bool:
    """Whether the script judges the answer itself, or does not care: the loop must not decide in its stead."""
    return bool(_silencers(checks) - {Silence.ERREXIT, Silence.AND})


def _configured(wait: Wait, options: Options) -> list[str]:
    given = options.url
    if isinstance(given, Mapping):
        given = given.get(wait.step.job.id if wait.step.job is not None else "", "")
    return [given] if isinstance(given, str) and given else list(given or ())


def _configuration(wait: Wait) -> str:
    job = wait.step.job
    return f'rules.hardcoded-sleep.url{f".{job.id}" if job is not None else ""} = "https://…"'


_WAITERS: Mapping[Way, tuple[ScriptText, Mapping[str, ScriptText]]] = {
    ECS: (
        ScriptText.of("aws ecs wait services-stable"),
        {
            "cluster": ScriptText.of("--cluster @value@"),
            "service": ScriptText.of("--services @value@"),
            "region": ScriptText.of("--region @value@"),
            "profile": ScriptText.of("--profile @value@"),
        },
    ),
    KUBERNETES: (
        ScriptText.of("kubectl rollout status"),
        {
            "workload": ScriptText.of("@value@"),
            "namespace": ScriptText.of("--namespace @value@"),
            "context": ScriptText.of("--context @value@"),
        },
    ),
}
"""What waits for a rollout, and how it is told which: by what a deployment names."""


def _waiter(wait: Wait, environment: Environment, deployments: Deployments | None, timeout: int) -> list[ScriptText]:
    """The lines that wait by the means of what deployed; none where that is not known."""
    jobs = deployments.of(wait.workflow) if deployments is not None else ()
    job = next((job for job in jobs if wait.step.job is not None and job.id == wait.step.job.id), None)
    if job is None or wait.here.remote:
        return []
    made = [
        deployment
        for deployment in job.deployments
        if deployment.returns is Returns.BEGUN
        and (deployment.step.node.start, deployment.offset) < (wait.step.node.start, wait.command.start)
    ]
    waited = [wait.here, *wait.scripts(before=True)]
    known = all(not d.unknown and not _open(d) and d.way is made[0].way for d in made)
    if not made or not known or any(d.credentials and d.step.at != wait.step.at for d in made):
        return []
    if any(waits_for_ecs(place.script) for place in waited):
        return []
    lines: list[ScriptText] = []
    for deployment in made:
        target = deployment.target
        if deployment.way is KUBERNETES and not target.get("workload"):
            return []
        if deployment.way not in _WAITERS:
            return []
        waiter, options = _WAITERS[deployment.way]
        words = [waiter]
        for name, given in options.items():
            if not target.get(name):
                continue
            value = environment.word(target[name], role=f"DEPLOYED_{name.upper()}")
            if value is None:
                return []
            words.append(given.filled(value=value))
        if deployment.way is KUBERNETES:
            words.append(ScriptText.of("--timeout @seconds@s", seconds=timeout))
        lines.append(ScriptText.joined(" ", words))
    return list(dict.fromkeys(lines))


def _open(deployment: Deployment) -> bool:
    """Whether a variable of the shell is left in what it names."""
    return any("$" in without(text) for key, text in deployment.target.items() if key != "task_definition")


def _fix(
    wait: Wait, lines: list[ScriptText], environment: Environment, checks: list[Found], title: str, tier: Tier
) -> Fix | Blocked:
    stays = lines[0] == wait.command.source
    effect = f"{dotted(wait.here.node.at)}: " + (title if stays else f"`{wait.command.source}` becomes: {title}")
    return Fix.of(title, _replaced(wait, lines, checks), _with_env(wait, environment), tier=tier, effects=[effect])


def _with_env(wait: Wait, environment: Environment) -> Parts:
    if not environment.added:
        return ()
    env = wait.step.node.get("env")
    if env is not None and env.is_mapping:
        return wait.workflow.add_keys(env, environment.added)
    return wait.workflow.add_key(wait.step.node, "env", environment.added, before="run")


def _replaced(wait: Wait, lines: list[ScriptText], checks: list[Found]) -> Parts:
    """The statement `sleep N` becomes these lines; plain checks of the same addresses right behind it go with it."""
    text, command, node = wait.text, wait.command, wait.here.node
    start, end = command.statement
    line_start = text.rfind("\n", 0, start) + 1
    head = text[line_start:start]
    indent = head[: len(head) - len(head.lstrip())]
    if command.alone:
        lead, start = _lead(text, line_start, start, indent)
        end = _folded(wait, checks, end)
        follows = re.compile(r"[ \t]*;[ \t]*(?=[^;\s#])").match(text, end)
        tail, end = (ScriptText.blanks("\n" + indent), follows.end()) if follows else (_NOTHING, end)
    elif start == command.start and (follows := re.compile(r"[ \t]*&&(?:\s|\\\n)*").match(text, command.end)):
        lead, start = _lead(text, line_start, start, indent)
        rest = [c for c in wait.here.script.commands if c.start >= follows.end()]
        folds = bool(rest) and _is_plain(rest[0], checks)
        end, tail = (
            (_folded(wait, checks, end), _NOTHING) if folds else (follows.end(), ScriptText.blanks("\n" + indent))
        )
    else:
        start, end = command.start, command.end
        lines = [ScriptText.of("{"), *(line.indented("  ") for line in lines), ScriptText.of("}")]
        lead = tail = _NOTHING
    new = lead + ScriptText.joined("\n" + indent, lines) + tail
    if node.style == "|":
        return wait.workflow.splice_scalar(node, [(start, end, new)])
    whole = with_edits(text, [(start, end, new)])
    return wait.workflow.set_scalar(node, whole if whole.endswith("\n") else whole + ScriptText.of("\n"))


_NOTHING = ScriptText.of("")


def _lead(text: str, line_start: int, start: int, indent: str) -> tuple[ScriptText, int]:
    """What goes before the loop so that it begins on a line of its own, and where that starts."""
    before = text[line_start:start].rstrip()
    if not before:
        return _NOTHING, start
    at = line_start + len(before.removesuffix(";").rstrip())
    return ScriptText.blanks("\n" + indent + ("" if before.endswith(";") else "  ")), at


def _folded(wait: Wait, checks: list[Found], end: int) -> int:
    """Where the plain checks end that stand directly below the sleep and that the loop makes superfluous."""
    script = wait.here.script
    while True:
        gap = re.compile(r"[ \t]*(;|\n)\s*").match(script.text, end)
        following = next((c for c in script.commands if gap and c.start == gap.end()), None)
        if following is None or not _is_plain(following, checks) or following.statement[0] != following.start:
            return end
        end = following.statement[1]


def _is_plain(command: Command, checks: list[Found]) -> bool:
    """Whether a check, to the end of its statement, does nothing that the loop does not do: `curl -f URL`, perhaps
    with `|| exit 1`."""
    found = next((each for each in checks if each.check.command is command), None)
    if found is None or not found.check.fails or found.place.script.silencers(command):
        return False
    if command.has("-w", "--write-out", "-i", "--include", "-v", "--verbose"):
        return False
    rest = command.script.text[command.end : command.statement[1]]
    return re.fullmatch(r"(\s*>+ ?/dev/null)?\s*(\|\|\s*exit 1)?", rest) is not None


def _deploys(workflow: Workflow, deployments: Deployments | None) -> bool:
    """A platform that deploys by itself leaves no more of that than the name of what waits for it."""
    return deployments is not None or any(
        _speaks_of_deployment(each) and _checks_after(each) for each in _sleeps(workflow)
    )


RULE = Rule(
    __name__,
    "A deployment is waited for by a fixed sleep",
    check,
    audit=("D-010.3",),
    criterion="No deployment is waited for by the clock alone",
    hours=(2, 2),
    applies=_deploys,
)
