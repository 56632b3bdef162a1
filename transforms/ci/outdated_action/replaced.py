"""An archived action, and what takes its place."""

from __future__ import annotations

from fixer.github.action_files import ActionFiles
from fixer.github.catalog import Action, Catalog
from fixer.github.catalog.step_use import step_use_of
from fixer.model import Blocked, Finding, Fix, Tier
from transforms.ci.outdated_action.options import Options
from transforms.ci.outdated_action.reference import new_reference
from transforms.ci.outdated_action.rewrite import fix_of
from transforms.ci.outdated_action.slack import WEBHOOK, slack_message
from transforms.ci.outdated_action.target import Bump
from transforms.ci.outdated_action.uses import Use, finding

_SLACK = frozenset(("8398a7/action-slack",))


def replaced(use: Use, action: Action, catalog: Catalog, files: ActionFiles, options: Options) -> Finding:
    """An archived action, and its replacement where the step can be rewritten for it exactly."""
    state = str(action.status["state"])
    replacement = action.replacement
    message = f"{use.ref.name} is {state}" + (f"; {replacement.name} takes its place" if replacement else "")
    advice = str(action.curated.get("replace", {}).get("advice", ""))
    successor = catalog.action(replacement.name) if replacement else None
    if replacement is None or successor is None:
        return finding(use, message, Blocked(f"the catalog knows no successor of {action.name}", "replace it"))
    target = catalog.target(successor, policy=options.policy, at_least=replacement.at_least)
    before = action.resolve(use.ref)
    if use.ref.ref == action.branch and action.newest is not None:
        before = action.newest.version
    if target is None or before is None or action.majors.get(before[0]) is None:
        return finding(use, message, Blocked(f"it is not known what {use.ref} holds", advice or "rewrite the step"))
    bump = Bump(successor, message, before, action.majors[before[0]], target)
    if action.name in _SLACK:
        return finding(use, message, _slack(use, bump, files, options))
    if replacement.migration is None:
        return finding(
            use,
            message,
            Blocked(
                f"{replacement.name} takes other inputs, which have to be chosen",
                advice or f"rewrite the step for {replacement.name}",
            ),
        )
    return finding(use, message, fix_of(use, bump, files, options, migrations=(replacement.migration,)))


def _slack(use: Use, bump: Bump, files: ActionFiles, options: Options) -> Fix | Blocked:
    step = use.step
    if step is None or step.with_ is None or bump.before is None or bump.before[0] != 3:
        return Blocked("only steps of action-slack v3 can be rewritten", "write the message as a payload")
    step_use = step_use_of(step, files)
    message = slack_message(step_use.inputs, step_use.env, step_use.outer_env)
    if isinstance(message, Blocked):
        return message
    reference = new_reference(use, bump, options)
    if isinstance(reference, Blocked):
        return reference
    parts = [use.workflow.edit_mapping(step.with_, delete=list(step_use.inputs), add=message.inputs)]
    env = step.node.get("env")
    if message.drops_variable and env is not None:
        parts.append(use.workflow.delete(env, WEBHOOK))
    return Fix.of(
        f"send the message with {bump.action.name} {bump.target.release}",
        *reference,
        *parts,
        tier=Tier.REVIEW,
        todo=["see that the message looks as you want it: the commit is shown in full now"],
    )
