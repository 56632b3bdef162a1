"""A front end is built without a limit on its size, or with a limit that cannot fail.

## Why
A bundle grows by one dependency at a time and nobody notices. A check that prints the size (`du -sh`), or that compares
`196M > 200M` with bc, which is not a comparison of numbers, passes for ever.

## What the check does
It takes the size in whole kilobytes, without the build's cache, says size and limit in the log and in the summary of
the job, and fails above the limit or where nothing was built. A limit that the step names already stays the limit.

## When it is left alone
Where size-limit, bundlesize, bundlewatch or a similar tool is a dependency of the front end, or is run; where a script
compares numbers and exits; repositories without a front end of a framework that is known (Next.js, Vite, Create React
App, Angular, Vue). Reported, not fixed: a build whose job deploys another folder than the one that it writes to.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Set
from itertools import pairwise

from fixer.github.workflow import Job, Step, Workflow
from fixer.github.workflows import Workflows, commands_of, folder_of, in_folder, path_within
from fixer.languages.shell import Command, Shell, in_quotes, path_word
from fixer.model import Blocked, Finding, Fix, Level, Profile, Rule, RuleOptions, Tier, option
from fixer.project.frontend import NAMES_OUTPUT, FrontEnd, FrontEnds
from fixer.scripts import ScriptText

LIMITERS = re.compile(
    r"size-limit|bundlesize|bundlewatch|bundlemon|next-bundle-analysis|compressed-size-action|\blhci\b"
)
BUILDS = frozenset({"build", "build:prod", "build:production", "build:ci"})
OUTPUTS = frozenset({".next", "dist", "build", "out", ".output"})
FOLDER_INPUTS = {
    "actions/upload-pages-artifact": "path",
    "cloudflare/pages-action": "directory",
    "jamesives/github-pages-deploy-action": "folder",
    "nwtgck/actions-netlify": "publish-dir",
    "peaceiris/actions-gh-pages": "publish_dir",
}
"""Actions that put a folder where browsers load it, and the input that names the folder."""
KILOBYTES_PER_MEGABYTE = 1024
# A size with its unit, as in `"$SIZE > 100M"`, `MAX=1.5GB`.
SIZE = re.compile(r"(?<![\w.$-])(\d+(?:\.\d+)?) ?([KMG])(?:i?B)?\b", re.IGNORECASE)
UNITS = {"K": 1 / 1024, "M": 1, "G": 1024}


class Options(RuleOptions):
    limit_mb: int = option(200, "Megabytes that the output of the build may have.")


def check(workflows: Workflows, frontends: FrontEnds, options: Options) -> Iterator[Finding]:
    outputs = _outputs(frontends)
    broken: list[tuple[Workflow, Step, Command]] = []
    for workflow in workflows.documents:
        if LIMITERS.search(workflow.source.text):
            return
        for step in workflow.steps:
            measured = _measures(step, outputs)
            if measured is not None and _can_fail(step, measured):
                return
            if measured is not None:
                broken.append((workflow, step, measured))
    for workflow, step, command in broken:
        folder = folder_of(command, step)
        frontend = frontends.of(folder) if folder is not None else None
        if frontend is not None and frontend.limiter:
            continue
        yield Finding(
            workflow.path,
            (step.run or step.node).span,
            "the size of the bundle is measured, and no size fails the job",
            _repair(workflow, step, command, frontends, options),
            Level.WARNING,  # somebody counts on it
        )
    if not broken:
        yield from _added(workflows, frontends, options)


def _added(workflows: Workflows, frontends: FrontEnds, options: Options) -> Iterator[Finding]:
    for workflow in sorted(workflows.documents, key=lambda each: each is not workflows.integration):
        if not {"pull_request", "push"} & set(workflow.triggers):
            continue
        for step in workflow.steps:
            command = _builds(step)
            folder = folder_of(command, step) if command is not None else None
            frontend = next((each for each in frontends.applications if each.folder == folder), None)
            if command is None or frontend is None or frontend.limiter or step.run is None:
                continue
            elsewhere = _measured_elsewhere(workflow, step, frontend)
            if elsewhere is not None:
                yield elsewhere
                return
            yield Finding(
                workflow.path,
                step.run.span,
                f"the front end in {frontend.folder or 'the repository'} is built without a limit on its size",
                _insert(workflow, step, command, frontend, options),
            )
            return


def _measured_elsewhere(workflow: Workflow, build: Step, frontend: FrontEnd) -> Finding | None:
    """A step that counts the bytes of a folder into which this build does not write: it finds nothing, and passes."""
    if not frontend.output or build.job is None:
        return None
    for step in build.job.steps:
        commands = commands_of(step)
        if step.run is None or not any(command.name in ("wc", "stat") for command in commands):
            continue
        for word in (word.text for command in commands for word in command.args):
            path = word.partition("*")[0].rstrip("/")
            parts = set(path.split("/"))
            if "$" not in path and parts & OUTPUTS and posixpath.basename(frontend.output) not in parts:
                reason = f"the step measures {path}, and {frontend.framework} writes to {frontend.output}"
                said = Blocked(reason, f"measure {frontend.output}, and fail where it is empty")
                message = f"the size of {path} is measured, where the build writes nothing: the limit cannot fail"
                return Finding(workflow.path, step.run.span, message, said, Level.WARNING)
    return None


def _insert(workflow: Workflow, step: Step, command: Command, frontend: FrontEnd, options: Options) -> Fix | Blocked:
    parent = workflow.node(step.at[:-1])
    if parent is None or not parent.is_sequence or not isinstance(step.at[-1], int) or parent.target is not None:
        return Blocked("the build step stands in a list that fhfix does not know", "add the check by hand")
    if step.node.get("if") is not None:
        return Blocked("the build step runs under a condition", "add the check by hand")
    if step.node.get("continue-on-error") is not None:
        return Blocked("the build step is allowed to fail (continue-on-error)", "remove that, or ignore this finding")
    job = step.job
    if job is not None and (
        job.runs_on.may_be("windows") or job.runs_on.may_be("macos") or Shell.named(job.default("shell")) is None
    ):
        return Blocked(f"job {job.id} does not only run on Linux with bash", "add the check by hand, to another job")
    if frontend.problem or command.value(*NAMES_OUTPUT) is not None:
        reason = frontend.problem or f"`{command.source}` names another folder of output"
        return Blocked(reason, "add the check by hand")
    if job is not None and (another := _deployed_instead(job, frontend)):
        return Blocked(
            f"job {job.id} deploys {another}, and {frontend.framework} writes to {frontend.output}",
            f"measure {another} by hand, behind the step that makes it",
        )
    script = _script(frontend.output, frontend.excluded, options.limit_mb)
    if isinstance(script, Blocked):
        return script
    keys = in_folder(frontend.folder, script, step)
    if isinstance(keys, Blocked):
        return keys
    new = {**workflow.step_name("Check bundle size"), **keys}
    return Fix.of(
        "limit the size of the bundle",
        workflow.insert_item(parent, step.at[-1] + 1, new),
        tier=Tier.REVIEW,
        effects=(f"{_place(step)}: more than {options.limit_mb} MB in {frontend.output} now fails the job",),
    )


def _deployed_instead(job: Job, frontend: FrontEnd) -> str:
    """The folder that a job deploys, where it names some, and none has to do with what the build writes; else ''."""
    output = posixpath.normpath(posixpath.join(frontend.folder, frontend.output))
    found = [path for step in job.steps for path in _deployed(step)]
    related = any(_is_within(output, path) or _is_within(path, output) for path in found)
    return found[0] if found and not related else ""


def _is_within(path: str, folder: str) -> bool:
    return not folder or f"{path}/".startswith(f"{folder}/")


def _deployed(step: Step) -> Iterator[str]:
    """The folders, from the top of the repository, that a step puts where browsers load them, as far as it says."""
    folder_input = FOLDER_INPUTS.get(step.action.lower())
    if folder_input is not None and (given := path_within("", step.inputs.get(folder_input) or "$")) is not None:
        yield given
    for command in commands_of(step):
        folder = folder_of(command, step)
        named = _named_for_deployment(command)
        path = path_within(folder, named) if folder is not None and named else None
        if path is not None:
            yield path


def _named_for_deployment(command: Command) -> str:
    """The folder that a command line is told to deploy; empty where it names none, or deploys nothing."""
    words = [word.text for word in command.words]
    if ("netlify", "deploy") in pairwise(words):
        given = command.value("--dir", "-d")
        return given.text if given is not None else ""
    at = next((at for at, pair in enumerate(pairwise(words)) if pair in (("wrangler", "pages"), ("aws", "s3"))), -1)
    verb, *named = (*words[at + 2 : at + 4], "") if at >= 0 else ("",)
    is_named = verb in ("deploy", "publish", "sync") and named and not named[0].startswith(("-", "s3:"))
    return named[0] if is_named else ""


def _repair(workflow: Workflow, step: Step, command: Command, frontends: FrontEnds, options: Options) -> Fix | Blocked:
    assert step.run is not None
    others = [
        each.source
        for each in commands_of(step)
        if each.name
        not in ("cd", "du", "cut", "awk", "echo", "printf", "bc", "test", "[", "[[", "exit", "sort", "head", "tail")
    ]
    if others:
        return Blocked(f"the step does more than measuring: {others[0]}", "split it, then run fhfix again")
    output = _output(command, _outputs(frontends))
    if step.node.get("continue-on-error") is not None:
        return Blocked("the step is allowed to fail (continue-on-error)", "remove that, or ignore this finding")
    folder = folder_of(command, step)
    frontend = frontends.of(folder) if folder is not None else None
    excluded = frontend.excluded if frontend is not None else ("cache" if output.endswith(".next") else "")
    cut = command.script.part
    folders = [
        cut(each.start, each.end) for each in commands_of(step) if each.name == "cd" and each.start < command.start
    ]
    limit = _own_limit(step, options.limit_mb)
    if isinstance(limit, Blocked):
        return limit
    check_size = _script(output, excluded, limit)
    if isinstance(check_size, Blocked):
        return check_size
    script = ScriptText.lines(folders) + check_size
    return Fix.of(
        "make the size limit fail the job",
        workflow.splice_scalar(step.run, [(0, len(step.run.value), script)]),
        tier=Tier.REVIEW,
        effects=(f"{_place(step)}: more than {limit:g} MB in {output} now fails the job",),
    )


def _own_limit(step: Step, default: int) -> float | Blocked:
    """The limit in megabytes that a step compares with, or gives to a variable; the default where it names none."""
    assert step.run is not None
    found = dict.fromkeys(
        float(size[1]) * UNITS[size[2].upper()]
        for line in step.run.value.splitlines()
        if not line.lstrip().startswith("#")
        for size in SIZE.finditer(line)
    )
    if len(found) > 1:
        return Blocked("the step names several sizes", "leave the one that is the limit, then run fhfix again")
    return next(iter(found), float(default))


CHECK = ScriptText.of("""\
limit_kb=@kilobytes@  # @megabytes@ MB
if [ ! -d @folder@ ]; then
  echo "::error::@said@ is missing: nothing was built"
  exit 1
