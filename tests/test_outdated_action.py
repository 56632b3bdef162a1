"""What fixtures cannot show of outdated-action: reasons, tiers, messages that arrive the same, and the corpus."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixer.engine import plan
from fixer.github.action_ref import ActionRef
from fixer.github.catalog import Action, Catalog
from fixer.github.workflow import Step, Workflow
from fixer.model import Blocked, Fix, Plan, Source, Tier
from fixer.registry import all_rules
from fixer.repository import Repository
from tests.corpus.trees import corpus, repositories
from tests.fixture_cases import CASES, planned, write
from transforms.ci.outdated_action.slack import slack_message

RULE = next(rule for rule in all_rules() if rule.id == "outdated-action")
CATALOG = Catalog.load()
SAMPLE = 60
"""Repositories of the corpus that an ordinary test run looks at."""

WORKFLOW = """\
name: CI
on: push
jobs:
  test:
    runs-on: {runner}
    steps:
      - uses: {uses}
"""


def made(tmp_path: Path, uses: str, *, runner: str = "ubuntu-latest", config: str = "") -> Plan:
    text = WORKFLOW.format(uses=uses, runner=runner)
    return planned(tmp_path, {".github/workflows/ci.yml": text.encode()}, [RULE], config)


def the_fix(found: Plan) -> Fix:
    assert [type(reported.finding.cure) for reported in found.taken] == [Fix]
    cure = found.taken[0].finding.cure
    assert isinstance(cure, Fix)
    return cure


def the_block(found: Plan) -> Blocked:
    assert found.taken == ()
    assert [type(reported.finding.cure) for reported in found.left] == [Blocked]
    cure = found.left[0].finding.cure
    assert isinstance(cure, Blocked)
    return cure


# -- what is said -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uses", "reason"),
    [
        (
            "actions/checkout@v3",
            "runs on Node 16, which GitHub's runners no longer have; v5 is the nearest that is supported",
        ),
        ("actions/upload-artifact@v3", "was switched off and fails; v6 is the nearest that is supported"),
        ("step-security/harden-runner@v2.4.0", "has a known vulnerability (GHSA-"),
        ("astral-sh/setup-uv@v9", "names a tag that does not exist; v9.0.0 is the nearest that is supported"),
        ("aquasecurity/trivy-action@master", "follows a branch, whose code can change at any time"),
        ("azure/docker-login@v1", "is unmaintained; docker/login-action takes its place"),
    ],
)
def test_the_finding_says_what_is_wrong_and_what_was_chosen(uses: str, reason: str, tmp_path: Path) -> None:
    found = made(tmp_path, uses)
    (message,) = (reported.finding.message for reported in (*found.taken, *found.left))

    assert reason in message


def test_the_projects_own_choice_is_named(tmp_path: Path) -> None:
    config = '[rules.outdated-action.majors]\n"actions/checkout" = "v6"\n'
    found = made(tmp_path, "actions/checkout@v5", config=config)

    assert "rules.outdated-action.majors sets v6" in found.taken[0].finding.message


@pytest.mark.parametrize("value", ["v999", "latest"])
def test_a_choice_that_the_catalog_does_not_know_is_said(value: str, tmp_path: Path) -> None:
    config = f'[rules.outdated-action.majors]\n"actions/checkout" = "{value}"\n'

    assert (
        f"sets {value}, which the catalog does not know"
        in the_block(made(tmp_path, "actions/checkout@v3", config=config)).reason
    )


def test_a_bump_of_the_runtime_alone_is_safe(tmp_path: Path) -> None:
    assert the_fix(made(tmp_path, "actions/checkout@v4")).tier is Tier.SAFE


@pytest.mark.parametrize("runner", ["self-hosted", "[self-hosted, linux]", "{group: big}"])
def test_a_self_hosted_runner_is_for_review(runner: str, tmp_path: Path) -> None:
    fix = the_fix(made(tmp_path, "actions/checkout@v4", runner=runner))

    assert fix.tier is Tier.REVIEW
    assert "v2.327.1" in fix.todo[0]


def test_a_download_of_what_is_uploaded_elsewhere_is_for_review(tmp_path: Path) -> None:
    fix = the_fix(made(tmp_path, "actions/download-artifact@v4"))

    assert fix.tier is Tier.REVIEW
    assert "only artifact straight into path" in fix.todo[0]


def test_the_catalog_is_not_offered_for_a_reusable_workflow(tmp_path: Path) -> None:
    called = "on: push\njobs:\n  test:\n    uses: example/shared/.github/workflows/test.yml@main\n"
    block = the_block(planned(tmp_path, {".github/workflows/ci.yml": called.encode()}, [RULE]))

    assert block.next_step == "pin it to a release or a commit"


@pytest.mark.parametrize("address", ["https://github.com/My-Org/app.git", "git@github.com:my-org/app"])
def test_a_branch_of_the_same_owner_is_trusted_like_the_repository(address: str, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", address], check=True)

    assert made(tmp_path, "My-org/actions/deploy@main").left == ()
    assert "not in the catalog" in the_block(made(tmp_path, "other-org/actions/deploy@main")).reason


@pytest.mark.parametrize(
    ("file", "module", "tier"),
    [
        ("go.mod", "go 1.23\n\ntoolchain go1.24.1\n", Tier.REVIEW),
        ("go.mod", "go 1.23\n", Tier.SAFE),
        (".go-version", "go 1.23\n\ntoolchain go1.24.1\n", Tier.SAFE),
    ],
)
def test_the_toolchain_of_go_is_spoken_of_where_there_is_one(
    file: str, module: str, tier: Tier, tmp_path: Path
) -> None:
    step = f"actions/setup-go@v5\n        with:\n          go-version-file: {file}"
    files = {".github/workflows/ci.yml": WORKFLOW.format(uses=step, runner="ubuntu-latest"), "go.mod": module}

    cure = the_fix(planned(tmp_path, {path: text.encode() for path, text in files.items()}, [RULE]))

    assert cure.tier is tier
    assert bool(cure.todo) is (tier is Tier.REVIEW)


@pytest.mark.parametrize(
    ("uses", "released"),
    [("jakejarvis/s3-sync-action@master", "v0.5.1"), ("appleboy/ssh-action@master", "v1.2.5")],
)
def test_a_branch_that_is_ahead_of_its_newest_release_is_for_review(tmp_path: Path, uses: str, released: str) -> None:
    fix = the_fix(made(tmp_path, uses))

    name, _, branch = uses.partition("@")
    assert fix.tier is Tier.REVIEW
    assert fix.todo == (f"see what {branch} of {name} has that {released} has not",)


def test_what_has_no_release_is_to_be_pinned_by_hand(tmp_path: Path) -> None:
    block = the_block(made(tmp_path, "cloud-gov/cg-cli-tools@main"))

    assert block.reason.startswith("the catalog knows no release of cloud-gov/cg-cli-tools")
    assert block.next_step == "pin it to a commit"


def test_an_action_is_named_as_it_is_called_now_and_that_is_for_review(tmp_path: Path) -> None:
    found = made(tmp_path, "nick-invision/retry@v2")

    assert the_fix(found).tier is Tier.REVIEW
    assert found.taken[0].finding.message.endswith("its name is nick-fields/retry now")
    assert "uses: nick-fields/retry@v4" in next(iter(found.files.values())).after.text


def test_a_branch_that_is_not_the_default_is_blocked_with_the_line_that_decides(tmp_path: Path) -> None:
    block = the_block(made(tmp_path, "actions/download-artifact@master"))

    assert block.config == 'rules.outdated-action.majors."actions/download-artifact@master" = "v8"'
    assert the_fix(made(tmp_path, "actions/download-artifact@master", config=block.config))


def test_a_line_for_one_reference_moves_no_other(tmp_path: Path) -> None:
    two = "actions/checkout@master\n      - uses: actions/checkout@v5"
    found = made(tmp_path, two, config='rules.outdated-action.majors."actions/checkout@master" = "v7"')

    assert [reported.finding.message.split()[0] for reported in found.taken] == ["actions/checkout@master"]


@pytest.mark.parametrize(
    ("uses", "new"),
    [
        ("actions/checkout@refs/tags/v3", "actions/checkout@v5"),
        ("actions/checkout@refs/heads/main", "actions/checkout@v7"),
        (
            f"actions/checkout@{'f43a0e5ff2bd294095638e18286ca9a3d1956744'} # actions/checkout@v3.6.0",
            "# actions/checkout@v5.",
        ),
    ],
)
def test_references_in_their_long_form(uses: str, new: str, tmp_path: Path) -> None:
    found = made(tmp_path, uses)

    assert new in found.files[".github/workflows/ci.yml"].after.text


def test_saving_always_is_said_to_do_nothing(tmp_path: Path) -> None:
    step = "actions/cache@v4\n        with: { path: x, key: y, save-always: true }"

    assert "actions/cache/save with if: always()" in the_fix(made(tmp_path, step)).todo[0]


def test_an_action_without_a_known_successor_is_blocked_and_says_what_is_known(tmp_path: Path) -> None:
    block = the_block(made(tmp_path, "docker/bake-action/subaction/list-targets@v6"))

    assert "v7.3.0 exists, but its inputs are not known" in block.reason


def test_an_action_is_judged_with_what_it_calls(tmp_path: Path) -> None:
    found = made(tmp_path, "pre-commit/action@v3.0.1")

    assert "calls actions/cache@v4, which runs on Node 20" in found.left[0].finding.message


def test_what_nobody_has_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Action, "read_to", 1)

    fix = the_fix(made(tmp_path, "denoland/setup-deno@v1"))

    assert (fix.tier, len(fix.todo)) == (Tier.REVIEW, 1)
    assert "release notes of denoland/setup-deno" in fix.todo[0]


def test_a_locked_action_is_blocked_with_the_line_that_decides(tmp_path: Path) -> None:
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    (tmp_path / ".github" / "workflows" / "actions.lock").write_text("- 'Actions/Checkout@v4'\n")

    block = the_block(made(tmp_path, "actions/checkout@v4"))

    assert block.config == "rules.outdated-action.relock = true"
    assert "run `gh actions-lock`" in the_fix(made(tmp_path, "actions/checkout@v4", config=block.config)).todo


@pytest.mark.parametrize(
    "uses",
    [
        "actions/checkout@v6",
        "actions/checkout@v5.1.0",
        "actions/checkout@fbc6f3992d24b796d5a048ff273f7fcc4a7b6c09 # v3.0.0",
        "actions/checkout@v99.0.0",
        "actions/cache@v6",  # newer than what the catalog has read
        "actions/configure-pages@v6",  # of which only v6.0.0 was seen, and that after the tags were read
        "actions/create-release@v1",
        "nobody/knows@v1",
        "docker://alpine:3",
        "./local",
    ],
)
def test_nothing_is_said_of_what_is_right_newer_or_not_known(uses: str, tmp_path: Path) -> None:
    found = made(tmp_path, uses)

    assert (found.taken, found.left) == ((), ())


@pytest.mark.parametrize("uses", ["actions/checkout@v6", "actions/checkout@v7.0.0", "github/codeql-action/init@v4"])
@pytest.mark.parametrize("policy", ["supported", "audit"])
def test_there_is_no_step_back(uses: str, policy: str, tmp_path: Path) -> None:
    assert made(tmp_path, uses, config=f'rules.outdated-action.policy = "{policy}"\n').files == {}


# -- Slack --------------------------------------------------------------------------------------------------------

AROUND = {
    "github.server_url": "https://github.example",
    "github.repository": "acme/shop",
    "github.sha": "0123456789abcdef0123456789abcdef01234567",
    "github.actor": 'it\'s [me]: "x" # y',
    "github.ref_name": "feature/{a}",
}


def evaluated(text: str, status: str) -> str:
    """The expressions of a payload, as the runner replaces them before the action reads it."""

    def value(found: re.Match[str]) -> str:
        for part in found[1].split(" || "):
            condition, _, chosen = part.rpartition(" && ")
            if not condition or condition == f"job.status == '{status}'":
                return chosen[1:-1] if chosen.startswith("'") else {**AROUND, "job.status": status}[chosen]
        raise AssertionError(found[0])

    return re.sub(r"\$\{\{ (.+?) \}\}", value, text)


def sent_by_action_slack(inputs: dict[str, str], status: str) -> dict[str, Any]:
    """What action-slack v3 makes of its inputs (src/client.ts, src/fields.ts), but for the length of the commit."""
    default = {
        "success": ":white_check_mark: Succeeded GitHub Actions",
        "failure": ":no_entry: Failed GitHub Actions",
        "cancelled": ":warning: Cancelled GitHub Actions",
    }
    url = f"{AROUND['github.server_url']}/{AROUND['github.repository']}"
    fields = {
        "repo": f"<{url}|{AROUND['github.repository']}>",
        "commit": f"<{url}/commit/{AROUND['github.sha']}|{AROUND['github.sha']}>",
    }
    wanted = [name for name in fields if name in inputs.get("fields", "repo,commit").split(",")]
    return {
        "text": evaluated(inputs.get("text", ""), status).strip() or default[status],
        **({"channel": inputs["channel"]} if "channel" in inputs else {}),
        "attachments": [
            {
                "color": {"success": "good", "failure": "danger", "cancelled": "warning"}[status],
                "fields": [{"title": name, "value": fields[name], "short": True} for name in wanted],
            }
        ],
    }


@pytest.mark.parametrize("status", ["success", "failure", "cancelled"])
@pytest.mark.parametrize(
    "inputs",
    [
        {"status": "${{ job.status }}"},
        {"status": "${{ job.status }}", "text": "Build ${{ job.status }}\n\n*by* ${{ github.actor }}: done\n"},
        {"status": "${{ job.status }}", "text": "- ${{ github.ref_name }} \"a\" 'b' \\ {c} # d\n  indented"},
        {"status": "${{ job.status }}", "fields": "commit", "channel": "#all"},
    ],
)
def test_the_same_message_arrives(inputs: dict[str, str], status: str) -> None:
    message = slack_message(inputs, {"SLACK_WEBHOOK_URL": "${{ secrets.HOOK }}"}, {})

    assert not isinstance(message, Blocked)
    assert message.inputs["webhook"] == "${{ secrets.HOOK }}"
    assert yaml.safe_load(evaluated(message.inputs["payload"], status)) == sent_by_action_slack(inputs, status)


@pytest.mark.parametrize(
    ("inputs", "env"),
    [
        ({"status": "success"}, {}),
        ({"status": "error", "text": "x"}, {"SLACK_WEBHOOK_URL": "x"}),
        ({"status": "success", "text": "${{ github.event.head_commit.message }}"}, {"SLACK_WEBHOOK_URL": "x"}),
        ({"status": "success", "mention": "here"}, {"SLACK_WEBHOOK_URL": "x"}),
        ({"status": "success", "fields": "took"}, {"SLACK_WEBHOOK_URL": "x"}),
        ({"status": "success", "username": "${{ vars.NAME }}"}, {"SLACK_WEBHOOK_URL": "x"}),
    ],
)
def test_a_message_that_cannot_be_the_same_is_blocked(inputs: dict[str, str], env: dict[str, str]) -> None:
    assert isinstance(slack_message(inputs, env, {}), Blocked)


# -- real repositories --------------------------------------------------------------------------------------------


def by_address(source: Source) -> dict[Any, Step]:
    return {step.at: step for step in Workflow.parse(source).steps if step.uses is not None}


def wrong_inputs(before: Step, after: Step) -> str:
    """What is not right with a step whose action changed; empty where all is well."""
    assert before.uses is not None
    assert after.uses is not None
    old, new = ActionRef.parse(before.uses.value), ActionRef.parse(after.uses.value)
    if old == new:
        return ""
    old_action, new_action = CATALOG.of(old), CATALOG.of(new)
    assert old_action is not None
    assert new_action is not None
    version, target = old_action.resolve(old), new_action.resolve(new)
    assert target is not None
    if old_action is new_action and version is not None and target < version:
        return f"{old} went back to {new}"
    known = old_action.majors.get(version[0]) if version else None
    given, stood = set(after.data.get("with") or {}), set(before.data.get("with") or {})
    valid = known.inputs_at(version) if known and version else stood
    major = new_action.majors[target[0]]
    wrong = {name for name in given - major.inputs_at() if name in valid or name not in stood}
    missing = major.required - given
    if known is not None and missing <= known.required - stood:
        missing = frozenset()
    return f"{old} to {new}: not an input: {wrong}, missing: {set(missing)}" if wrong or missing else ""


def test_after_the_fix_no_step_gives_an_input_that_its_action_does_not_have_or_lacks_one(tmp_path: Path) -> None:
    folder = corpus()
    roots = repositories(folder)[:: max(1, len(repositories(folder)) // SAMPLE)] if folder else []
    for case in CASES:
        if case.rule_id == RULE.id:
            write(tmp_path / case.folder.name, case.before)
            roots.append(tmp_path / case.folder.name)
    problems: list[str] = []
    changed = 0

    for root in roots:
        for path, change in plan(Repository(root), [RULE]).files.items():
            assert change.before is not None
            before, after = by_address(change.before), by_address(change.after)
            assert list(before) == list(after)
            found = [wrong_inputs(before[at], after[at]) for at in after]
            problems += [f"{root.name}/{path}: {problem}" for problem in found if problem]
            changed += 1

    assert problems == []
    assert changed > 20
