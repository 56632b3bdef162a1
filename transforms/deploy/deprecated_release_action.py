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
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from fixer.github.action_ref import ActionRef, RefKind
from fixer.github.catalog.actions import Catalog
from fixer.github.workflow import Job, Step, Workflow
from fixer.languages.yaml import Node
from fixer.model import Blocked, Finding, Fix, Parts, Rule, RuleOptions, Tier, joined, option

CREATE, UPLOAD, SUCCESSOR = "actions/create-release", "actions/upload-release-asset", "softprops/action-gh-release"
ASSETS = "${{ runner.temp }}/release-assets"

_EXPRESSION = re.compile(r"\$\{\{(?:'[^']*'|[^'])*?\}\}")
_OWN_TOKEN = re.compile(r"\s*\$\{\{\s*(?:secrets\.GITHUB_TOKEN|github\.token)\s*\}\}\s*", re.IGNORECASE)
_TOKEN = re.compile(r"\b(?:secrets\.GITHUB_TOKEN|github\.token)\b", re.IGNORECASE)
_EVERYWHERE = re.compile(r"^(?:github|inputs|vars)\.[\w.-]+$")
_RELEASE_EVENT = re.compile(r"\s*\$\{\{\s*github\.event\.release\.upload_url\s*\}\}\s*")
_STEP_URL = re.compile(r"\s*\$\{\{\s*steps\.([\w-]+)\.outputs\.upload_url\s*\}\}\s*")
_JOB_URL = re.compile(r"\s*\$\{\{\s*needs\.([\w-]+)\.outputs\.([\w-]+)\s*\}\}\s*")

