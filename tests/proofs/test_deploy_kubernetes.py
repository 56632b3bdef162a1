"""Rolling back on Kubernetes and Helm: the scripts run by bash against small stand-ins for kubectl and helm.

No cluster can be had here. The stand-ins keep the state that the scripts read and change (replica sets with their
revisions and ready pods, the history of a release) and fail as the programs do; they prove the scripts, and not what
Kubernetes does.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixer.registry import all_rules
from tests.fixture_cases import FIXTURES, files, planned
from tests.proofs.runner import Runner, WorkflowRun, does_nothing

pytestmark = pytest.mark.needs("node", "github-parser", "jq")

KUBECTL = """\
#!/usr/bin/env python3
import fcntl, json, os, sys

words = sys.argv[1:]
given = sys.stdin.read() if words[0] == "create" else ""
# The members of a pipeline run side by side: one at a time reads and writes.
file = open(os.environ["CLUSTER_STATE"], "r+")
fcntl.flock(file, fcntl.LOCK_EX)
state = json.load(file)
state["calls"].append(" ".join(words))
code = 0
if words[:2] == ["get", "deployment/web"]:
    print(json.dumps(state["deployment"]))
elif words[0] == "create":
    state["job"] = json.loads(given)
elif words[:2] == ["get", "job"]:
    state["asked"] = state.get("asked", 0) + 1
    print(state["ends"] if state["asked"] > 2 else "/", end="")
elif words[0] == "logs":
    print("relation already exists")
elif words[:2] == ["get", "replicasets"]:
    for one in state["sets"]:
        print(one["owner"], one["revision"], one["ready"] or "<none>")
elif words[:2] == ["set", "image"]:
    new = max(one["revision"] for one in state["sets"] if one["owner"] == "web") + 1
    state["sets"].append({"owner": "web", "revision": new, "ready": state["new_ready"]})
    state["current"] = new
elif words[:2] == ["rollout", "undo"]:
    older = [one["revision"] for one in state["sets"] if one["owner"] == "web" and one["revision"] < state["current"]]
    given = next((word for word in words if word.startswith("--to-revision=")), f"={max(older, default=0)}")
    wanted = int(given.partition("=")[2])
    if wanted not in [one["revision"] for one in state["sets"] if one["owner"] == "web"]:
        code = 1
    else:
        state["current"] = wanted
elif words[:2] == ["rollout", "status"]:
    code = 0 if any(one["ready"] for one in state["sets"] if one["revision"] == state["current"]) else 1
file.seek(0)
file.truncate()
json.dump(state, file)
file.close()
sys.exit(code)
"""
HELM = """\
#!/usr/bin/env python3
import json, os, sys

path, words = os.environ["CLUSTER_STATE"], sys.argv[1:]
state = json.load(open(path))
if words[0] == "history":
    if not state["history"]:
        sys.exit("Error: release: not found")
    print(json.dumps(state["history"]))
elif words[0] == "upgrade":
    for one in state["history"]:
        one["status"] = "superseded"
    state["history"].append({"revision": len(state["history"]) + 1, "status": state["upgrade"]})
    if state["upgrade"] != "deployed" and "--atomic" in words:
        state["back_on"] = "the release before"
    json.dump(state, open(path, "w"))
    sys.exit(0 if state["upgrade"] == "deployed" else 1)
elif words[0] == "rollback":
    state["back_on"] = words[2]
