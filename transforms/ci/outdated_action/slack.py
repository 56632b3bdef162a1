"""A message of the archived 8398a7/action-slack, as the payload that slackapi/slack-github-action sends.

Made from the source of both (action-slack v3: src/client.ts, src/fields.ts; slack-github-action v3: src/content.js,
which reads the payload as YAML). The same text, colour and fields arrive; the commit is shown in full, not as its first
eight characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fixer.github.expressions import ANY, Expression, Read, expressions_in, only
from fixer.model import Blocked
from fixer.records import record

WEBHOOK = "SLACK_WEBHOOK_URL"
# Values that hold no line break, so that they cannot leave the text they stand in.
_ONE_LINE = (
    *("job.status", "matrix.*", "needs.*.result", "steps.*.outcome", "steps.*.conclusion", "runner.os", "runner.arch"),
    *("github.actor", "github.base_ref", "github.event_name", "github.head_ref", "github.job", "github.ref"),
    *("github.ref_name", "github.ref_type", "github.repository", "github.repository_owner", "github.run_attempt"),
    *("github.run_id", "github.run_number", "github.server_url", "github.sha", "github.triggering_actor"),
    "github.workflow",
)
_COLOURS = {"success": "good", "failure": "danger", "cancelled": "warning"}
_MESSAGES = {
    "success": ":white_check_mark: Succeeded GitHub Actions",
    "failure": ":no_entry: Failed GitHub Actions",
    "cancelled": ":warning: Cancelled GitHub Actions",
}
_FIELDS = {
    "repo": "<${{ github.server_url }}/${{ github.repository }}|${{ github.repository }}>",
    "commit": "<${{ github.server_url }}/${{ github.repository }}/commit/${{ github.sha }}|${{ github.sha }}>",
}
_IDENTITY = ("username", "icon_emoji", "icon_url", "channel")
_READ = frozenset(("status", "text", "fields", "author_name", "github_token", *_IDENTITY))
# The action never had this input, and warns of it; people wrote it beside the variable that counts.
_NEVER_READ = frozenset(("webhook_url",))


@record
class SlackMessage:
    """The new inputs, in order, and whether the step's own variable with the webhook goes."""

    inputs: Mapping[str, Any]
    drops_variable: bool


def slack_message(
    inputs: Mapping[str, str], env: Mapping[str, str], outer_env: Mapping[str, str]
) -> SlackMessage | Blocked:
    """Translates a step of action-slack v3. Blocked for what a plain payload cannot say."""
    unknown = sorted(set(inputs) - _READ - _NEVER_READ)
    if unknown:
        return Blocked(
            f"slackapi/slack-github-action has nothing for the input {', '.join(unknown)}",
            "write the message as its payload",
        )
    if WEBHOOK in env:
        webhook = env[WEBHOOK]
    elif WEBHOOK in outer_env:
        webhook = "${{ env." + WEBHOOK + " }}"
    else:
        return Blocked(f"the variable {WEBHOOK} is not set, without which action-slack fails", "set it")
    payload = _payload(inputs, {**outer_env, **env})
    if isinstance(payload, Blocked):
        return payload
    return SlackMessage(
        {"webhook": webhook, "webhook-type": "incoming-webhook", "errors": True, "payload": payload}, WEBHOOK in env
    )


def _payload(inputs: Mapping[str, str], env: Mapping[str, str]) -> str | Blocked:
    """The message. Without a line end of its own: it may become the last line of a file that has none."""
    status = inputs.get("status", "").strip()
    if status.lower() not in _COLOURS and only(status) is None:
        return Blocked(
            f"status: {status or 'nothing'} is none that action-slack knows how to send",
            "write the message as the payload of slackapi/slack-github-action",
        )
    text = _text(inputs, status, env)
    if isinstance(text, Blocked):
        return text
    names = [name for name in inputs.get("fields", "").replace(" ", "").split(",") if name] or ["repo", "commit"]
    without = sorted(set(names) - set(_FIELDS))
    if without:
        return Blocked(
            f"the field {', '.join(without)} is made by action-slack itself, from GitHub's API",
            "write the message as the payload of slackapi/slack-github-action",
        )
    lines = [_block("text", text)]
    for name in _IDENTITY:
        value = inputs.get(name, "").strip()
        if value:
            if expressions_in(value) or "\n" in value:
                return Blocked(f"{name} is an expression, which may break the payload", "write the payload by hand")
            lines.append(f'{name}: "{_quoted(value)}"')
    lines.append("attachments:")
    lines.append(f'  - color: "{_by_status(status, _COLOURS)}"')
    author = inputs.get("author_name", "").strip()
    if author:
        if expressions_in(author):
            return Blocked("author_name is an expression, which may break the payload", "write the payload by hand")
        lines.append(f'    author_name: "{_quoted(author)}"')
    lines.append("    fields:")
    for name in ("repo", "commit"):
        if name in names:
            lines += [f"      - title: {name}", f'        value: "{_FIELDS[name]}"', "        short: true"]
    return "\n".join(lines)


def _text(inputs: Mapping[str, str], status: str, env: Mapping[str, str]) -> str | Blocked:
    text = inputs.get("text", "").strip() or _by_status(status, _MESSAGES)
    unsafe = [expression.inner for expression in expressions_in(text) if not _is_one_line(expression, env)]
    if unsafe:
        return Blocked(
            f"the text holds {unsafe[0]}, which may break the payload when it has several lines or quotes",
            "write the payload by hand",
        )
    if any(ord(char) < 32 and char != "\n" for char in text) or text.startswith(" "):
        return Blocked("the text cannot be written as a YAML payload", "write the payload by hand")
    return text


def _is_one_line(expression: Expression, env: Mapping[str, str]) -> bool:
    """Values without line breaks, also compared and chosen between."""
    if expression.functions or "\n" in expression.text:
        return False
    return all(
        any(_is_value(read, dotted) for dotted in _ONE_LINE) or _says_result(read, env) for read in expression.reads
    )


def _says_result(read: Read, env: Mapping[str, str]) -> bool:
    """Whether it is a variable that is chosen, by the results of other jobs, among words."""
    found = only(env.get(read.name, "")) if read.context == "env" and len(read.keys) == 2 else None
    asked = [each.dotted for each in found.reads] if found is not None else []
    return found is not None and found.functions == {"contains"} and set(asked) == {"needs.*.result"}


def _is_value(read: Read, dotted: str) -> bool:
    """Whether it reads one value of this name, in which `*` stands for any key."""
    return ANY not in read.path and len(read.keys) == dotted.count(".") + 1 and read.touches(dotted)


def _by_status(status: str, values: Mapping[str, str]) -> str:
    found = only(status)
    if found is None:
        return values[status.lower()]
    asked = found.inner if found.read is not None else f"({found.inner})"
    return (
        "${{ "
        + " || ".join(
            [
                f"{asked} == 'success' && '{values['success']}'",
                f"{asked} == 'failure' && '{values['failure']}'",
                f"'{values['cancelled']}'",
            ]
        )
        + " }}"
    )


def _block(key: str, text: str) -> str:
    lines = [line.rstrip() for line in text.split("\n")]
    return "\n".join([f"{key}: |-", *(f"  {line}" if line else "" for line in lines)])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
