"""What a step changes besides its reference: inputs, variables, reads of outputs, permissions, scripts."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from fixer.github.action_files import ActionFiles
from fixer.github.catalog import Migrated, Migration, StepUse, between, migrate, names_gone
from fixer.github.catalog.step_use import step_use_of
from fixer.github.outputs import rename_outputs
from fixer.github.permissions import grant, may
from fixer.github.workflow import Job
from fixer.model import Blocked, Fix, Parts, Tier
from fixer.records import record
from fixer.scripts import ScriptText
from transforms.ci.outdated_action.artifact_names import only_artifact
from transforms.ci.outdated_action.options import Options
from transforms.ci.outdated_action.reference import new_reference, stale_above
from transforms.ci.outdated_action.target import Bump
from transforms.ci.outdated_action.uses import Use

NONE: Mapping[str, Any] = MappingProxyType({})
_DOWNLOADS_V5 = (5, 0, 0, 1)
_REST = (
    r"\bgithub\.(actions|activity|apps|billing|checks|codesOfConduct|codeScanning|emojis|enterpriseAdmin|gists|git|"
    r"gitignore|interactions|issues|licenses|markdown|meta|migrations|orgs|packages|projects|pulls|rateLimit|reactions|"
    r"repos|search|secretScanning|teams|users)\.(?=\w)"
)


@record
class Inputs:
    """Changes of a step's inputs that come from its neighbours."""

    rename: Mapping[str, str] = NONE
    set: Mapping[str, str] = NONE
    add: Mapping[str, Any] = NONE
    todo: tuple[str, ...] = ()

    def as_edit(self) -> dict[str, Mapping[str, Any]]:
        return {"rename": self.rename, "set": self.set, "add": self.add}


def fix_of(
    use: Use,
    bump: Bump,
    files: ActionFiles,
    options: Options,
    inputs: Inputs | None = None,
    migrations: tuple[Migration, ...] | None = None,
) -> Fix | Blocked:
    if use.ref.repository.lower() in files.lock.lower() and not options.relock:
        return Blocked(
            "actions.lock holds this action, and would no longer be right",
            "run `gh actions-lock` after fhfix, and say so",
            "rules.outdated-action.relock = true",
        )
    reference = new_reference(use, bump, options)
    if isinstance(reference, Blocked):
        return reference
    migrated = _migrated(use, bump, files, migrations)
    if isinstance(migrated, Blocked):
        return migrated
    for changed in (inputs or Inputs(), unpacked(use, bump)):
        migrated = replace(
            migrated,
            rename={**migrated.rename, **changed.rename},
            set={**migrated.set, **changed.set},
            add={**migrated.add, **changed.add},
            todo=(*migrated.todo, *changed.todo),
        )
    todo = list(migrated.todo)
    if use.ref.repository.lower() in files.lock.lower():
        todo.append("run `gh actions-lock`")
    if _is_self_hosted(use.job) and bump.target.runtime() == "node24":
        todo.append("see that the self-hosted runner is v2.327.1 or newer, which Node 24 needs")
    if bump.before is not None and bump.before[0] < bump.target.number > bump.action.read_to:
        todo.append(
            f"see the release notes of {bump.action.repository} up to v{bump.target.number}: only inputs and outputs "
            "were compared"
        )
    if stale := stale_above(use):
        todo.append(f"correct the comment above {bump.action.name}, which goes on saying {stale}")
    if bump.before is None and not bump.action.branch_is_at(use.ref.ref, bump.target.release):
        todo.append(f"see what {use.ref.ref} of {bump.action.repository} has that {bump.target.release} has not")
    # Whose code the job runs is for a person to decide.
    of_another = bump.action.repository.partition("/")[0].lower() != use.ref.owner.lower()
    return Fix.of(
        f"use {bump.action.name} {bump.target.release}",
        *reference,
        *_edits(use, migrated),
        tier=Tier.REVIEW if todo or of_another else Tier.SAFE,
        todo=todo,
    )


