"""A release is made by an action that was archived in 2021 and runs on a Node.js that runners no longer have.

## Why

`actions/create-release` and `actions/upload-release-asset` are archived; their runtime, Node 12, is gone. The
successor, `softprops/action-gh-release`, differs where it is easy to miss: it tags the default branch where the old
action tagged the commit of the run; it ignores a token in `env:`; it does not cut `refs/tags/` off the title; it
names an asset after its file; a second step on a draft publishes it; a file that is missing is only a warning. The
fix carries all of this over: inputs, outputs and their uses elsewhere, the token, the permission, and assets, also
those of other jobs.

## When it is left alone

A release that is known only by an `upload_url` from somewhere else: the new action finds a release by its tag, which
the option `tag` can name. Steps and jobs that merely have such a name. An output that nothing replaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from fixer.github.action_ref import ActionRef, RefKind
from fixer.github.catalog.actions import Catalog
from fixer.github.expressions import (
    ANY,
    expressions_in,
    is_own_token,
    masked,
    only_read,
    part_of_expression,
    reads,
    without,
)
from fixer.github.outputs import reads_of, rename_outputs
from fixer.github.permissions import grant, may
from fixer.github.workflow import Job, Step, Workflow
from fixer.github.workflows import Workflows, commands_of
from fixer.languages.shell import Command
from fixer.languages.yaml import Node
from fixer.model import Blocked, Finding, Fix, Parts, Rule, RuleOptions, Tier, joined, option
from fixer.records import record
from fixer.scripts import ScriptText

CREATE, UPLOAD, SUCCESSOR = "actions/create-release", "actions/upload-release-asset", "softprops/action-gh-release"
OTHERS = ("ncipollo/release-action", "marvinpinto/action-automatic-releases", "svenstaro/upload-release-action")
ASSETS = "${{ runner.temp }}/release-assets"

# What these hold is the same in every job.
_EVERYWHERE = frozenset(("github", "inputs", "vars"))
_WRITE = {"contents": "write"}


@record
class Release:
    """A step that makes a release, and the uploads right behind it that become its `files`."""

    step: Step
    folded: tuple[Step, ...]


class Options(RuleOptions):
    style: Literal["action", "gh"] = option("action", "what makes the release: the action, or the gh command line")
    tag: str = option("", "the tag of a release that a step knows only by its upload_url")


def check(workflow: Workflow, workflows: Workflows | None, catalog: Catalog, options: Options) -> Iterator[Finding]:
    text = workflow.source.text.lower()
    if CREATE not in text and UPLOAD not in text:
        return
    steps = workflow.steps
    releases = [_release(step, steps) for step in steps if _is(step, CREATE)]
    folded = {step.at for release in releases for step in release.folded}
    for release in releases:
        yield _create(workflow, release, workflows, catalog, options)
    for step in steps:
        if _is(step, UPLOAD) and step.at not in folded:
            yield _upload(workflow, step, workflows, catalog, options)


# -- what there is ------------------------------------------------------------------------------------------------


def _is(step: Step, action: str) -> bool:
    return step.action.lower() == action


def _with(step: Step) -> dict[str, str]:
    """The inputs as text, keys in lower case as the runner takes them."""
    found = step.with_
    return {key.lower(): node.value for key, node in found.value.items() if node.is_scalar} if found else {}


def _key(mapping: Node, name: str) -> str | None:
    return next((key for key in mapping.value if key.lower() == name), None)


def _siblings(step: Step, steps: tuple[Step, ...]) -> list[Step]:
    return [other for other in steps if other.at[:-1] == step.at[:-1]]


def _release(step: Step, steps: tuple[Step, ...]) -> Release:
    """Uploads that follow at once, ask for nothing of their own, and whose output nobody reads, are folded.

    Where a step stands between them the asset may not exist yet when the release is made.
    """
    folded: list[Step] = []
    siblings = _siblings(step, steps)
    for other in siblings[siblings.index(step) + 1 :] if step in siblings else ():
        maker = _maker_of(_with(other).get("upload_url", ""))
        alike = set(other.data) <= {"name", "id", "uses", "with", "env"} or other.data.get("if") == step.data.get("if")
        plain = set(other.data) <= {"name", "id", "uses", "with", "env", "if"}
        of_this = step.id != "" and maker.lower() == step.id.lower()
        if not (_is(other, UPLOAD) and of_this and alike and plain):
            break
        if _token(other) != _token(step) or any(reads_of(other, "browser_download_url")):
            break
        folded.append(other)
    return Release(step, tuple(folded))


def _token(step: Step) -> str:
    """The token that the old action read from its environment; empty for the job's own."""
    for place in (step.node, step.job.node if step.job else None, step.workflow.root):
        env = place.get("env") if place is not None else None
        found = env.get("GITHUB_TOKEN") if env is not None else None
        if found is not None and found.is_scalar:
            return "" if is_own_token(found.value) else found.value
    return ""