json.dump(state, open(path, "w"))
"""


@pytest.fixture(params=["action", "inline"])
def run(request: pytest.FixtureRequest) -> Callable[..., WorkflowRun]:
    """Runs what a rule makes of a fixture, in either style."""

    def in_style(
        case: str,
        workflow: str,
        state: dict[str, Any],
        folder: Path,
        *,
        healthy: bool = True,
        rule: str = "missing-rollback",
        style: str = "",
    ) -> WorkflowRun:
        programs = folder / "bin"
        programs.mkdir()
        curl = f"#!/bin/sh\nexit {0 if healthy else 22}\n"
        for name, text in {
            "kubectl": KUBECTL,
            "helm": HELM,
            "curl": curl,
            "make": "#!/bin/sh\n",
            "sleep": "#!/bin/sh\n",
        }.items():
            (programs / name).write_text(text)
            (programs / name).chmod((programs / name).stat().st_mode | stat.S_IXUSR)
        file = folder / "state.json"
        file.write_text(json.dumps(state))
        chosen = [each for each in all_rules() if each.id == rule]
        config = f'rules.{rule}.style = "{style or request.param}"\n'
        made = planned(folder / "repository", files(FIXTURES / rule / case / "before"), chosen, config)
        after = {path: change.after.to_bytes() for path, change in made.files.items()}
        shared = any(path.startswith(".github/actions/") for path in after)
        assert shared is ((style or request.param) == "action")
        actions = ("actions/checkout", "azure/login", "azure/aks-set-context")
        plays = dict.fromkeys(actions, does_nothing)
        options: dict[str, Any] = {"inputs": {"version": "2"}, "env": {"CLUSTER_STATE": str(file)}, "path": [programs]}
        text = after[workflow].decode()
        found = Runner(text, plays=plays, secrets={"AZURE_CREDENTIALS": "hidden"}, files=after, **options).run()
        state.update(json.loads(file.read_text()))
        return found

    return in_style


Run = Callable[..., WorkflowRun]


def deployment(*ready: int, new_ready: int = 2) -> dict[str, Any]:
    """Revisions 1, 2, … of `web` with so many ready pods each, beside another deployment."""
    sets = [{"owner": "web", "revision": number, "ready": count} for number, count in enumerate(ready, 1)]
    other = {"owner": "worker", "revision": 9, "ready": 3}
    return {"sets": [other, *sets], "current": len(ready), "new_ready": new_ready, "calls": []}


KUBERNETES = ("kubernetes", ".github/workflows/deploy.yml")


def test_an_unhealthy_deployment_goes_back_to_the_revision_that_ran(run: Run, tmp_path: Path) -> None:
    state = deployment(0, 2)
    found = run(*KUBERNETES, state, tmp_path, healthy=False)
    assert found.jobs["deploy"].outputs == {"previous_revision": "2"}
    assert state["current"] == 2
    assert found.result == "failure"


def test_a_healthy_deployment_stays(run: Run, tmp_path: Path) -> None:
    state = deployment(0, 2)
    found = run(*KUBERNETES, state, tmp_path)
    assert (found.result, state["current"]) == ("success", 3)
    assert found.jobs["rollback"].result == "skipped"


def test_a_rollout_that_failed_before_is_not_what_it_goes_back_to(run: Run, tmp_path: Path) -> None:
    state = deployment(0, 2, 0, new_ready=0)
    found = run(*KUBERNETES, state, tmp_path)
    assert found.jobs["deploy"].outputs == {"previous_revision": "2"}
    assert state["current"] == 2
    assert found.jobs["deploy"].result == "failure"


def test_nothing_that_ever_ran_is_nothing_to_go_back_to(run: Run, tmp_path: Path) -> None:
    found = run(*KUBERNETES, deployment(0, new_ready=0), tmp_path)
    assert "Nothing to go back to" in found.jobs["rollback"].log
    assert found.jobs["rollback"].result == "failure"


RELEASE = ".github/workflows/release.yml"


@pytest.mark.parametrize("case", ["helm-in-flow-style", "helm-in-a-namespace"])
@pytest.mark.parametrize(("upgrade", "healthy"), [("failed", True), ("deployed", False)])
def test_a_release_goes_back_to_the_revision_that_was_deployed(
    run: Run, tmp_path: Path, case: str, upgrade: str, healthy: bool
) -> None:
    history = [{"revision": 1, "status": "superseded"}, {"revision": 2, "status": "deployed"}]
    state: dict[str, Any] = {"history": history, "upgrade": upgrade}
    found = run(case, RELEASE, state, tmp_path, healthy=healthy)
    assert state["back_on"] == "2"
    assert found.result == "failure"


def test_a_release_that_never_was_has_nothing_to_go_back_to(run: Run, tmp_path: Path) -> None:
    state: dict[str, Any] = {"history": [], "upgrade": "failed"}
    found = run("helm-in-a-namespace", RELEASE, state, tmp_path)
    assert "was never deployed" in found.jobs["release"].log
    assert "Nothing to go back to" in found.jobs["rollback-release"].log
    assert "back_on" not in state


# -- by what the platform has -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("new_ready", "current", "result"), [(2, 3, "success"), (0, 2, "failure")])
def test_a_rollout_that_fails_is_undone(run: Run, tmp_path: Path, new_ready: int, current: int, result: str) -> None:
    state = deployment(0, 2, new_ready=new_ready)
    found = run(*KUBERNETES, state, tmp_path, style="platform")
    assert (found.result, state["current"]) == (result, current)


def test_undoing_is_not_enough_where_the_revision_before_failed_too(run: Run, tmp_path: Path) -> None:
    """Which is why it is an option, and says so: what ran well is revision 1."""
    state = deployment(2, 0, new_ready=0)
    found = run(*KUBERNETES, state, tmp_path, style="platform")
    assert (found.result, state["current"]) == ("failure", 2)


@pytest.mark.parametrize(("upgrade", "back_on"), [("failed", "the release before"), ("deployed", None)])
def test_helm_takes_a_failed_upgrade_back_by_itself(
    run: Run, tmp_path: Path, upgrade: str, back_on: str | None
) -> None:
    state: dict[str, Any] = {"history": [{"revision": 1, "status": "deployed"}], "upgrade": upgrade}
    found = run("helm-in-a-namespace", RELEASE, state, tmp_path, style="platform")
    assert state.get("back_on") == back_on
    assert found.result == ("failure" if back_on else "success")


POD = {
    "serviceAccountName": "web",
    "containers": [
        {"name": "proxy", "image": "proxy:1"},
        {
            "name": "web",
            "image": "registry.example/shop:old",
            "args": ["gunicorn"],
            "env": [{"name": "DB_HOST", "value": "db"}],
            "livenessProbe": {"httpGet": {"path": "/", "port": 8000}},
        },
    ],
}


@pytest.mark.parametrize(("ends", "result"), [("1/", "success"), ("/1", "failure")])
def test_a_migration_runs_once_in_the_pod_of_the_workload_with_the_new_image(
    run: Run, tmp_path: Path, ends: str, result: str
) -> None:
    state = deployment(0, 2) | {"deployment": {"spec": {"template": {"spec": POD}}}, "ends": ends}
    found = run(*KUBERNETES, state, tmp_path, rule="missing-deploy-migration")
    assert found.result == result, found.log
    assert state["job"]["metadata"]["name"] == "migrate-77-1"
    assert state["job"]["spec"]["backoffLimit"] == 0
    assert state["job"]["spec"]["template"]["spec"] == {
        "serviceAccountName": "web",
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "web",
                "image": f"registry.example/shop:{'0123456789' * 4}",
                "command": ["python", "manage.py", "migrate", "--noinput"],
                "env": [{"name": "DB_HOST", "value": "db"}],
            }
        ],
    }
    deployed = any(call.startswith("set image") for call in state["calls"])
    assert deployed is (result == "success")
    assert ("relation already exists" in found.log) is (result == "failure")
