"""Nothing asks from outside whether production answers, or what asks can tell nobody.

## Why
A deployment is checked when it is made; what goes down at night is seen by the first customer. The usual workflow with
a `curl` for each address raises a false alarm at a single 503 and at a redirect, stops at the first address that is
down, and sends an alarm at every run while it is.

The fix adds one workflow, every fifteen minutes and off the full hour. One job asks all addresses, follows redirects
and tries again; then it opens an issue, changes its title while things change, and closes it when all answer.
Where the workflows tell Slack already, Slack hears of the beginning and the end. The addresses are those that the
deployment to production asks; one that the URLconf does not have is left out and named, since a check that is red for
ever is worse than none. One that a template put there, such as `yourapp.com`, is none of them.

## When it is left alone
Where a workflow by a clock asks an address of the project, or Terraform, CloudFormation, Upptime, Checkly or a
blackbox exporter does; repositories that deploy nothing to production. A workflow that asks and whose message is
refused, `status: error` for action-slack, is told to say `failure`; one that takes a single failure for an alarm asks
again by curl's own retries. A loop that waits is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import indent
from typing import Literal

from fixer.deploy.deploy_job import DeployJob
from fixer.deploy.deployments import Deployments
from fixer.deploy.health_check import ALL_ERRORS, health_checks, retried, unretried
from fixer.django.routes import Routes
from fixer.github.workflows import Workflows
from fixer.languages.shell import Structure
from fixer.languages.yaml import dotted, render_scalar
from fixer.model import Blocked, Finding, Fix, Level, NewFile, Profile, Rule, RuleOptions, Tier, listed, option
from fixer.monitoring.asking import Asking, Check, host_of
from fixer.monitoring.telling import Tellers, refused_status
from fixer.records import record
from fixer.scripts import ScriptText, script, template

_STAGING = re.compile(r"(^|[.-])(stag(e|ing)|dev|test|qa|uat|preview|demo)([.-]|$)")
_YOURS = (
    "app",
    "domain",
    "site",
    "website",
    "host",
    "server",
    "company",
    "org",
    "project",
    "service",
    "api",
    "name",
    "",
)
_STAND_INS = frozenset({"example", "domain", "mydomain", *(f"your{name}" for name in _YOURS)})
"""What templates write where the address of the project belongs: it is somebody else's, or nobody's."""


class Options(RuleOptions):
    urls: Sequence[str] = option((), "the addresses to ask, where the deployment does not say them")
    cron: str = option("7,22,37,52 * * * *", "when they are asked")
    tell: Literal["", "issue", "slack"] = option("", "by an issue alone, or Slack too; by itself as the workflows do")


def check(
    deployments: Deployments,
    asking: Asking,
    tellers: Tellers | None,
    routes: Routes | None,
    workflows: Workflows,
    options: Options,
) -> Iterator[Finding]:
    jobs = _production(deployments)
    asked = [each for each in asking.checks if _is_ours(each, jobs, options)]
    yield from (finding for each in asked if tellers is not None for finding in _refused(each, tellers))
    yield from (finding for each in asked for finding in _hasty(each))
    if not jobs or asked or asking.elsewhere:
        return
    job = jobs[0]
    message = f"job {job.id} deploys to production, and nothing asks whether it answers afterwards"
    path = workflows.free_path("uptime", "uptime-check")
    cure = path if isinstance(path, Blocked) else _cure(path, jobs, tellers, routes, options)
    yield Finding(job.workflow.path, job.deployments[0].span, message, cure)


def _production(deployments: Deployments) -> list[DeployJob]:
    return [job for jobs in deployments.jobs.values() for job in jobs if job.environment == "production"]


def _is_ours(each: Check, jobs: Sequence[DeployJob], options: Options) -> bool:
    """Whether a check asks for this application, by its addresses or by its name."""
    ours = {host_of(url) for url in (*options.urls, *(url for job in jobs for url in job.urls))} - {""}
    return each.is_named_so or bool(each.hosts & ours)


def _refused(each: Check, tellers: Tellers) -> Iterator[Finding]:
    for telling in tellers.of(each.workflow):
        status = refused_status(telling.step)
        if status is not None:
            message = f"nobody is told when an address is down: action-slack refuses the status {status.value!r}"
            edits = each.workflow.set_scalar(status, "failure")
            cure = Fix.of("let the step say failure", edits, tier=Tier.REVIEW)
            yield Finding(each.workflow.path, status.span, message, cure, Level.WARNING)
            return


def _hasty(each: Check) -> Iterator[Finding]:
    """Requests whose first failure is an alarm."""
    script = each.step.script
    if script is None or each.step.run is None:
        return
    waits = any(command.name == "sleep" for command in script.commands)
    for found in health_checks(script):
        command = found.command
        if found.retries or command.name != "curl" or (waits and command.within(Structure.LOOP)):
            continue
        if command.within(Structure.FUNCTION) or "GITHUB_" in found.url.text:
            continue  # what it asks is not known, or is GitHub
        at = command.argv[0].end
        again = ScriptText.of(" ") + ALL_ERRORS if found.retries_answers else retried(found, 3, 15, 30)
        edits = each.workflow.splice_scalar(each.step.run, [(at, at, again)])
        effects = (f"{dotted(each.step.run.at)}: {found.url.text} is down after four attempts within a minute",)
        cure = unretried(found) or Fix.of("ask again before the alarm", edits, tier=Tier.REVIEW, effects=effects)
        message = f"a single failure of {found.url.text} is an alarm: it is asked once"
        if found.retries_answers:
            message = f"a refused connection to {found.url.text} is an alarm: it is asked again only where it answers"
        span = each.workflow.span_of(each.step.run, command.start, command.end)
        yield Finding(each.workflow.path, span, message, cure)


# -- where none is ------------------------------------------------------------------------------------------------


@record
class _Addresses:
    known: tuple[str, ...]
    refused: tuple[str, ...]
    stand_ins: tuple[str, ...] = ()


def _cure(
    path: str, jobs: Sequence[DeployJob], tellers: Tellers | None, routes: Routes | None, options: Options
) -> Fix | Blocked:
    found = _addresses(jobs, routes, options)
    if not found.known:
        said = f"; its checks ask {listed(found.refused)}, for which the URLconf has no route" if found.refused else ""
        if found.stand_ins:
            said += f"; its checks ask {listed(found.stand_ins)}, which only stands for one"
        return Blocked(
            f"no address is known by which production answers{said}",
            "name those that should be asked",
            f'rules.{RULE.id}.urls = ["https://…"]',
        )
    means, secret = tellers.channel if tellers is not None else ("issue", "")
    by_slack = options.tell == "slack" or (not options.tell and means == "slack")
    secret = secret or "SLACK_WEBHOOK"
    todo = [
        "In a public repository GitHub stops schedules after 60 days without a commit, and it starts them late when"
        " it is busy: have a monitor outside of GitHub, too, where an hour matters.",
    ]
    if found.refused:
        todo.insert(0, f"Left out, since the URLconf has no route for it: {listed(found.refused)}.")
    if by_slack:
        todo.append(f"The secret {secret} must hold the address of Slack's webhook.")
    return Fix.of(
        f"add the workflow {path}",
        NewFile(path, _workflow(found.known, options.cron, secret if by_slack else "")),
        tier=Tier.REVIEW,
        effects=(f"{path}: asks {listed(found.known)}, and opens an issue while one does not answer",),
        todo=todo,
    )


def _addresses(jobs: Sequence[DeployJob], routes: Routes | None, options: Options) -> _Addresses:
    if options.urls:
        return _Addresses(tuple(options.urls), ())
    known: list[str] = []
    refused: list[str] = []
    stand_ins: list[str] = []
    # `${URL:-https://…}` says an address, too, and its brace is none of it.
    for url in dict.fromkeys(url.rstrip("}") if "{" not in url else url for job in jobs for url in job.urls):
        host = host_of(url)
        if "${{" in url or "." not in host or _STAGING.search(host):
            continue
        if _stands_in(host):
            stand_ins.append(host)
            continue
        path = url.partition("://")[2].partition("/")[2].partition("?")[0]
        # The first page may be that of a front end, which no URLconf knows.
        (refused if path and routes is not None and routes.answers(path) is False else known).append(url)
    return _Addresses(tuple(known), tuple(refused), tuple(dict.fromkeys(stand_ins)))


def _stands_in(host: str) -> bool:
    """Whether a person should have put a name of the project there."""
    labels = [label.replace("_", "-") for label in host.lower().split(".")[:-1]]
    return any(label in _STAND_INS or label.startswith("your-") for label in labels)


_NOTHING = ScriptText.of("")


def _workflow(urls: Sequence[str], cron: str, secret: str) -> str:
    tell = script(__package__, "tell.sh")
    if secret:
        tell = script(__package__, "slack.sh") + tell.replaced("# opened", ScriptText.of('slack "$title: $run"'))
        tell = tell.replaced("# closed", ScriptText.of('slack "Every address answers again: $run"'))
    else:
        tell = tell.replaced("  # opened\n", _NOTHING).replaced("  # closed\n", _NOTHING)
    text = template(__package__, "uptime.yml").replace('"CRON"', render_scalar(cron, '"', force=True))
    if secret:
        down = "          DOWN: ${{ steps.ask.outputs.down }}\n"
        text = text.replace(down, f"{down}          WEBHOOK: ${{{{ secrets.{secret} }}}}\n")
    blocks: Mapping[str, str] = {
        "        ADDRESSES": "\n".join(urls),
        "          ASK": script(__package__, "ask.sh"),
        "          TELL": tell,
    }
    for place, block in blocks.items():
        text = text.replace(f"{place}\n", indent(block.rstrip("\n"), " " * (len(place) - len(place.lstrip()))) + "\n")
    return text


def _deploys_production(deployments: Deployments) -> bool:
    return bool(_production(deployments))


RULE = Rule(
    __name__,
    "Nothing asks from outside whether production answers",
    check,
    audit=("D-004.2",),
    criterion="Production does not go unwatched from outside, and what watches it can tell somebody",
    hours=(1, 2),
    level=Level.NOTE,
    profile=Profile.AUDIT,
    applies=_deploys_production,
)