# -- making a release ---------------------------------------------------------------------------------------------


def _create(
    workflow: Workflow, release: Release, workflows: Workflows | None, catalog: Catalog, options: Options
) -> Finding:
    step, assets = release.step, len(release.folded)
    assert step.uses is not None
    message = f"{step.uses.value} is archived, and its Node.js is gone from the runners"
    if assets:
        message += f"; so is {UPLOAD} behind it" + (f", {assets} times" if assets > 1 else "")
    return Finding(workflow.path, step.uses.span, message, _create_cure(workflow, release, workflows, catalog, options))


def _create_cure(
    workflow: Workflow, release: Release, workflows: Workflows | None, catalog: Catalog, options: Options
) -> Fix | Blocked:
    step = release.step
    with_, given = step.with_, _with(step)
    if with_ is None or "tag_name" not in given:
        return Blocked("the step names no tag", "give it `with: tag_name:`")
    files = [_asset(upload) for upload in release.folded]
    wrong = next((asset for asset in files if isinstance(asset, Blocked)), None)
    if wrong is not None:
        return wrong
    assets = [asset for asset in files if isinstance(asset, Asset)]
    title = f"make the release with {SUCCESSOR}"
    parts: list[Parts] = []
    if options.style == "gh":
        title = "make the release with `gh release create`"
        parts.append(_as_gh(workflow, release, assets))
    else:
        parts.append(_as_successor(workflow, step, assets, catalog))
        parts.append(rename_outputs(step, {"html_url": "url"}))
    moved = [asset for asset in assets if asset.renamed]
    steps = workflow.node(step.at[:-1])
    if steps is None:
        return Blocked("the step stands in a list that cannot be edited", "write the list of steps once more")
    if moved:
        parts.append(workflow.insert_item(steps, int(step.at[-1]), _naming_step(step, moved)))
    if release.folded:
        parts.append(workflow.delete(steps, *(int(upload.at[-1]) for upload in release.folded)))
    permission, todo = _permission(workflows, step)
    parts.append(permission)
    effects = [f"{workflow.path}: the release is made by {SUCCESSOR if options.style != 'gh' else 'gh'}"]
    if options.style != "gh":
        effects.append("a release that exists already for this tag is updated, where the old action failed")
    if release.folded:
        count = len(release.folded)
        said = "the asset is" if count == 1 else f"{count} assets are"
        effects.append(f"{said} uploaded by the same step, before the release is published")
    return Fix.of(title, *parts, tier=Tier.REVIEW, effects=effects, todo=todo)  # only a release tries it


def _as_successor(workflow: Workflow, step: Step, assets: list[Asset], catalog: Catalog) -> Parts:
    with_, given = step.with_, _with(step)
    assert with_ is not None
    rename, replace, gone, add = dict[str, str](), dict[str, Any](), list[str](), dict[str, Any]()
    for old, new in (("release_name", "name"), ("commitish", "target_commitish")):
        key = _key(with_, old)
        if key is not None:
            rename[key] = new
    name_key = _key(with_, "release_name")
    if name_key is not None and "release_name" in given:
        name = _without_refs_tags(given["release_name"])
        if name != given["release_name"]:
            replace[name_key] = name
    if "commitish" not in given and not _is_pushed_tag(given["tag_name"]):
        add["target_commitish"] = "${{ github.sha }}"
    if "owner" in given or "repo" in given:
        owner = given.get("owner", "${{ github.repository_owner }}")
        add["repository"] = f"{owner}/{given.get('repo', '${{ github.event.repository.name }}')}"
        gone += [key for name in ("owner", "repo") if (key := _key(with_, name)) is not None]
    token = _token(step)
    if token:
        add["token"] = token
    if assets:
        add["files"] = "".join(f"{asset.file}\n" for asset in assets) if len(assets) > 1 else assets[0].file
        add["fail_on_unmatched_files"] = True
    return joined(
        [
            _new_reference(workflow, step, catalog),
            workflow.edit_mapping(with_, rename=rename, set=replace, delete=gone, add=add),
            _without_token(workflow, step),
        ]
    )


