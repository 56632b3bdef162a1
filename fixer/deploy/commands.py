"""Commands and actions that put a new version into service, and the scripts in which they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fixer.github.expressions import places
from fixer.github.workflow import Job, Step
from fixer.languages.shell import Command, Script, Shell
from fixer.languages.yaml import Node

# Matched against the program and its words without options.
_DEPLOYS = re.compile(
    "|".join(
        (
            r"aws .*\b(ecs (update-service|create-service|deploy)|deploy create-deployment|apprunner start-deployment"
            r"|elasticbeanstalk update-environment|lambda update-function-code|cloudformation (deploy|update-stack)"
            r"|amplify start-(job|deployment)|autoscaling start-instance-refresh)\b",
            r"gcloud .*\b(run deploy|app deploy|run services update|functions deploy|managed rolling-action)\b",
            r"az .*\b(webapp (deploy|deployment|restart|config container set)|containerapp (update|up))\b",
            r"(flyctl|fly) deploy\b|railway (up|redeploy|deploy)\b|vercel\b|netlify deploy\b",
            r"wrangler (deploy|publish|pages deploy)\b|heroku (container:release|restart|ps:restart)\b",
            r"git push .*(heroku|dokku)|(serverless|sls|cdk|eb|copilot|ecspresso|kamal|cap \w+) deploy\b|ecs-deploy\b",
            r"doctl .*\bapps (update|create-deployment)|docker (stack deploy|service update)\b",
        )
    )
)
_MAY_DEPLOY = re.compile(
    r"aws ssm send-command|ansible-playbook\b|(terraform|tofu) apply\b|pulumi up\b|ssh .+|sshpass .*\bssh .+"
)
_ON_CLUSTER = re.compile(
    r"kubectl .*\b(apply|replace|patch|set image|rollout (restart|undo))\b|helm .*\b(upgrade|install|rollback)\b"
)
_ON_SERVER = re.compile(
    r"docker(-| )compose .*\b(up|restart|start)\b|docker (run|restart|start)\b|nginx -s reload"
    r"|(systemctl|supervisorctl) .*\b(restart|reload|start)\b|service \S+ (restart|reload|start)\b"
    r"|pm2 .*\b(restart|reload|start\w*)\b|\./\S*deploy\S*|(ba)?sh \S*deploy\S*"
)
_HOOK = re.compile(r"deploy|hook|render\.com|coolify|railway|vercel", re.IGNORECASE)
_DEPLOYING_ACTION = re.compile(
    r"ecs-deploy|deploy|ssh-action|heroku|vercel|netlify|wrangler|flyctl|railway|beanstalk|webapps", re.IGNORECASE
)
_NO_DEPLOYING_ACTION = re.compile(
    r"actions/(configure|upload)|chrnorm/|bobheadxi/deployments|.*(comment|status|notify)", re.IGNORECASE
)
_TEST_CLUSTER = re.compile(r"\b(kind|minikube|k3d|k3s|microk8s)\b")


@dataclass(frozen=True, eq=False)
class StepScript:
    """A script that a step runs: its `run:`, or what an SSH action runs on the server (`remote`)."""

    step: Step
    node: Node
    script: Script
    remote: bool = False

    @classmethod
    def of(cls, step: Step) -> StepScript | None:
        """None where the step runs no script, or one that is not read."""
        if step.run is not None:
            script = Script.of(step)
            return cls(step, step.run, script) if script is not None and not script.error else None
        given = step.with_
        node = given.get("script") if given is not None else None
        if step.uses is None or "ssh" not in step.uses.value or node is None or not node.is_scalar:
            return None
        # Whether the server's login shell is bash is not known, and it does not stop at a failure.
        script = Script.parse(node.value, Shell(errexit=False, posix=True), places(node.value))
        return cls(step, node, script, remote=True) if not script.error else None

    def deploying(self, *, surely: bool = False) -> Iterator[Command]:
        """The commands of this script that deploy; `surely` leaves out those that may do anything, such as `ssh`."""
        job = self.step.job
        on_test_cluster = job is not None and _TEST_CLUSTER.search(str(job.data)) is not None
        for command in self.script.commands:
            if command.name == "curl":
                sends = command.value("-X", "--request") is not None or command.has("-d", "--data")
                if sends and any(_HOOK.search(word.text) for word in command.args):
                    yield command
                continue
            said = " ".join([command.name, *(word.text for word in command.args if not word.text.startswith("-"))])
            if (
                _DEPLOYS.match(said)
                or (not surely and _MAY_DEPLOY.match(said))
                or (not on_test_cluster and _ON_CLUSTER.match(said))
                or (self.remote and _ON_SERVER.match(said))
            ):
                yield command


def action_deploys(step: Step) -> bool:
    """Whether the step's action deploys, by its name."""
    if step.uses is None:
        return False
    action = step.action
    return _DEPLOYING_ACTION.search(action) is not None and not _NO_DEPLOYING_ACTION.match(action)


def deploys(step: Step) -> bool:
    """Whether a step puts a new version into service, as far as its commands or its action say."""
    found = StepScript.of(step)
    return action_deploys(step) or (found is not None and any(True for _ in found.deploying()))


def job_deploys(job: Job) -> bool:
    """Whether a job, or one that it needs, deploys."""
    waiting, seen = [job], {job.id}
    while waiting:
        one = waiting.pop()
        if any(deploys(step) for step in one.steps):
            return True
        more = [name for name in one.needs if name in job.workflow.jobs and name not in seen]
        seen.update(more)
        waiting.extend(job.workflow.jobs[name] for name in more)
    return False


def waits_for_ecs(script: Script) -> bool:
    """Whether a script waits with the AWS command line's own waiter until a service is stable."""
    return any(c.name == "aws" and any(w.text == "services-stable" for w in c.args) for c in script.commands)
