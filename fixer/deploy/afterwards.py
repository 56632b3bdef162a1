"""What the steps behind a deployment do: wait for it, ask the application whether it is well, tell of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.deploy.commands import waits
from fixer.deploy.health_check import health_checks, is_local
from fixer.deploy.values import IN_ONE_JOB
from fixer.github.expressions import masked, reads, without
from fixer.github.workflow import Step
from fixer.languages.shell import Command, Silence

# In a text with its expressions masked.
_ADDRESS = re.compile(r"(?:https?://|\0)[^\s\"'`;|)<>\\]*")
_HEADER = re.compile(r"(?:-H|--header)\s+(?:'[^']*'|\"[^\"]*\")")
_NOT_A_CHECK = re.compile(r"hooks\.slack|discord|webhook|localhost|127\.0\.0\.1|0\.0\.0\.0|api\.github|telegram", re.I)
_SAYS = frozenset(("echo", "printf", "cat", "date", "gh", "git", "jq", "true", "exit", "set"))
_FOLLOWS = re.compile(
    r"slack|teams|discord|telegram|mail|release|upload-artifact|github-script|comment|sentry|deployment-status|"
    r"deployments@|notif|create-tag|jira|datadog|logout",
    re.IGNORECASE,
)


def waits_only(step: Step) -> bool:
    """Whether a step's script waits for rollouts, and does nothing else but say so."""
    script = step.script
    if script is None or script.error:
        return False
    others = [command for command in script.commands if command.name not in ("echo", "printf", "set")]
    return bool(others) and [c.start for c in others] == [c.start for c in waits(script)]


def names_target(command: Command, name: str) -> bool:
    """Whether a command names a service or a workload, also as `deployment/name`."""
    return any(word.text.rpartition("/")[2] == name for word in command.args)


def is_check(step: Step) -> bool:
    """Whether a step asks an application that runs elsewhere whether it is well."""
    script = step.script
    return script is not None and any(not is_local(check.url.text) for check in health_checks(script))


def only_follows(step: Step) -> bool:
    """Whether a step tells of a deployment, or tidies up after it; one that is not known may well check it."""
    if step.uses is not None:
        return _FOLLOWS.search(step.uses.value) is not None
    script = step.script
    if script is None or script.error:
        return False
    return all(
        command.name in _SAYS or (command.name == "curl" and command.has("-X", "--request", "-d", "--data", "--json"))
        for command in script.commands
    )


def only_says(step: Step) -> bool:
    """Whether a step cannot fail, since it only prints."""
    script = step.script
    if step.uses is not None or script is None or script.error:
        return False
    return all(command.name in ("echo", "printf") for command in script.commands)


def addresses(step: Step) -> Iterator[str]:
    """The addresses that a step asks whether all is well; none where it sends something there.

    What `||` or `continue-on-error` keeps from counting proves of no address that it answers.
    """
    script = step.script
    if (
        script is None
        or step.may_fail
        or not re.search(r"\b(?:curl|wget)\b", script.text)
        or _NOT_A_CHECK.search(script.text)
    ):
        return
    asked = [command for command in script.commands if command.name in ("curl", "wget")]
    if any(command.has("-X", "--request", "-d", "--data", "--data-raw", "--json", "-F") for command in asked):
        return
    asked = [each for each in asked if all(found.kind is not Silence.OR for found in script.silencers(each))]
    texts = [_HEADER.sub("", command.source) for command in asked]
    if any("$" in without(text) for text in texts):
        # The address is in a variable: of a loop, of the script, or of the step.
        texts += [line for line in script.text.splitlines() if "grep" not in line]
        texts += step.node.texts("env").values()
    for address in (found for text in texts for found in _addresses_in(text)):
        if not re.search(r"https?://|/", address) or "$" in without(address):
            continue
        local = any(read.context in IN_ONE_JOB for read in reads(address))
        if not local and not _NOT_A_CHECK.search(address):
            yield address


def _addresses_in(text: str) -> Iterator[str]:
    for found in _ADDRESS.finditer(masked(text, "\0")):
        yield text[found.start() : found.end()].rstrip(".,:")