def _without_refs_tags(name: str) -> str:
    """The old action cut `refs/tags/` off the title as well."""
    for read in reversed(reads(name)):
        if read.is_("github.ref"):
            _, key = read.keys
            name = f"{name[: key.start]}ref_name{name[key.end :]}"
    return name


def _is_pushed_tag(tag: str) -> bool:
    read = only_read(tag)
    return read is not None and read.is_("github.ref", "github.ref_name")


def _new_reference(workflow: Workflow, step: Step, catalog: Catalog) -> Parts:
    """The successor at the version that the catalog holds for supported, named as exactly as the old action was."""
    assert step.uses is not None
    old, action = ActionRef.parse(step.uses.value), catalog.action(SUCCESSOR)
    major = catalog.target(action, policy="supported", at_least=2) if action is not None else None
    if action is None or major is None:
        return Blocked(f"the catalog of actions holds no release of {SUCCESSOR} that runs today", "update the catalog")
    if old.kind is RefKind.SHA and action.sha_of(major.release):
        new = f"{SUCCESSOR}@{action.sha_of(major.release)}"
        return joined([workflow.set_scalar(step.uses, new), workflow.set_comment(step.uses, major.release)])
    ref = old.ref if old.kind in (RefKind.MAJOR, RefKind.EXACT) else "v1"
    parts = [workflow.set_scalar(step.uses, f"{SUCCESSOR}@{action.with_precision(ref, major.number)}")]
    if re.match(r"v?\d", workflow.comment_of(step.uses)):
        parts.append(workflow.set_comment(step.uses, major.release))
    return joined(parts)


def _without_token(workflow: Workflow, step: Step) -> Parts:
    """`env: GITHUB_TOKEN`, which the new action does not read; where a comment would be lost with it, it stays."""
    env = step.node.get("env")
    if env is None or not env.is_mapping or "GITHUB_TOKEN" not in env.value:
        return ()
    removed = workflow.delete(env, "GITHUB_TOKEN")
    return () if isinstance(removed, Blocked) else removed


# -- assets -------------------------------------------------------------------------------------------------------


@record
class Asset:
    path: str
    name: str

    @property
    def renamed(self) -> bool:
        """Whether the file must first get the asset's name."""
        return _last_part(self.path) != self.name

    @property
    def file(self) -> str:
        return f"{ASSETS}/{self.name}" if self.renamed else self.path


def _last_part(path: str) -> str:
    """What follows the last slash that is not inside of an expression."""
    return path[masked(path, "x").rfind("/") + 1 :]


def _asset(step: Step) -> Asset | Blocked:
    given = _with(step)
    if not given.get("asset_path") or not given.get("asset_name"):
        return Blocked("the upload names no file or no asset", "give it `asset_path` and `asset_name`")
    asset = Asset(given["asset_path"].strip(), given["asset_name"].strip())
    if re.search(r"[\[\]{}*?]", without(asset.file)):
        return Blocked(f"{asset.file} would be read as a pattern of file names", "rename the file")
    return asset


_COPY = ScriptText.of('cp -- "$ASSET_PATH@suffix@" "$RUNNER_TEMP/release-assets/$ASSET_NAME@suffix@"')


def _suffix(number: int, assets: list[Asset]) -> ScriptText:
    """What the variables of an asset end with; nothing for the only one."""
    return ScriptText.of("_@number@", number=number) if len(assets) > 1 else ScriptText.of("")


def _naming_step(step: Step, assets: list[Asset]) -> dict[str, Any]:
    env: dict[str, str] = {}
    lines = [ScriptText.of('mkdir -p "$RUNNER_TEMP/release-assets"')]
    for number, asset in enumerate(assets, 1):
        suffix = _suffix(number, assets)
        env[f"ASSET_PATH{suffix}"], env[f"ASSET_NAME{suffix}"] = asset.path, asset.name
        lines.append(_COPY.filled(suffix=suffix))
    made: dict[str, Any] = {"name": "Name the release assets"}
    if "if" in step.data:
        made["if"] = step.data["if"]
    return made | {"shell": "bash", "env": env, "run": ScriptText.lines(lines)}