fi
size_kb=$(du -sk@exclude@ @folder@ | cut -f1)
echo "Bundle size: ${size_kb} kB in @said@, limit ${limit_kb} kB" | tee -a "$GITHUB_STEP_SUMMARY"
if [ "$size_kb" -gt "$limit_kb" ]; then
  echo "::error::@said@ is ${size_kb} kB, more than the limit of ${limit_kb} kB"
  exit 1
fi
""")


def _script(output: str, excluded: str, megabytes: float) -> ScriptText | Blocked:
    folder, said, aside = path_word(output), in_quotes(output), path_word(excluded)
    if isinstance(folder, Blocked) or isinstance(said, Blocked) or isinstance(aside, Blocked):
        return Blocked(f"{output!r} cannot be written into a script", "give that folder another name")
    exclude = ScriptText.of(" --exclude=@name@", name=aside) if excluded else ScriptText.of("")
    return CHECK.filled(
        kilobytes=round(megabytes * KILOBYTES_PER_MEGABYTE),
        megabytes=megabytes,
        folder=folder,
        said=said,
        exclude=exclude,
    )


def _place(step: Step) -> str:
    where = f"jobs.{step.job.id}" if step.job is not None else "steps"
    return f"{where}, {step.name}" if step.name else where


def _measures(step: Step, outputs: Set[str]) -> Command | None:
    """The command of a step that measures the output of a build with du."""
    return next((command for command in commands_of(step) if command.name == "du" and _output(command, outputs)), None)


def _outputs(frontends: FrontEnds) -> Set[str]:
    """The names of folders that builds write to."""
    return OUTPUTS | {posixpath.basename(each.output) for each in frontends.applications if each.output}


def _output(command: Command, outputs: Set[str]) -> str:
    for word in command.args:
        path = posixpath.normpath(word.text)
        if not word.text.startswith("-") and word.literal and outputs & set(path.split("/")):
            return path
    return ""


def _can_fail(step: Step, command: Command) -> bool:
    """Whether some size fails the step: it exits, and compares numbers without a unit."""
    assert step.run is not None
    commands = commands_of(step)
    exits = any(each.name in ("exit", "false") for each in commands)
    human = any(re.match(r"-[a-zA-Z]*h", word.text) for word in command.args) or command.has("--human-readable")
    compares = re.search(r"-(gt|ge|lt|le)\b|\(\([^)]*[<>]", step.run.value) is not None
    through_bc = any(each.name == "bc" for each in commands)
    return exits and (compares or through_bc) and not human


def _builds(step: Step) -> Command | None:
    """The command of a step that builds a front end."""
    for command in commands_of(step):
        words = [word.text for word in command.args]
        scripts = [word for word in words if not word.startswith("-") and word != "run"]
        tool = command.name in ("npm", "yarn", "pnpm", "bun") and scripts[:1] and scripts[0] in BUILDS
        direct = command.name in ("next", "vite", "ng", "react-scripts") and words[:1] == ["build"]
        if tool or direct:
            return command
    return None


def _builds_front_ends(workflow: Workflow) -> bool:
    return any(_builds(step) is not None for step in workflow.steps)


RULE = Rule(
    __name__,
    "A front end may grow without limit",
    check,
    audit=("D-009.7",),
    criterion="No job builds the front end without a size limit that can fail it",
    hours=(1, 1),
    level=Level.NOTE,
    profile=Profile.AUDIT,
    applies=_builds_front_ends,
)
