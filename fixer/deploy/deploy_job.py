"""A job that deploys: where to, signed in by what, and what it and others do afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from fixer.deploy.afterwards import addresses, is_check, names_target, only_follows, only_says, waits_only
from fixer.deploy.command_lines import read
from fixer.deploy.commands import code_of, waits
from fixer.deploy.deploying_steps import deployments_of
from fixer.deploy.deployment import Deployment
from fixer.deploy.migrations import step_migrates
from fixer.deploy.names import FRONT_END, PRODUCTION, STAGING, is_rollback
from fixer.deploy.sign_in import OWN_SIGN_IN, installs_tool, signs_in, takes_over
from fixer.deploy.values import IN_ONE_JOB, exports, value_of
from fixer.deploy.ways import ECS, Returns, Way
from fixer.github.expressions import names_read, reads_below
from fixer.github.workflow import Job, Step, Workflow
from fixer.languages.yaml import Node
from fixer.model import Blocked
from fixer.records import entity

_PLACE = ("cluster", "service", "region", "profile", "namespace", "context", "workload", "release")


@entity
class DeployJob:
    """A job that deploys. `sign_in` are the steps that make later ones able to speak to the cloud or cluster: what
    installs the programs for that, too."""

    workflow: Workflow
    job: Job
    deployments: tuple[Deployment, ...]

    @property
    def id(self) -> str:
        return self.job.id

    @property
    def way(self) -> Way:
        return self.deployments[0].way

    @property
    def first(self) -> int:
        """The index of the step that deploys first."""
        return min(deployment.index for deployment in self.deployments)

    @property
    def steps_node(self) -> Node | None:
        return self.job.steps_node

    @property
    def editable_steps(self) -> Node | Blocked:
        """The list of its steps, or why it takes no further ones, whatever the configuration says."""
        if self.job.data.get("strategy"):
            return Blocked(
                f"job {self.id} is a matrix, and each of its legs would do it", "deploy in a job that is no matrix"
            )
        if self.forgets:
            return Blocked(self.forgets, "take `continue-on-error` away, then run fhfix again")
        steps = self.steps_node
        if steps is None or steps.target is not None or steps.style == "flow":
            return Blocked(
                f"job {self.id}: its list of steps cannot be edited", "write the steps as a list below the job"
            )
        return steps

    @property
    def forgets(self) -> str:
        """Why nothing behind its deployments, here or in another job, learns that one failed; empty where it does."""
        steps = [deployment.step for deployment in self.deployments]
        if not self.job.may_fail and not any(step.may_fail for step in steps):
            return ""
        return f"job {self.id} may fail to deploy, and that counts for nothing (`continue-on-error`)"

    @cached_property
    def unknown(self) -> str:
        """Why this job cannot be worked on; empty where it can."""
        for deployment in self.deployments:
            if deployment.unknown or deployment.kept:
                return deployment.unknown or deployment.kept
        if len({deployment.way for deployment in self.deployments}) > 1:
            return "it deploys in several ways"
        if self.job.data.get("strategy"):
            return "it is a matrix, and the outputs of its legs would overwrite each other"
        if any(len(step.at) != 4 for step in self.job.steps):
            return "some of its steps run in parallel"
        if self.steps_node is None or self.steps_node.target is not None or self.steps_node.style == "flow":
            return "its list of steps cannot be edited"
        return ""

    @cached_property
    def environment(self) -> str:
        """`production`, `staging`, an expression that decides at run time, or empty where nothing says."""
        named = self.job.environment
        for text in (named, self.job.id, self.job.name):
            if "${{" in text:
                return text if text == named else ""
            if PRODUCTION.search(text):
                return "production"
            if STAGING.search(text):
                return "staging"
        services, namespaces, clusters = (
            [deployment.target.get(key, "") for deployment in self.deployments]
            for key in ("service", "namespace", "cluster")
        )
        # The narrowest says it: services of several environments may share a cluster, and a workflow's test is none.
        for texts in (services, namespaces, [*clusters, self.workflow.name, self.workflow.path]):
            told = [text for text in texts if "${{" not in text]
            if any(map(PRODUCTION.search, told)):
                return "production"
            if any(map(STAGING.search, told)):
                return "staging"
        return ""

    @property
    def is_front_end(self) -> bool:
        """Whether it says that what it deploys is what a browser loads, which has no database of its own."""
        words = [self.id, self.job.name, self.workflow.name, self.workflow.path.rpartition("/")[2]]
        words += [each.target.get(key, "") for each in self.deployments for key in ("service", "workload", "release")]
        return any(map(FRONT_END.search, words))

    def elsewhere(self, jobs: Iterable[DeployJob]) -> set[str]:
        """Of these jobs the ids of those that deploy to another environment: what they do is not done for this one."""
        return {other.id for other in jobs if other.environment != self.environment}

    @cached_property
    def sign_in(self) -> tuple[Step, ...]:
        """What a further job must repeat to be able to deploy."""
        before = [step for step in self.job.own_steps if len(step.at) == 4 and step.index < self.first]
        found = [step for step in before if signs_in(step, self.way) or installs_tool(step)]
        found = [
            step for at, step in enumerate(found) if not any(takes_over(s, step, self.job) for s in found[at + 1 :])
        ]
        if any(step.uses is not None and step.uses.value.startswith("./") for step in found):
            # An action of the repository needs the repository.
            found += [s for s in before if s.uses is not None and s.uses.value.lower().startswith("actions/checkout@")]
        return tuple(sorted(found, key=lambda step: step.index))

    @cached_property
    def signed_in_by(self) -> str:
        """Where the right to deploy comes from: `steps`, `environment`, the `runner` itself; empty if not known."""
        if not all(map(installs_tool, self.sign_in)):
            return "steps"
        places = [self.job.node, self.workflow.root, *(deployment.step.node for deployment in self.deployments)]
        wanted = ("AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE", "KUBECONFIG")
        if any(name in place.mapping("env") for place in places for name in wanted):
            return "environment"
        return "runner" if "self-hosted" in str(self.job.data.get("runs-on")) else ""

    @property
    def signs_in_while_deploying(self) -> bool:
        """Whether what a deploying step does first is to sign in, for itself alone."""
        before = (code_of(deployment.step)[: deployment.offset] for deployment in self.deployments)
        return any(map(OWN_SIGN_IN.search, before))

    @property
    def earliest(self) -> int:
        """The index before which a step can speak to the cloud for the first time."""
        after = [step.index + 1 for step in self.sign_in]
        for deployment in self.deployments:
            values = [deployment.target.get(name, "") for name in _PLACE]
            known = [*values, *deployment.credentials.values(), deployment.condition]
            after += [self._index_of(name) + 1 for name in names_read("steps", known)]
            after += [self._exported(name) + 1 for name in names_read("env", known)]
        return min(max(after, default=0), self.first)

    def knows_before(self, value: Any) -> bool:
        """Whether a value, or plain data, can be had before the first deployment: no later step has a part in it."""
        later = self.job.steps[self.first :]
        return not any(
            (step.id and any(read.touches(f"steps.{step.id}") for read in reads_below(value)))
            or any(exports(step, name) for name in names_read("env", value))
            for step in later
        )

    def _exported(self, name: str) -> int:
        """The index of the last step before the deployment that sets this variable for those behind it."""
        found = [step for step in self.job.steps[: self.first] if exports(step, name)]
        return found[-1].index if found else -1

    def _index_of(self, step_id: str) -> int:
        return next((step.index for step in self.job.steps if step.id == step_id), -1)

    @cached_property
    def migration(self) -> Step | None:
        """The step of this job that migrates the database."""
        return next((step for step in self.job.steps if step_migrates(step)), None)

    @property
    def said_elsewhere(self) -> str:
        """The commands of the repository's own scripts by which it deploys; empty where it uses none."""
        said = [each.source for deployment in self.deployments for each in deployment.called]
        return "\n".join([*said, *(text for deployment in self.deployments for text in deployment.programs)])

    @cached_property
    def checked_by(self) -> tuple[Job, ...]:
        """Jobs right behind this one that ask the deployed application whether it is well, and deploy nothing."""
        return tuple(
            other
            for other in self.workflow.jobs.values()
            if self.id in other.needs
            and not is_rollback(other)
            and any(is_check(step) for step in other.steps)
            and not any(True for step in other.steps for _ in deployments_of(step, other))
        )

    @property
    def last_check(self) -> int | None:
        """The index of the last step that may say something about the deployment, where others follow that may fail."""
        last = max(deployment.index for deployment in self.deployments)
        for step in self.job.steps[last + 1 :]:
            if not only_follows(step):
                last = step.index
        return last if any(not only_says(step) for step in self.job.steps[last + 1 :]) else None

    def waits_for(self, deployment: Deployment) -> bool:
        """Whether a later command waits for this very deployment, or for one that only the shell knows.

        A service that went back by itself is stable too: what waits for ECS in a later step does not notice.
        """
        if deployment.returns is Returns.SERVING:
            return True
        key = "service" if self.way is ECS else "workload"
        name = deployment.target[key].rpartition("/")[2]
        for step in (deployment.step,) if self.way is ECS else self.job.steps[deployment.index :]:
            script = step.script
            for command in waits(script) if script is not None else ():
                if step is deployment.step and command.start < deployment.offset:
                    continue
                if "$" in command.source or names_target(command, name):
                    return True
        return False

    def waiting_step(self, deployment: Deployment) -> Step | None:
        """The step behind a deployment to ECS that does nothing but wait for it; None where there is no such step, and
        where the application is asked before."""
        for step in self.job.steps[deployment.index + 1 :]:
            if self._only_waits(step, deployment):
                return step
            if is_check(step):
                return None
        return None

    def _only_waits(self, step: Step, deployment: Deployment) -> bool:
        """Whether a step does nothing but wait for what was deployed, alone or with other services."""
        script = step.script
        if script is None or not waits_only(step) or len(step.at) != 4:
            return False
        if set(step.data) - {"name", "id", "run", "if", "timeout-minutes"}:
            return False
        found = list(waits(script))
        if len(found) != 1 or step.data.get("if") != deployment.condition.get("if"):
            return False
        line = read(found[0])
        cluster, service = line.value("--cluster"), line.value("--services", "--service")
        if line.texts[:3] != ("ecs", "wait", "services-stable") or service is None:
            return False
        named = cluster.text if cluster is not None else "default"
        if value_of(named, step, script) != deployment.target.get("cluster", ""):
            return False
        # Further services stand behind the option's first value.
        waited = {value_of(text, step, script) for text in (service.text, *line.texts[3:])}
        deployed = {each.target.get("service", "") for each in self.deployments}
        return deployment.target.get("service", "") in waited and waited <= deployed

    @cached_property
    def urls(self) -> tuple[str, ...]:
        """The addresses that are asked for after the deployment, here or in the jobs that check it, in order."""
        later = [step for step in self.job.steps if len(step.at) == 4 and step.index >= self.first]
        checking = (step for job in self.checked_by for step in job.steps)
        return tuple(dict.fromkeys(url for step in (*later, *checking) for url in addresses(step)))

    def is_local(self, value: Any, *known: str) -> bool:
        """Whether a value, or plain data, means something in this job only, so that another job needs it passed on.

        `known` are variables of the environment that the other job has too.
        """
        given = {*self.workflow.root.mapping("env"), *known}
        local = any(read.context in IN_ONE_JOB for read in reads_below(value))
        return local or any(name not in given for name in names_read("env", value))