def _upload(workflow: Workflow, step: Step, workflows: Workflows | None, catalog: Catalog, options: Options) -> Finding:
    assert step.uses is not None
    message = f"{step.uses.value} is archived, and its Node.js is gone from the runners"
    return Finding(workflow.path, step.uses.span, message, _upload_cure(workflow, step, workflows, catalog, options))


def _upload_cure(
    workflow: Workflow, step: Step, workflows: Workflows | None, catalog: Catalog, options: Options
) -> Fix | Blocked:
    asset = _asset(step)
    if isinstance(asset, Blocked):
        return asset
    if step.with_ is None:
        return Blocked("the step has no inputs", "give it `upload_url`, `asset_path` and `asset_name`")
    found = _tag_of(workflow, step, options)
    if isinstance(found, Blocked):
        return found
    parts: list[Parts] = list(found.parts)
    steps = workflow.node(step.at[:-1])
    if steps is None:
        return Blocked("the step stands in a list that cannot be edited", "write the list of steps once more")
    if asset.renamed:
        parts.append(workflow.insert_item(steps, int(step.at[-1]), _naming_step(step, [asset])))
    if options.style == "gh":
        parts.append(_upload_as_gh(workflow, step, asset, found.tag))
        return Fix.of("upload the asset with `gh release upload`", *parts, tier=Tier.REVIEW)
    wanted: dict[str, Any] = {"tag_name": found.tag, "files": asset.file, "fail_on_unmatched_files": True}
    if found.draft.lower() not in ("", "false"):
        wanted["draft"] = (
            True if found.draft.lower() == "true" else found.draft
        )  # the action publishes a draft that it is not told to leave one
    token = _token(step)
    if token:
        wanted["token"] = token
    parts.append(_new_reference(workflow, step, catalog))
    parts.append(_other_inputs(workflow, step.with_, wanted))
    parts.append(_without_token(workflow, step))
    parts.append(_address_of_asset(workflow, step))
    permission, todo = _permission(workflows, step)
    return Fix.of(
        f"upload the asset with {SUCCESSOR}",
        *parts,
        permission,
        tier=Tier.REVIEW,
        effects=(f"{workflow.path}: {asset.file} is uploaded to the release of {found.tag}",),
        todo=todo,
    )


def _address_of_asset(workflow: Workflow, step: Step) -> Parts:
    """The new action says the addresses of all assets as one JSON text."""
    new = part_of_expression(f"fromJSON(steps.{step.id}.outputs.assets)[0].browser_download_url")
    parts: list[Parts] = []
    for found in reads_of(step, "browser_download_url"):
        node, read = found.node, found.read
        if len(read.keys) != 4 or ANY in read.path:
            return Blocked(
                f"`{node.value[read.start : read.end]}` reads more than one output, and the new action has none "
                "with the address of an asset",
                f"read it by its name, `steps.{step.id}.outputs.browser_download_url`",
            )
        parts.append(workflow.splice_scalar(node, [(read.start, read.end, new)]))
    return joined(parts)


def _other_inputs(workflow: Workflow, with_: Node, wanted: dict[str, Any]) -> Parts:
    """The old inputs become the new ones in their places, as far as there are places."""
    places = {"upload_url": "tag_name", "asset_path": "files", "asset_content_type": "fail_on_unmatched_files"}
    rename, values, gone, left = dict[str, str](), dict[str, Any](), list[str](), dict(wanted)
    for key in with_.value:
        new = places.get(key.lower()) or next((name for name in left if name in ("draft", "token")), "")
        if key.lower() not in (*places, "asset_name"):
            continue
        if new:
            rename[key], values[key] = new, left.pop(new)
        else:
            gone.append(key)
    return workflow.edit_mapping(with_, rename=rename, set=values, delete=gone, add=left)


@record
class Target:
    """Which release an asset goes to, and what must be added elsewhere so that the tag can be named."""

    tag: str
    draft: str = ""
    parts: tuple[Parts, ...] = ()