# Actions that need no more of the job's token than `contents: read`, so that `contents: write` is enough for the job.
# https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#permissions
_NEEDS_NO_MORE = re.compile(
    r"^(?:actions/(?:checkout|setup-[\w-]+|cache|upload-artifact|download-artifact|create-release|upload-release-asset)"
    r"|aws-actions/[\w-]+|docker/(?:setup-[\w-]+|build-push-action|metadata-action)|8398a7/action-slack"
    r"|softprops/action-gh-release|slackapi/slack-github-action|azure/setup-[\w-]+|azure/login)(?:/|@)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Release:
    """A step that makes a release, and the uploads right behind it that become its `files`."""

    step: Step
    folded: tuple[Step, ...]


class Options(RuleOptions):
    style: Literal["action", "gh"] = option("action", "what makes the release: the action, or the gh command line")
    tag: str = option("", "the tag of a release that a step knows only by its upload_url")


def check(workflow: Workflow, catalog: Catalog, options: Options) -> Iterator[Finding]:
    text = workflow.source.text.lower()
    if CREATE not in text and UPLOAD not in text:
        return
    steps = workflow.steps
    releases = [_release(step, steps) for step in steps if _is(step, CREATE)]
    folded = {step.at for release in releases for step in release.folded}
    for release in releases:
        yield _create(workflow, release, catalog, options)
    for step in steps:
        if _is(step, UPLOAD) and step.at not in folded:
            yield _upload(workflow, step, catalog, options)


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
        url = _STEP_URL.fullmatch(_with(other).get("upload_url", ""))
        alike = set(other.data) <= {"name", "id", "uses", "with", "env"} or other.data.get("if") == step.data.get("if")
        plain = set(other.data) <= {"name", "id", "uses", "with", "env", "if"}
        if not (_is(other, UPLOAD) and url and step.id and url[1] == step.id and alike and plain):
            break
        if _token(other) != _token(step) or _uses_of_output(step.workflow, other, "browser_download_url"):
            break
        folded.append(other)
    return Release(step, tuple(folded))


def _token(step: Step) -> str:
    """The token that the old action read from its environment; empty for the job's own."""
    for place in (step.node, step.job.node if step.job else None, step.workflow.root):
        env = place.get("env") if place is not None else None
        found = env.get("GITHUB_TOKEN") if env is not None else None
        if found is not None and found.is_scalar:
            return "" if _OWN_TOKEN.fullmatch(found.value) else found.value
    return ""


def _uses_of_output(workflow: Workflow, step: Step, output: str) -> list[tuple[Node, int, int]]:
    """Where `steps.<id>.outputs.<output>` is read, as ranges in the scalars of its job."""
    if not step.id:
        return []
    pattern = re.compile(rf"\bsteps\.{re.escape(step.id)}\.outputs\.{re.escape(output)}\b")
    root = step.job.node if step.job is not None else workflow.root
    return [(node, *found.span()) for node in root.scalars() for found in pattern.finditer(node.value)]


# -- making a release ---------------------------------------------------------------------------------------------


def _create(workflow: Workflow, release: Release, catalog: Catalog, options: Options) -> Finding:
    step, assets = release.step, len(release.folded)
    assert step.uses is not None
    message = f"{step.uses.value} is archived, and its Node.js is gone from the runners"
    if assets:
        message += f"; so is {UPLOAD} behind it" + (f", {assets} times" if assets > 1 else "")
    return Finding(workflow.path, step.uses.span, message, _create_cure(workflow, release, catalog, options))


def _create_cure(workflow: Workflow, release: Release, catalog: Catalog, options: Options) -> Fix | Blocked:
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
        parts.extend(_renamed_output(workflow, step, "html_url", "url"))
    moved = [asset for asset in assets if asset.renamed]
    steps = workflow.node(step.at[:-1])
    if steps is None:
        return Blocked("the step stands in a list that cannot be edited", "write the list of steps once more")
    if moved:
        parts.append(workflow.insert_item(steps, int(step.at[-1]), _naming_step(step, moved)))
    if release.folded:
        parts.append(workflow.delete(steps, *(int(upload.at[-1]) for upload in release.folded)))
    permission, todo = _permission(workflow, step)
    parts.append(permission)
    effects = [f"{workflow.path}: the release is made by {SUCCESSOR if options.style != 'gh' else 'gh'}"]
    if options.style != "gh":
        effects.append("a release that exists already for this tag is updated, where the old action failed")
    if release.folded:
        count = len(release.folded)
        said = "the asset is" if count == 1 else f"{count} assets are"
        effects.append(f"{said} uploaded by the same step, before the release is published")
    return Fix.of(title, *parts, tier=Tier.SAFE, effects=effects, todo=todo)


def _as_successor(workflow: Workflow, step: Step, assets: list[Asset], catalog: Catalog) -> Parts:
    with_, given = step.with_, _with(step)
    assert with_ is not None
    rename, replace, gone, add = dict[str, str](), dict[str, Any](), list[str](), dict[str, Any]()
    for old, new in (("release_name", "name"), ("commitish", "target_commitish")):
        key = _key(with_, old)
        if key is not None:
            rename[key] = new
    name_key = _key(with_, "release_name")
    if name_key is not None:
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
    return _EXPRESSION.sub(lambda found: re.sub(r"\bgithub\.ref\b(?!_)", "github.ref_name", found[0]), name)


def _is_pushed_tag(tag: str) -> bool:
    return re.fullmatch(r"\s*\$\{\{\s*github\.ref(_name)?\s*\}\}\s*", tag) is not None


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


def _renamed_output(workflow: Workflow, step: Step, old: str, new: str) -> list[Parts]:
    ranges: dict[int, tuple[Node, list[tuple[int, int, str]]]] = {}
    for node, _, end in _uses_of_output(workflow, step, old):
        _, edits = ranges.setdefault(id(node), (node, []))
        edits.append((end - len(old), end, new))
    return [workflow.splice_scalar(node, edits) for node, edits in ranges.values()]


# -- assets -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
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
    cut = 0
    for found in re.finditer(rf"{_EXPRESSION.pattern}|/", path):
        if found[0] == "/":
            cut = found.end()
    return path[cut:]


def _asset(step: Step) -> Asset | Blocked:
    given = _with(step)
    if not given.get("asset_path") or not given.get("asset_name"):
        return Blocked("the upload names no file or no asset", "give it `asset_path` and `asset_name`")
    asset = Asset(given["asset_path"].strip(), given["asset_name"].strip())
    if re.search(r"[\[\]{}*?]", _EXPRESSION.sub("", asset.file)):
        return Blocked(f"{asset.file} would be read as a pattern of file names", "rename the file")
    return asset


def _naming_step(step: Step, assets: list[Asset]) -> dict[str, Any]:
    env: dict[str, str] = {}
    lines = ['mkdir -p "$RUNNER_TEMP/release-assets"']
    for number, asset in enumerate(assets, 1):
        suffix = f"_{number}" if len(assets) > 1 else ""
        env[f"ASSET_PATH{suffix}"], env[f"ASSET_NAME{suffix}"] = asset.path, asset.name
        lines.append(f'cp -- "$ASSET_PATH{suffix}" "$RUNNER_TEMP/release-assets/$ASSET_NAME{suffix}"')
    made: dict[str, Any] = {"name": "Name the release assets"}
    if "if" in step.data:
        made["if"] = step.data["if"]
    return made | {"shell": "bash", "env": env, "run": "".join(f"{line}\n" for line in lines)}


def _upload(workflow: Workflow, step: Step, catalog: Catalog, options: Options) -> Finding:
    assert step.uses is not None
    message = f"{step.uses.value} is archived, and its Node.js is gone from the runners"
    return Finding(workflow.path, step.uses.span, message, _upload_cure(workflow, step, catalog, options))


def _upload_cure(workflow: Workflow, step: Step, catalog: Catalog, options: Options) -> Fix | Blocked:
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
        return Fix.of("upload the asset with `gh release upload`", *parts)
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
    new = f"fromJSON(steps.{step.id}.outputs.assets)[0].browser_download_url"
    for node, start, end in _uses_of_output(workflow, step, "browser_download_url"):
        parts.append(workflow.splice_scalar(node, [(start, end, new)]))
    permission, todo = _permission(workflow, step)
    return Fix.of(
        f"upload the asset with {SUCCESSOR}",
        *parts,
        permission,
        effects=(f"{workflow.path}: {asset.file} is uploaded to the release of {found.tag}",),
        todo=todo,
    )


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


@dataclass(frozen=True)
class Target:
    """Which release an asset goes to, and what must be added elsewhere so that the tag can be named."""

    tag: str
    draft: str = ""
    parts: tuple[Parts, ...] = ()


def _tag_of(workflow: Workflow, step: Step, options: Options) -> Target | Blocked:
    url = _with(step).get("upload_url", "")
    if options.tag:
        return Target(options.tag)
    if _RELEASE_EVENT.fullmatch(url):
        return Target("${{ github.event.release.tag_name }}")
    here = _STEP_URL.fullmatch(url)
    if here:
        maker = next((other for other in workflow.steps if other.id == here[1] and other.job is step.job), None)
        target = _target(maker) if maker is not None else None
        if target is not None:
            return target
    there = _JOB_URL.fullmatch(url)
    job = workflow.jobs.get(there[1]) if there else None
    if there and job is not None:
        passed = job.data.get("outputs", {}).get(there[2], "")
        found = _STEP_URL.fullmatch(str(passed))
        maker = next((other for other in job.steps if found and other.id == found[1]), None)
        target = _target(maker) if maker is not None else None
        if target is not None:
            return _from_job(workflow, job, target)
    return Blocked(
        f"the release is known only by {url.strip() or 'an upload_url'}, and {SUCCESSOR} finds a release by its tag",
        "say which tag the release has",
        'rules.deprecated-release-action.tag = "${{ github.ref_name }}"',
    )


def _target(maker: Step) -> Target | None:
    """The tag of the step that makes the release, before or after it was migrated."""
    if not (_is(maker, CREATE) or _is(maker, SUCCESSOR)):
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
    inside = [found[3:-2].strip() for found in _EXPRESSION.findall(target.tag)]
    if all(_EVERYWHERE.match(expression) for expression in inside):
        return target
    outputs = job.node.get("outputs")
    if outputs is None or not outputs.is_mapping:
        return Blocked(f"job {job.id} has no outputs to pass the tag on", "pass it on as an output release_tag")
    tag = f"${{{{ needs.{job.id}.outputs.release_tag }}}}"
    if "release_tag" in outputs.value:
        return Target(tag, target.draft)
    return Target(tag, target.draft, (workflow.add_key(outputs, "release_tag", target.tag),))


# -- the style `gh` -----------------------------------------------------------------------------------------------


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
    words = ['gh release create "${TAG#refs/tags/}"', '--title "${TITLE/refs\\/tags\\//}"']
    if given.get("body_path"):
        env["NOTES_FILE"] = given["body_path"]
        words.append('--notes-file "$NOTES_FILE"')
    else:
        env["NOTES"] = given.get("body", "")
        words.append('--notes "$NOTES"')
    if not _is_pushed_tag(given["tag_name"]):
        env["COMMIT"] = given.get("commitish", "${{ github.sha }}")
        words.append('--target "$COMMIT"')
    for flag in ("draft", "prerelease"):
        value = given.get(flag, "false").strip().lower()
        if "${{" in value:
            env[flag.upper()] = given[flag]
            words.append(f'--{flag}="${{{flag.upper()}:-false}}"')
        elif value == "true":
            words.append(f"--{flag}")
    for number, asset in enumerate(assets, 1):
        name = f"ASSET_{number}" if len(assets) > 1 else "ASSET"
        env[name] = asset.file
        words.append(f'"${name}"')
    gone = [upload.at for upload in release.folded]
    read = [
        name
        for name in ("html_url", "upload_url", "id")
        if any(node.at[: len(step.at)] not in gone for node, _, _ in _uses_of_output(workflow, step, name))
    ]
    lines = [" \\\n  ".join(words)]
    if read:
        json = {"html_url": "url", "upload_url": "uploadUrl", "id": "databaseId"}
        for name in read:
            lines.append(f'value=$(gh release view "${{TAG#refs/tags/}}" --json {json[name]} --jq .{json[name]})')
            lines.append(f'echo "{name}=$value" >> "$GITHUB_OUTPUT"')
    return _rewritten(workflow, step, env, lines)


def _upload_as_gh(workflow: Workflow, step: Step, asset: Asset, tag: str) -> Parts:
    if _uses_of_output(workflow, step, "browser_download_url"):
        return Blocked("gh does not say the address of an asset, and a later step reads it", "use the style `action`")
    env = {
        "GH_TOKEN": _token(step) or "${{ github.token }}",
        "GH_REPO": "${{ github.repository }}",
        "TAG": tag,
        "ASSET": asset.file,
    }
    return _rewritten(workflow, step, env, ['gh release upload "${TAG#refs/tags/}" "$ASSET"'])


def _rewritten(workflow: Workflow, step: Step, env: dict[str, str], lines: list[str]) -> Parts:
    """The step with its name, id and condition, and a script where its action was."""
    own = step.node.get("env")
    gone = [key for key in ("uses", "with") if step.node.get(key) is not None]
    run = "".join(f"{line}\n" for line in lines) if len(lines) > 1 or "\n" in lines[0] else lines[0]
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


def _permission(workflow: Workflow, step: Step) -> tuple[Parts, tuple[str, ...]]:
    """`contents: write` for the job's own token, and what a person must see to."""
    if step.job is None or _token(step):
        return (), ()
    added, todo = _added_permission(workflow, step.job)
    if added and "workflow_call" in workflow.triggers:
        # GitHub starts no workflow that calls another one which asks for more than the calling job has.
        return (), (
            f"{workflow.path}: job {step.job.id} and the jobs that call it need `permissions: contents: write`",
        )
    return added, todo


def _added_permission(workflow: Workflow, job: Job) -> tuple[Parts, tuple[str, ...]]:
    """The permission where adding it takes nothing away that the job may need; else who must give it."""
    todo = f"{workflow.path}: job {job.id} needs `permissions: contents: write`, or the repository's setting for it"
    own = job.node.get("permissions")
    if own is not None and own.is_mapping:
        contents = own.get("contents")
        if contents is None:
            return workflow.add_key(own, "contents", "write"), ()
        return ((), ()) if contents.value == "write" else (workflow.set_scalar(contents, "write"), ())
    if own is not None:
        return (), () if own.value == "write-all" else (todo,)
    shared = workflow.root.get("permissions")
    if shared is not None:
        if shared.is_scalar:
            return (), () if shared.value == "write-all" else (todo,)
        if shared.get("contents") is not None and shared.value["contents"].value == "write":
            return (), ()
        return workflow.add_key(job.node, "permissions", {**shared.data, "contents": "write"}, before="steps"), ()
    if "steps" not in job.node.value or not all(_needs_no_more(other) for other in job.steps):
        return (), (todo,)
    return workflow.add_key(job.node, "permissions", {"contents": "write"}, before="steps"), ()


def _needs_no_more(step: Step) -> bool:
    if step.uses is not None and not _NEEDS_NO_MORE.match(step.uses.value):
        return False
    if _is(step, CREATE) or _is(step, UPLOAD) or _is(step, SUCCESSOR):
        return True
    return not any(_TOKEN.search(node.value) for node in step.node.scalars())


RULE = Rule(
    __name__,
    "A release is made by an archived action",
    check,
    audit=("D-010.4",),
    criterion="No release is made by an archived action",
    hours=(1, 1),
)
