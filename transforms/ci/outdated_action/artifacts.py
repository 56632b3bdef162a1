"""Uploads and downloads of a workflow go to v4 together: both sides must understand each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fixer.github.action_files import ActionFiles
from fixer.github.expressions import reads
from fixer.github.workflow import Step, Workflow
from fixer.github.workflows import Workflows
from fixer.model import Blocked, Finding, Fix, Tier
from transforms.ci.outdated_action.artifact_names import ADVICE, ArtifactNames, artifact_names
from transforms.ci.outdated_action.options import Options
from transforms.ci.outdated_action.rewrite import Inputs, fix_of
from transforms.ci.outdated_action.target import Bump
from transforms.ci.outdated_action.uses import Use, finding

UPLOAD = "actions/upload-artifact"
DOWNLOAD = "actions/download-artifact"
_ARTIFACTS_V4 = (4, 0, 0, 1)


def changes_artifacts(bump: Bump) -> bool:
    """Whether a bump crosses from v3 to v4, where uploads and downloads stopped understanding each other."""
    return (
        bump.action.name in (UPLOAD, DOWNLOAD)
        and bump.before is not None
        and bump.before < _ARTIFACTS_V4 <= bump.target.version
    )


def move_together(
    workflow: Workflow,
    crossing: Mapping[str, list[tuple[Use, Bump]]],
    workflows: Workflows | None,
    files: ActionFiles,
    options: Options,
) -> Iterator[Finding]:
    """Uploads and downloads of a run go to v4 and newer together, or not at all.

    `crossing` are the uses that go from v3 to v4, by the path of the workflow, of all workflows of the run.
    """
    together = crossing[workflow.path]
    elsewhere = _blocked_elsewhere(workflow, crossing, workflows, files, options)
    names = elsewhere or _names(workflow, crossing, files)
    if isinstance(names, Blocked):
        for use, bump in together:
            yield finding(use, f"{use.ref} {bump.why}", names)
        return
    cures = [fix_of(use, bump, files, options, _named(use.step, names)) for use, bump in together]
    blocked = next((cure for cure in cures if isinstance(cure, Blocked)), None)
    if blocked is not None:
        for (use, bump), cure in zip(together, cures, strict=True):
            own = Blocked(f"it goes together with another step, which is blocked: {blocked.reason}", blocked.next_step)
            yield finding(use, f"{use.ref} {bump.why}", cure if isinstance(cure, Blocked) else own)
        return
    fixes = [cure for cure in cures if isinstance(cure, Fix)]
    if not names.uploads:
        for (use, bump), fix in zip(together, fixes, strict=True):
            yield finding(use, f"{use.ref} {bump.why}", fix)
        return
    first, bump = together[0]
    moved = {use.step.at for use, _ in together if use.step is not None}
    others = [
        workflow.edit_mapping(step.with_, **_named(step, names).as_edit())
        for step in workflow.steps
        if step.at in names.downloads and step.at not in moved and step.with_ is not None
    ]
    whole = Fix.of(
        "move uploads and downloads together, and give each upload a name of its own",
        *(fix.edits for fix in fixes),
        *others,
        tier=Tier.REVIEW,
        todo=dict.fromkeys(text for fix in fixes for text in fix.todo),
    )
    count = f" ({len(together)} steps)" if len(together) > 1 else ""
    yield finding(
        first,
        f"{first.ref}{count} {bump.why}; from v4 on a run can upload an artifact once, and here one is repeated",
        whole,
    )


def _names(
    workflow: Workflow, crossing: Mapping[str, list[tuple[Use, Bump]]], files: ActionFiles
) -> ArtifactNames | Blocked:
    own = [use.step.at for use, _ in crossing[workflow.path] if use.step is not None]
    readers = {
        use.workflow.path: use.workflow.source.text
        for path, uses in crossing.items()
        for use, bump in uses
        if path != workflow.path and bump.action.name == DOWNLOAD
    }
    return artifact_names(workflow, own, {**files.artifact_readers, **readers})


def _blocked_elsewhere(
    workflow: Workflow,
    crossing: Mapping[str, list[tuple[Use, Bump]]],
    workflows: Workflows | None,
    files: ActionFiles,
    options: Options,
) -> Blocked | None:
    """Why the uploads and downloads of a run cannot move, where another of its workflows is the reason."""
    uploads: dict[str, str] = {}
    for path, uses in crossing.items():
        for use, bump in uses:
            if use.step is None or bump.action.name != UPLOAD:
                continue
            name = use.step.inputs.get("name", "artifact")
            repeated = workflows is not None and workflows.is_called_repeatedly(use.workflow)
            if repeated and not any(read.context == "inputs" for read in reads(name)):
                return Blocked(
                    f"the artifact {name} is uploaded by {path}, which is called several times in a run, and from v4 "
                    "on a name can be uploaded once",
                    "name it by an input of that workflow (name: …-${{ inputs.… }}), download with pattern and "
                    "merge-multiple, then run fhfix again",
                )
            if uploads.setdefault(name, path) != path:
                return Blocked(
                    f"the artifact {name} is uploaded by {uploads[name]} and by {path}, which share a run, and from v4 "
                    "on a name can be uploaded once",
                    ADVICE,
                )
    for path, uses in crossing.items():
        if path == workflow.path or not uses:
            continue
        other = uses[0][0].workflow
        names = _names(other, crossing, files)
        fixes = [names] if isinstance(names, Blocked) else [fix_of(use, bump, files, options) for use, bump in uses]
        for fix in fixes:
            if isinstance(fix, Blocked):
                return Blocked(f"it goes together with {path}, which is blocked: {fix.reason}", fix.next_step)
    return None


def _named(step: Step | None, names: ArtifactNames) -> Inputs:
    if step is None:
        return Inputs()
    if step.at in names.uploads:
        new = names.uploads[step.at]
        return Inputs(set={"name": new}) if "name" in step.node.texts("with") else Inputs(add={"name": new})
    if step.at in names.downloads:
        return Inputs({"name": "pattern"}, {"name": names.downloads[step.at]}, {"merge-multiple": True})
    return Inputs()