def _tag_of(workflow: Workflow, step: Step, options: Options) -> Target | Blocked:
    url = _with(step).get("upload_url", "")
    if options.tag:
        return Target(options.tag)
    read = only_read(url)
    if read is not None and read.is_("github.event.release.upload_url"):
        return Target("${{ github.event.release.tag_name }}")
    maker = _maker_of(url)
    if maker:
        target = _target_of(maker, [other for other in workflow.steps if other.job is step.job])
        if target is not None:
            return target
    if read is not None and read.context == "needs" and len(read.keys) == 4 and ANY not in read.path:
        _, job_id, _, output = (key.text for key in read.keys)
        job = workflow.jobs.get(job_id)
        passed = str(job.data.get("outputs", {}).get(output, "")) if job is not None else ""
        target = _target_of(_maker_of(passed), job.steps) if job is not None else None
        if job is not None and target is not None:
            return _from_job(workflow, job, target)
    return Blocked(
        f"the release is known only by {url.strip() or 'an upload_url'}, and {SUCCESSOR} finds a release by its tag",
        "say which tag the release has",
        'rules.deprecated-release-action.tag = "${{ github.ref_name }}"',
    )


def _maker_of(url: str) -> str:
    """The id of the step whose `upload_url` this is; empty for anything else."""
    read = only_read(url)
    if read is None or not read.is_(f"steps.{read.name}.outputs.upload_url") or read.name == ANY:
        return ""
    return read.name


def _target_of(step_id: str, steps: Iterable[Step]) -> Target | None:
    """The tag of the step that makes the release, before or after it was migrated; None where no such step is known."""
    maker = next((step for step in steps if step_id and step.id.lower() == step_id.lower()), None)
    if maker is None or not (_is(maker, CREATE) or _is(maker, SUCCESSOR)):
        return None
    given = _with(maker)
    return Target(given["tag_name"], given.get("draft", "")) if given.get("tag_name") else None


def _from_job(workflow: Workflow, job: Job, target: Target) -> Target | Blocked:
    """The tag as another job can say it: as it is written where that means the same, else as an output of the job."""
    if target.draft.lower() not in ("", "false", "true"):
        return Blocked(
            "whether the release is a draft is decided by an expression of another job",
            "write `draft: true` or `draft: false` there",
        )
    if all(read.context in _EVERYWHERE for read in reads(target.tag)):
        return target
    outputs = job.node.get("outputs")
    if outputs is None or not outputs.is_mapping:
        return Blocked(f"job {job.id} has no outputs to pass the tag on", "pass it on as an output release_tag")
    tag = f"${{{{ needs.{job.id}.outputs.release_tag }}}}"
    if "release_tag" in outputs.value:
        return Target(tag, target.draft)
    return Target(tag, target.draft, (workflow.add_key(outputs, "release_tag", target.tag),))


# -- the style `gh` -----------------------------------------------------------------------------------------------


_FLAGS = (
    ("draft", ScriptText.of('--draft="${DRAFT:-false}"'), ScriptText.of("--draft")),
    ("prerelease", ScriptText.of('--prerelease="${PRERELEASE:-false}"'), ScriptText.of("--prerelease")),
)
_VIEW = ScriptText.of("""\
value=$(gh release view "${TAG#refs/tags/}" --json @field@ --jq .@field@)
echo "@output@=$value" >> "$GITHUB_OUTPUT"\
""")
_OUTPUTS = {"html_url": "url", "upload_url": "uploadUrl", "id": "databaseId"}
"""Outputs of the action, and how gh calls them."""


