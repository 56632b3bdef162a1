"""What a step changes besides its reference: inputs, variables, reads of outputs, permissions, scripts."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from fixer.github.action_files import ActionFiles
from fixer.github.catalog import Migrated, Migration, StepUse, between, migrate, names_gone
from fixer.github.catalog.step_use import step_use_of
from fixer.github.workflow import Job
from fixer.model import Blocked, Fix, Parts, Tier
from transforms.ci.outdated_action.artifact_names import only_artifact
from transforms.ci.outdated_action.options import Options
from transforms.ci.outdated_action.reference import new_reference
from transforms.ci.outdated_action.target import Bump
from transforms.ci.outdated_action.uses import Use

NONE: Mapping[str, Any] = MappingProxyType({})
_DOWNLOADS_V5 = (5, 0, 0, 1)
_REST = (
    r"\bgithub\.(actions|activity|apps|billing|checks|codesOfConduct|codeScanning|emojis|enterpriseAdmin|gists|git|"
    r"gitignore|interactions|issues|licenses|markdown|meta|migrations|orgs|packages|projects|pulls|rateLimit|reactions|"
    r"repos|search|secretScanning|teams|users)\.(?=\w)"
)


class Inputs(NamedTuple):
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
        migrated = migrated._replace(
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
    return Fix.of(
        f"use {bump.action.name} {bump.target.release}",
        *reference,
        *_edits(use, migrated),
        tier=Tier.REVIEW if todo else Tier.SAFE,
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
    yield from _output_edits(use, migrated)
    if migrated.permissions:
        yield _permission_edits(use, migrated.permissions)
    for script in migrated.scripts:
        yield _script_edits(use, script)


def _output_edits(use: Use, migrated: Migrated) -> Iterator[Parts]:
    """`steps.<id>.outputs.<old>` becomes the new name wherever the job, or the action, reads it."""
    step, workflow = use.step, use.workflow
    assert step is not None
    if not step.id or not (migrated.outputs or migrated.lost_outputs):
        return
    pattern = re.compile(rf"\bsteps\.{re.escape(step.id)}\.outputs\.([\w-]+)")
    for node in (step.job.node if step.job else workflow.root).scalars():
        if f"steps.{step.id}.outputs" not in node.value:
            continue
        changed: list[tuple[int, int, str]] = []
        for found in pattern.finditer(node.value):
            if found[1] in migrated.outputs:
                changed.append((*found.span(1), migrated.outputs[found[1]]))
            elif found[1] in migrated.lost_outputs:
                yield Blocked(f"the new version no longer has the output {found[1]}, which is read", "use another")
        if changed:
            yield workflow.splice_scalar(node, changed)


def _permission_edits(use: Use, wanted: Mapping[str, str]) -> Parts:
    """Permissions that the new version needs, where the job's token is restricted."""
    workflow = use.workflow
    for place in (use.job.node if use.job else None, workflow.root):
        given = place.get("permissions") if place is not None else None
        if given is None:
            continue
        if given.is_scalar and given.value == "write-all":
            return ()
        if not given.is_mapping or (given.style == "flow" and not given.value):
            return Blocked(
                f"the job's permissions are {given.value or 'none'}, and the new version needs "
                + ", ".join(f"{name}: {level}" for name, level in wanted.items()),
                "write them out",
            )
        missing = {name: level for name, level in wanted.items() if name not in given.value}
        higher = {
            name: level for name, level in wanted.items() if name in given.value and given.value[name].value != level
        }
        if (missing or higher) and "workflow_call" in workflow.triggers:
            # GitHub starts no workflow that calls another one which asks for more than the calling job has.
            asked = ", ".join(f"{name}: {level}" for name, level in (missing | higher).items())
            return Blocked(
                f"the new version needs the permission {asked}, and other workflows call this one",
                "give it to the calling jobs and to this one, then run fhfix again",
            )
        return workflow.edit_mapping(given, set=higher, add=missing)
    return ()


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
    return use.workflow.splice_scalar(
        script,
        [
            (found.end(1) - len(found[1]), found.end(1), f"rest.{found[1]}")
            for found in re.finditer(_REST, script.value)
        ],
    )