def unpacked(use: Use, bump: Bump) -> Inputs:
    """Up to v4 a download of all artifacts gave each a folder; from v5 on it gives none to the only one of a run.

    https://github.com/actions/download-artifact/blob/v5.0.0/src/download-artifact.ts#L175
    """
    given = use.step.node.texts("with") if use.step is not None else {}
    crosses = bump.before is not None and bump.before < _DOWNLOADS_V5 <= bump.target.version
    one = {"name", "pattern", "artifact-ids"} & given.keys() or given.get("merge-multiple") == "true"
    if bump.action.name != "actions/download-artifact" or not crosses or one:
        return Inputs()
    only = only_artifact(use.workflow) if "run-id" not in given else None
    if only is None:
        return Inputs(
            todo=(
                "download-artifact v5 puts the files of a run's only artifact straight into path: see that later paths "
                "fit where there is just one",
            )
        )
    if not only:
        return Inputs()
    if "path" in given:
        return Inputs(set={"path": posixpath.join(given["path"], only)})
    return Inputs(add={"path": only})


def _migrated(use: Use, bump: Bump, files: ActionFiles, migrations: tuple[Migration, ...] | None) -> Migrated | Blocked:
    what = f"{bump.action.name} v{bump.target.number}"
    if use.step is None:
        return Blocked("the inputs of a reusable workflow are not in the catalog", "change the reference by hand")
    given = use.step.node.get("with")
    if given is not None and use.step.with_ is None and given.data:
        return Blocked("`with:` is not a mapping", "change the step by hand")
    if migrations is None:
        if bump.before is None:
            migrations = names_gone(bump.action, bump.target)
        else:
            migrations = between(bump.action, bump.before, bump.target.version)
    # Without a change on the way only the inputs themselves are looked at.
    step_use = step_use_of(use.step, files) if migrations else StepUse(use.step.inputs, {}, {})
    before = bump.before or (0, 0, 0, 0)
    return migrate(step_use, bump.old, bump.target, before, migrations, what=what)


def _is_self_hosted(job: Job | None) -> bool:
    return job is not None and job.runs_on.self_hosted


def _edits(use: Use, migrated: Migrated) -> Iterator[Parts]:
    step, workflow = use.step, use.workflow
    assert step is not None
    if migrated.touches_inputs:
        if step.with_ is None:
            if step.node.get("with") is not None:
                yield Blocked("`with:` is empty", "remove it")
            else:
                yield workflow.add_key(step.node, "with", dict(migrated.add), after="uses")
        else:
            yield workflow.edit_mapping(
                step.with_,
                rename=migrated.rename,
                set=migrated.set,
                delete=migrated.delete,
                add=migrated.add,
            )
    env = step.node.get("env")
    if migrated.env_delete or migrated.env_add:
        if env is None:
            yield workflow.add_key(step.node, "env", dict(migrated.env_add), after="uses")
        else:
            yield workflow.edit_mapping(env, delete=migrated.env_delete, add=migrated.env_add)
    yield rename_outputs(step, migrated.outputs, migrated.lost_outputs)
    if migrated.permissions:
        yield _permission_edits(use, migrated.permissions)
    for script in migrated.scripts:
        yield _script_edits(use, script)


def _permission_edits(use: Use, wanted: Mapping[str, str]) -> Parts:
    """Permissions that the new version needs, where what is written restricts the job's token."""
    if use.job is None or may(use.job, wanted, use.workflows) is not False:
        return ()
    return grant(use.job, wanted, use.workflows)


def _script_edits(use: Use, name: str) -> Parts:
    """`github.issues.create` became `github.rest.issues.create`."""
    given = use.step.with_ if use.step else None
    script = given.get("script") if given is not None else None
    if script is None or name != "github-rest":
        return ()
    if not script.is_scalar:
        return Blocked("its `script` is no text", "write it as one")
    if "require(" in script.value or re.search(r"[({,]\s*github\s*[,})]|=\s*github\b(?!\.)", script.value):
        return Blocked(
            "REST methods moved from `github.*` to `github.rest.*`, and the script passes `github` on to other code",
            "put `.rest` in there by hand",
        )
    rest = ScriptText.of("rest.")
    places = [found.start(1) for found in re.finditer(_REST, script.value)]
    return use.workflow.splice_scalar(script, [(at, at, rest) for at in places])