def _as_gh(workflow: Workflow, release: Release, assets: list[Asset]) -> Parts:
    step = release.step
    given, token = _with(step), _token(step)
    env: dict[str, str] = {
        "GH_TOKEN": token or "${{ github.token }}",
        "GH_REPO": "${{ github.repository }}",
        "TAG": given["tag_name"],
        "TITLE": given.get("release_name", given["tag_name"]),
    }
    if "owner" in given or "repo" in given:
        owner = given.get("owner", "${{ github.repository_owner }}")
        env["GH_REPO"] = f"{owner}/{given.get('repo', '${{ github.event.repository.name }}')}"
    words = [
        ScriptText.of('gh release create "${TAG#refs/tags/}"'),
        ScriptText.of('--title "${TITLE/refs\\/tags\\//}"'),
    ]
    if given.get("body_path"):
        env["NOTES_FILE"] = given["body_path"]
        words.append(ScriptText.of('--notes-file "$NOTES_FILE"'))
    else:
        env["NOTES"] = given.get("body", "")
        words.append(ScriptText.of('--notes "$NOTES"'))
    if not _is_pushed_tag(given["tag_name"]):
        env["COMMIT"] = given.get("commitish", "${{ github.sha }}")
        words.append(ScriptText.of('--target "$COMMIT"'))
    for flag, asked, always in _FLAGS:
        value = given.get(flag, "false").strip().lower()
        if expressions_in(value):
            env[flag.upper()] = given[flag]
            words.append(asked)
        elif value == "true":
            words.append(always)
    for number, asset in enumerate(assets, 1):
        suffix = _suffix(number, assets)
        env[f"ASSET{suffix}"] = asset.file
        words.append(ScriptText.of('"$ASSET@suffix@"', suffix=suffix))
    gone = [upload.at for upload in release.folded]
    read = [name for name in _OUTPUTS if any(each.node.at[: len(step.at)] not in gone for each in reads_of(step, name))]
    lines = [ScriptText.joined(" \\\n  ", words)]
    lines += [_VIEW.filled(field=ScriptText.name(_OUTPUTS[name]), output=ScriptText.name(name)) for name in read]
    return _rewritten(workflow, step, env, lines)


def _upload_as_gh(workflow: Workflow, step: Step, asset: Asset, tag: str) -> Parts:
    if any(reads_of(step, "browser_download_url")):
        return Blocked("gh does not say the address of an asset, and a later step reads it", "use the style `action`")
    env = {
        "GH_TOKEN": _token(step) or "${{ github.token }}",
        "GH_REPO": "${{ github.repository }}",
        "TAG": tag,
        "ASSET": asset.file,
    }
    return _rewritten(workflow, step, env, [ScriptText.of('gh release upload "${TAG#refs/tags/}" "$ASSET"')])


def _rewritten(workflow: Workflow, step: Step, env: dict[str, str], lines: list[ScriptText]) -> Parts:
    """The step with its name, id and condition, and a script where its action was."""
    own = step.node.get("env")
    gone = [key for key in ("uses", "with") if step.node.get(key) is not None]
    run = ScriptText.lines(lines) if len(lines) > 1 or "\n" in lines[0] else lines[0]
    if own is None or not own.is_mapping:
        return workflow.edit_mapping(step.node, delete=gone, add={"shell": "bash", "env": env, "run": run})
    token = [key for key in own.value if key == "GITHUB_TOKEN"]
    return joined(
        [
            workflow.edit_mapping(own, delete=token, add=env),
            workflow.edit_mapping(step.node, delete=gone, add={"shell": "bash", "run": run}),
        ]
    )


# -- permission ---------------------------------------------------------------------------------------------------


def _permission(workflows: Workflows | None, step: Step) -> tuple[Parts, tuple[str, ...]]:
    """`contents: write` for the job's own token, and what a person must see to.

    The old action needed the same: where nothing is written and nothing can be, the repository's setting gives it.
    """
    if step.job is None or _token(step):
        return (), ()
    known = may(step.job, _WRITE, workflows)
    granted = () if known else grant(step.job, _WRITE, workflows)
    if not isinstance(granted, Blocked):
        return granted, ()
    todo = (f"give job {step.job.id} the permission `contents: write`: {granted.reason}",)
    return (), todo if known is False else ()


def _makes_releases(workflow: Workflow) -> bool:
    """By an action, or by `gh release create`."""
    makers = {CREATE, UPLOAD, SUCCESSOR, *OTHERS}
    return any(
        step.action.lower() in makers or any(_is_gh_release(command) for command in commands_of(step))
        for step in workflow.steps
    )


def _is_gh_release(command: Command) -> bool:
    return command.name == "gh" and [word.text for word in command.args[:2]] == ["release", "create"]


RULE = Rule(
    __name__,
    "A release is made by an archived action",
    check,
    audit=("D-010.4",),
    criterion="No release is made by an archived action",
    hours=(1, 1),
    applies=_makes_releases,
)
