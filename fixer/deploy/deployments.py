"""How the repository's workflows deploy: what, where to, and which addresses are checked afterwards.

Read from the shell of each job and from the actions that it uses. Values are carried along as they are written: a
literal, or text with `${{ … }}`. A shell variable is followed to where it is set; where that cannot be seen, the
deployment says so in `unknown`, and nobody guesses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from fixer.deploy.command_lines import CommandLine, read
from fixer.deploy.commands import StepScript, says_migrate, start_of, starts_of, waits
from fixer.deploy.health_check import health_checks, is_local
from fixer.deploy.ways import ECS, HELM, KUBERNETES, Returns, Start, Way, mentioned, of_action
from fixer.documents import DEVELOPMENT
from fixer.github.expressions import (
    ANY,
    Read,
    masked,
    names_read,
    only_after_failure,
    only_read,
    reads,
    reads_below,
    without,
)
from fixer.github.permissions import may
from fixer.github.workflow import Job, Step, Workflow
from fixer.github.workflows import path_within
from fixer.languages.shell import Command, Script, Silence, Structure
from fixer.languages.yaml import Commented, Node
from fixer.model import Blocked, Source, Span
from fixer.records import entity, record
from fixer.runtime.following import Code, Followed, Where
from fixer.runtime.programs import Started
from fixer.runtime.texts import InYaml
from fixer.scripts import ScriptText

if TYPE_CHECKING:
    from fixer.repository import Repository

_DEPLOYS = re.compile(r"deploy|release|\bprod|production|staging|\bcd\b|rollout|ship", re.IGNORECASE)
_STATIC = re.compile(r"\bdocs?\b|[_-]docs?\b|documentation|storybook|playground|github.pages|gh-pages", re.IGNORECASE)
_PREVIEW = re.compile(r"preview|review[\s_-]?app", re.IGNORECASE)
_ASIDE_OF_PRODUCTION = re.compile(
    r"\b(?:pr|pull[\s_-]?request)[\s_-]env|\bdestroy|tear[\s_-]?down|undeploy", re.IGNORECASE
)
"""What is made for one change, or taken away, has nothing to go back to."""
_ROLLBACK = re.compile(r"roll[\s_-]?back|revert|undo", re.IGNORECASE)
_PRODUCTION = re.compile(r"(?<![a-z])(?<!non[-_ ])(?<!pre[-_ ])(?:prod|production|live)(?![a-z])", re.IGNORECASE)
_STAGING = re.compile(
    r"(?<![a-z])(?:stage|staging|stg|dev|develop|development|test|testing|qa|uat|preview|sandbox|demo|"
    r"(?:non|pre)[-_ ]?prod(?:uction)?)(?![a-z])",
    re.IGNORECASE,
)
_FRONT_END = re.compile(r"front-?end|\bui\b|\bdocs\b|storybook", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
# What these hold has a meaning in one job only.
_LOCAL = frozenset(("steps", "needs", "matrix", "strategy", "job", "runner", ANY))
# In a text with its expressions masked.
_ADDRESS = re.compile(r"(?:https?://|\0)[^\s\"'`;|)<>\\]*")
_HEADER = re.compile(r"(?:-H|--header)\s+(?:'[^']*'|\"[^\"]*\")")
_NOT_A_CHECK = re.compile(r"hooks\.slack|discord|webhook|localhost|127\.0\.0\.1|0\.0\.0\.0|api\.github|telegram", re.I)
_AWS_SIGN_IN = re.compile(r"^aws-actions/configure-aws-credentials(?:-[\w-]+)?@", re.IGNORECASE)
_CLUSTER_SIGN_IN = re.compile(
    r"^(?:aws-actions/configure-aws-credentials|azure/(?:login|aks-set-context|k8s-set-context|setup-kubectl|setup-helm|"
    r"use-kubelogin)|google-github-actions/(?:auth|setup-gcloud|get-gke-credentials)|digitalocean/action-doctl)@",
    re.IGNORECASE,
)
_LOCAL_SIGN_IN = re.compile(r"^\./.*(?:aws|credential|sign-?in|log-?in|auth|kube)[\w-]*/?$", re.IGNORECASE)
_OWN_SIGN_IN = re.compile(
    r"\bexport (?:KUBECONFIG|AWS_)|update-kubeconfig|get-credentials|\.kube/config|config use-context|"
    r"aws configure|sts assume-role|doctl kubernetes|\bgcloud auth|\baz login"
)
_CLUSTER_SCRIPT = re.compile(r"update-kubeconfig|get-credentials|kubeconfig|KUBECONFIG|\.kube/config")
_TOOL_BY_ACTION = re.compile(r"^azure/(?:setup-kubectl|setup-helm|use-kubelogin)@", re.IGNORECASE)
_TOOL_BY_ADDRESS = re.compile(r"get-helm|get\.helm\.sh|dl\.k8s\.io|kubernetes-release|awscli-exe")
_INSTALLERS = frozenset(("apt", "apt-get", "apk", "dnf", "yum", "snap", "brew", "pip", "pip3", "gcloud"))
_TOOLS = frozenset(("helm", "kubectl", "awscli", "aws-cli"))
"""The programs by which is deployed."""
_UNREAD = re.compile(
    r"^[ \t]*(kubectl set image|helm upgrade|"
    r"aws ecs update-service(?=[\s\S]*--(?:force-new-deployment|task-definition)))\b",
    re.MULTILINE,
)
_NO_PODS = re.compile(
    r"namespaces?|ns|configmaps?|secrets?|serviceaccounts?|ingress(?:es)?|hpa|horizontalpodautoscaler|pvc?|"
    r"persistentvolume(?:claim)?|storageclass|(?:cluster)?role(?:binding)?|rbac|networkpolic(?:y|ies)|certificate|"
    r"(?:cluster)?issuer|pdb|poddisruptionbudget|resourcequota|limitrange"
)
"""Kinds of Kubernetes, and how files are named for them, that start nothing by themselves."""
_DATABASE = re.compile(
    r"postgres|psycopg|mysql|mariadb|mongo|sqlserver|mssql|oracledb|aurora|\brds\b|(?:DATABASE|DB)_(?:URL|HOST|NAME)|"
    r"jdbc|\bpgx\b|npgsql",
    re.IGNORECASE,
)
_LIBRARY = re.compile(
    r"django|sqlalchemy|alembic|prisma|typeorm|sequelize|knex|drizzle|\"pg\"|\brails\b|activerecord|laravel|doctrine|"
    r"\bjpa\b|hibernate|flyway|liquibase|gorm|sqlx|diesel|entityframework|\becto\b",
    re.IGNORECASE,
)
"""What speaks to a database, where it is a dependency; elsewhere the word says nothing."""
_COMMENT = re.compile(r"(?:^|\s)#.*")
_SAYS = frozenset(("echo", "printf", "cat", "date", "gh", "git", "jq", "true", "exit", "set"))
_FOLLOWS = re.compile(
    r"slack|teams|discord|telegram|mail|release|upload-artifact|github-script|comment|sentry|deployment-status|"
    r"deployments@|notif|create-tag|jira|datadog|logout",
    re.IGNORECASE,
)
_PLACE = ("cluster", "service", "region", "profile", "namespace", "context", "workload", "release")
_GITHUB_VARIABLES = {
    "GITHUB_SHA": "github.sha",
    "GITHUB_REF_NAME": "github.ref_name",
    "GITHUB_REPOSITORY": "github.repository",
    "GITHUB_RUN_ID": "github.run_id",
    "GITHUB_RUN_NUMBER": "github.run_number",
}


@entity
class Deployment:
    """One command or action that changes what runs.

    `unknown` says why nobody can tell what it changes, `kept` why going back to a revision before does not undo it.
    `target` holds cluster, service, region, profile, task_definition (ECS; empty where the service keeps its revision
    and only starts anew), namespace, context, workload (Kubernetes), release (Helm). `words` is how it is written.
    `called` is what the repository's own script runs that the step starts, where it deploys by one.
    """

    step: Step
    way: Way
    words: str
    span: Span
    target: Mapping[str, str] = field(default_factory=dict)
    unknown: str = ""
    offset: int = 0
    returns: Returns = Returns.BEGUN
    kept: str = ""
    command: Command | None = None
    called: tuple[Started, ...] = ()

    @property
    def index(self) -> int:
        """Which step of its job it is."""
        return self.step.index

    @property
    def place(self) -> tuple[str, ...]:
        """What tells one service, workload or release from another."""
        return tuple(self.target.get(key, "") for key in ("cluster", "service", "namespace", "workload", "release"))

    @property
    def condition(self) -> dict[str, Any]:
        """The `if:` of its step, as a key that another step can take over; empty where it has none."""
        return {"if": self.step.data["if"]} if "if" in self.step.data else {}

    @property
    def surroundings(self) -> dict[str, str]:
        """The keys that a script beside its step needs so that bash reads it, at the root of the workspace."""
        step, made = self.step, dict[str, str]()
        if step.job is not None and "windows" in str(step.job.data.get("runs-on")):
            made["shell"] = "bash"
        for place in (step.job.node if step.job is not None else None, step.workflow.root):
            defaults = place.get("defaults") if place is not None else None
            run = defaults.get("run") if defaults is not None else None
            shell = run.get("shell") if run is not None else None
            if shell is not None and shell.value != "bash":
                made["shell"] = "bash"
            if run is not None and run.get("working-directory") is not None:
                made["working-directory"] = "."
        return made

    @property
    def credentials(self) -> dict[str, str]:
        """The variables of its step that let it speak to the cloud or cluster; another step needs them too."""
        given = self.step.node.texts("env")
        return {name: value for name, value in given.items() if name.startswith(("AWS_", "KUBE"))}

    @property
    def moves_a_tag(self) -> bool:
        """Whether what runs depends on where an image's tag points: the same revision is started anew, or each new one
        names the image by the same tag, such as `latest`."""
        return self.way is ECS and (not self.target.get("task_definition") or self._names_one_tag)

    @property
    def _names_one_tag(self) -> bool:
        """Whether the image that aws-actions/amazon-ecs-render-task-definition fills in has the same tag every time."""
        image, step = self._rendered
        if image is None or step is None:
            return False
        read = only_read(image)
        if read is not None:
            image, step = _output_of_shell(read, step)
        tag = re.search(r":([^:/@]+)$", image)
        if tag is None:
            return False
        value = value_of(tag[1], step, step.script)
        return value is not None and "${{" not in value

    @property
    def _rendered(self) -> tuple[str | None, Step | None]:
        """The image that is filled into the task definition, and the step that does it."""
        named = {name.lower() for name in names_read("steps", self.target.get("file", ""))}
        for step in self.step.job.steps if self.step.job is not None else ():
            image = step.with_.get("image") if step.with_ is not None else None
            if step.id.lower() in named and image is not None:
                return str(image.value), step
        return None, None


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
            if _PRODUCTION.search(text):
                return "production"
            if _STAGING.search(text):
                return "staging"
        services, namespaces, clusters = (
            [deployment.target.get(key, "") for deployment in self.deployments]
            for key in ("service", "namespace", "cluster")
        )
        # The narrowest says it: services of several environments may share a cluster, and a workflow's test is none.
        for texts in (services, namespaces, [*clusters, self.workflow.name, self.workflow.path]):
            told = [text for text in texts if "${{" not in text]
            if any(map(_PRODUCTION.search, told)):
                return "production"
            if any(map(_STAGING.search, told)):
                return "staging"
        return ""

    @property
    def is_front_end(self) -> bool:
        """Whether it says that what it deploys is what a browser loads, which has no database of its own."""
        words = [self.id, self.job.name, self.workflow.name, self.workflow.path.rpartition("/")[2]]
        words += [each.target.get(key, "") for each in self.deployments for key in ("service", "workload", "release")]
        return any(map(_FRONT_END.search, words))

    def elsewhere(self, jobs: Iterable[DeployJob]) -> set[str]:
        """Of these jobs the ids of those that deploy to another environment: what they do is not done for this one."""
        return {other.id for other in jobs if other.environment != self.environment}

    @cached_property
    def sign_in(self) -> tuple[Step, ...]:
        """What a further job must repeat to be able to deploy."""
        before = [step for step in self.job.own_steps if len(step.at) == 4 and step.index < self.first]
        found = [step for step in before if self._signs_in(step) or _installs_tool(step)]
        found = [step for at, step in enumerate(found) if not any(self._takes_over(s, step) for s in found[at + 1 :])]
        if any(step.uses is not None and step.uses.value.startswith("./") for step in found):
            # An action of the repository needs the repository.
            found += [s for s in before if s.uses is not None and s.uses.value.lower().startswith("actions/checkout@")]
        return tuple(sorted(found, key=lambda step: step.index))

    def _takes_over(self, later: Step, step: Step) -> bool:
        """Whether a later sign-in to AWS puts its credentials in the place of these, and needs none of them for that:
        the first was for the registry, say."""
        both = (step.uses, later.uses)
        if any(uses is None or _AWS_SIGN_IN.match(uses.value) is None for uses in both) or later.condition:
            return False
        given = later.inputs
        by_token = may(self.job, {"id-token": "write"}, None) is True
        return "aws-access-key-id" in given or (by_token and "role-to-assume" in given and "role-chaining" not in given)

    def _signs_in(self, step: Step) -> bool:
        pattern = _AWS_SIGN_IN if self.way is ECS else _CLUSTER_SIGN_IN
        if step.uses is not None:
            return pattern.match(step.uses.value) is not None or _LOCAL_SIGN_IN.match(step.uses.value) is not None
        if step.run is None:
            return False
        if self.way is ECS:
            return re.search(r"\baws configure set\b|\baws sts assume-role", code_of(step)) is not None
        return _CLUSTER_SCRIPT.search(code_of(step)) is not None

    @cached_property
    def signed_in_by(self) -> str:
        """Where the right to deploy comes from: `steps`, `environment`, the `runner` itself; empty if not known."""
        if not all(map(_installs_tool, self.sign_in)):
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
        return any(map(_OWN_SIGN_IN.search, before))

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
        return "\n".join(each.source for deployment in self.deployments for each in deployment.called)

    @cached_property
    def checked_by(self) -> tuple[Job, ...]:
        """Jobs right behind this one that ask the deployed application whether it is well, and deploy nothing."""
        return tuple(
            other
            for other in self.workflow.jobs.values()
            if self.id in other.needs
            and not is_rollback(other)
            and any(_is_check(step) for step in other.steps)
            and not any(True for step in other.steps for _ in _deployments(step, other))
        )

    @property
    def last_check(self) -> int | None:
        """The index of the last step that may say something about the deployment, where others follow that may fail."""
        last = max(deployment.index for deployment in self.deployments)
        for step in self.job.steps[last + 1 :]:
            if not _only_follows(step):
                last = step.index
        return last if any(not _only_says(step) for step in self.job.steps[last + 1 :]) else None

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
                if "$" in command.source or _names(command, name):
                    return True
        return False

    def waiting_step(self, deployment: Deployment) -> Step | None:
        """The step behind a deployment to ECS that does nothing but wait for it; None where there is no such step, and
        where the application is asked before."""
        for step in self.job.steps[deployment.index + 1 :]:
            if self._only_waits(step, deployment):
                return step
            if _is_check(step):
                return None
        return None

    def _only_waits(self, step: Step, deployment: Deployment) -> bool:
        """Whether a step does nothing but wait for what was deployed, alone or with other services."""
        script = step.script
        if script is None or not _waits_only(step) or len(step.at) != 4:
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
        return tuple(dict.fromkeys(url for step in (*later, *checking) for url in _addresses(step)))

    def is_local(self, value: Any, *known: str) -> bool:
        """Whether a value, or plain data, means something in this job only, so that another job needs it passed on.

        `known` are variables of the environment that the other job has too.
        """
        given = {*self.workflow.root.mapping("env"), *known}
        local = any(read.context in _LOCAL for read in reads_below(value))
        return local or any(name not in given for name in names_read("env", value))


@entity
class _Deploying:
    """What one workflow deploys: its jobs; of a composite action, its steps."""

    jobs: tuple[DeployJob, ...]
    steps: tuple[Step, ...]

    @classmethod
    def detect(cls, repository: Repository, path: str) -> Self:
        """Always something: it may deploy nothing, though it says a word of that."""
        workflow = repository.document(path)
        assert isinstance(workflow, Workflow)
        if workflow.composite:
            return cls((), tuple(step for step in workflow.steps if _of_composite(step)))
        return cls(tuple(_deploy_jobs(workflow, Following(repository))), ())


@record
class _Application:
    """Which file says that the application migrates when it starts, and which one that it has a database."""

    migrates_on_start: str
    database: str

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Always something: no file may say so."""
        return cls(_migrates_on_start(repository), _database(repository))


@record
class _Infrastructure:
    """Which file says that ECS goes back by itself."""

    breaker: str

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Always something: no file may say so."""
        return cls(_breaker(repository))


@record
class Deployments:
    """Every job that deploys, by the path of its workflow; and which file says that the application migrates when it
    starts, which one that it has a database, and which one that ECS goes back by itself; empty where none does."""

    jobs: Mapping[str, tuple[DeployJob, ...]]
    composite: Mapping[str, tuple[Step, ...]]
    migrates_on_start: str
    database: str
    breaker: str = ""

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where no workflow deploys."""
        jobs: dict[str, tuple[DeployJob, ...]] = {}
        composite: dict[str, tuple[Step, ...]] = {}
        for workflow in repository.documents(Workflow, _may_deploy):
            found = repository.part(_Deploying, workflow.path)
            if found is not None and found.steps:
                composite[workflow.path] = found.steps
            if found is not None and found.jobs:
                jobs[workflow.path] = found.jobs
        if not jobs and not composite:
            return None
        on_ecs = any(job.way is ECS for found in jobs.values() for job in found)
        infrastructure = repository.fact(_Infrastructure) if on_ecs else None
        application = repository.fact(_Application)
        assert application is not None
        breaker = infrastructure.breaker if infrastructure is not None else ""
        return cls(jobs, composite, application.migrates_on_start, application.database, breaker)

    def of(self, workflow: Workflow) -> tuple[DeployJob, ...]:
        return self.jobs.get(workflow.path, ())


def _may_deploy(source: Source) -> bool:
    return mentioned(source.text)


def code_of(step: Step) -> str:
    """The script of a step without its comments; empty where it has none."""
    if step.run is None:
        return ""
    script = step.script
    return script.code if script is not None else step.run.value


def _installs_tool(step: Step) -> bool:
    """Whether a step does no more than to install what speaks to the cloud or cluster."""
    if step.uses is not None:
        return _TOOL_BY_ACTION.match(step.uses.value) is not None
    code = code_of(step)
    if not code or _OWN_SIGN_IN.search(code):
        return False
    commands = step.script.commands if step.script is not None else ()
    return _TOOL_BY_ADDRESS.search(code) is not None or any(map(_installs, commands))


def _installs(command: Command) -> bool:
    words = {word.text.partition("=")[0] for word in command.args}
    return command.name in _INSTALLERS and not words.isdisjoint(("install", "add")) and not words.isdisjoint(_TOOLS)


def _waits_only(step: Step) -> bool:
    """Whether a step's script waits for rollouts, and does nothing else but say so."""
    script = step.script
    if script is None or script.error:
        return False
    others = [command for command in script.commands if command.name not in ("echo", "printf", "set")]
    return bool(others) and [c.start for c in others] == [c.start for c in waits(script)]


def _names(command: Command, name: str) -> bool:
    """Whether a command names a service or a workload, also as `deployment/name`."""
    return any(word.text.rpartition("/")[2] == name for word in command.args)


# -- jobs ---------------------------------------------------------------------------------------------------------


@entity
class Following:
    """Finds what a step deploys by a script, a target or a task of the repository."""

    repository: Repository

    def deployments(self, step: Step, job: Job) -> Iterator[Deployment]:
        """At most one: the first command of the script that deploys for certain, else one that may."""
        script = step.script
        if step.run is None or script is None or script.error:
            return
        followed = Followed()
        where = Where(self.repository, path_within("", step.working_directory or "."))
        followed.run(Code(script, InYaml(job.workflow, step.run)), where)
        called = tuple(each for each in followed.commands if each.path != job.workflow.path)
        found = [(each, start) for each in called if (start := start_of(each.command)) is not None]
        found = [(each, start) for each, start in found if _counts(start, job)]
        if not found:
            return
        each, start = min(found, key=lambda pair: pair[1].means.perhaps)
        place = f"{each.path}:{each.line}"
        unknown = f"it deploys by {place}, and what that script deploys is its own"
        words = f"{'ssh' if each.command.name == 'ssh' else start.words} in {place}"
        yield Deployment(step, start.way, words, step.run.span, {}, unknown, returns=start.returns, called=called)


def _deploy_jobs(workflow: Workflow, following: Following) -> Iterator[DeployJob]:
    if _ROLLBACK.search(workflow.path) or _ROLLBACK.search(workflow.name) or _is_preview(workflow):
        return
    for job in workflow.jobs.values():
        named = f"{job.id} {job.name} {job.environment}"
        if _PREVIEW.search(named) or _ASIDE_OF_PRODUCTION.search(f"{workflow.path} {workflow.name} {named}"):
            continue
        if is_rollback(job) or not mentioned(workflow.source.text[job.node.start : job.node.end]):
            continue
        found = tuple(deployment for step in job.steps for deployment in _deployments(step, job, following))
        if found:
            yield DeployJob(workflow, job, found)


def _is_preview(workflow: Workflow) -> bool:
    """Whether it runs for pull requests that are not merged yet: what it deploys has nothing to go back to."""
    requested = {"pull_request", "pull_request_target"} & set(workflow.triggers)
    others = set(workflow.triggers) - requested - {"schedule"}
    return bool(requested) and not others and "pull_request.merged" not in workflow.source.text


def is_rollback(job: Job) -> bool:
    """Whether a job exists to undo a deployment: by its name, or since it runs after a failure only."""
    if _ROLLBACK.search(job.id) or _ROLLBACK.search(job.name):
        return True
    condition = str(job.data.get("if", ""))
    names_a_failure = re.search(r"\b(?:failure|cancelled)\s*\(", condition) is not None
    return (names_a_failure and "!" not in condition) or only_after_failure(condition)


def _is_check(step: Step) -> bool:
    script = step.script
    return script is not None and any(not is_local(check.url.text) for check in health_checks(script))


def _only_follows(step: Step) -> bool:
    """Whether a step tells of a deployment, or tidies up after it; one that is not known may well check it."""
    if step.uses is not None:
        return _FOLLOWS.search(step.uses.value) is not None
    script = step.script
    if script is None or script.error:
        return False
    return all(
        command.name in _SAYS or (command.name == "curl" and command.has("-X", "--request", "-d", "--data", "--json"))
        for command in script.commands
    )


def _only_says(step: Step) -> bool:
    """Whether a step cannot fail, since it only prints."""
    script = step.script
    if step.uses is not None or script is None or script.error:
        return False
    return all(command.name in ("echo", "printf") for command in script.commands)


def _addresses(step: Step) -> Iterator[str]:
    """The addresses that a step asks whether all is well; none where it sends something there.

    What `||` or `continue-on-error` keeps from counting proves of no address that it answers.
    """
    script = step.script
    if (
        script is None
        or step.may_fail
        or not re.search(r"\b(?:curl|wget)\b", script.text)
        or _NOT_A_CHECK.search(script.text)
    ):
        return
    asked = [command for command in script.commands if command.name in ("curl", "wget")]
    if any(command.has("-X", "--request", "-d", "--data", "--data-raw", "--json", "-F") for command in asked):
        return
    asked = [each for each in asked if all(found.kind is not Silence.OR for found in script.silencers(each))]
    texts = [_HEADER.sub("", command.source) for command in asked]
    if any("$" in without(text) for text in texts):
        # The address is in a variable: of a loop, of the script, or of the step.
        texts += [line for line in script.text.splitlines() if "grep" not in line]
        texts += step.node.texts("env").values()
    for address in (found for text in texts for found in _addresses_in(text)):
        if not re.search(r"https?://|/", address) or "$" in without(address):
            continue
        local = any(read.context in _LOCAL for read in reads(address))
        if not local and not _NOT_A_CHECK.search(address):
            yield address


def _addresses_in(text: str) -> Iterator[str]:
    for found in _ADDRESS.finditer(masked(text, "\0")):
        yield text[found.start() : found.end()].rstrip(".,:")


def _of_composite(step: Step) -> bool:
    return any(start.way.restored and not start.means.perhaps for start in starts_of(step))


def _deployments(step: Step, job: Job, following: Following | None = None) -> Iterator[Deployment]:
    if re.search(r"\b(?:failure|cancelled)\s*\(", str(step.data.get("if", ""))) or _ROLLBACK.search(step.name):
        return
    place, action = StepScript.of(step), of_action(step)
    if place is None:
        if action is not None and step.uses is not None and _counts(action, job):
            yield _of_action(action, step, step.uses.span)
        else:
            yield from _unread(step)
        return
    for start in place.starts:
        if start.command is None or not _counts(start, job, there=place.remote):
            continue
        made = _of_start(start, start.command, place, job)
        if made is not None:
            yield made
    if not place.starts and following is not None:
        yield from following.deployments(step, job)


def _counts(start: Start, job: Job, *, there: bool = False) -> bool:
    """Whether a start puts an application into service that was there before, as far as names tell."""
    if start.means.first:
        return False
    if start.way.restored:
        return True
    texts = (job.id, job.name, job.environment, job.workflow.name, job.workflow.path.rpartition("/")[2])
    if job.workflow.triggers == ("schedule",) or any(map(_STATIC.search, texts)):
        return False
    if start.means.perhaps:
        return _named_deployment(job, or_release=False)
    # What runs on a server, in production too, may as well be maintenance.
    on_a_server = there or start.means.server or (start.line is not None and start.line.program == "ssh")
    return _named_deployment(job) if on_a_server else True


def _unread(step: Step) -> Iterator[Deployment]:
    """A step that deploys by a script that cannot be read."""
    if step.run is None:
        return
    script = step.script
    unread = _UNREAD.search(step.run.value) if script is None or script.error else None
    if unread is None:
        return
    way = {"aws": ECS, "kubectl": KUBERNETES, "helm": HELM}[unread[1].partition(" ")[0]]
    why = script.error if script is not None else "a step deploys by a script that is neither for bash nor for sh"
    yield Deployment(step, way, unread[1], step.run.span, {}, why)


def _of_action(start: Start, step: Step, span: Span) -> Deployment:
    if start.way is not ECS:
        return Deployment(step, start.way, step.action, span, returns=start.returns)
    given = step.node.texts("with")
    unknown = ""
    if given.get("codedeploy-application") or given.get("codedeploy-appspec"):
        unknown = "AWS CodeDeploy moves the traffic, and rolls back by its own configuration"
    target = {
        "cluster": given.get("cluster", "default"),
        "service": given["service"],
        "task_definition": given.get("task-definition", ""),
        "file": given.get("task-definition", ""),
    }
    return Deployment(step, ECS, step.action, span, target, unknown, returns=start.returns)


def is_update(command: Command) -> bool:
    """Whether a command is `aws ecs update-service`, also with options of `aws` itself before its words."""
    return aws_operation(command) == ("ecs", "update-service")


def aws_operation(command: Command) -> tuple[str, ...]:
    """The service and the operation of an `aws` command; empty for other programs."""
    return read(command).texts[:2] if command.name == "aws" else ()


def _of_start(start: Start, command: Command, place: StepScript, job: Job) -> Deployment | None:
    step, span = place.step, place.step.uses.span if place.step.uses is not None else place.node.span
    if not start.way.restored or place.remote:
        words = step.action if place.remote else "ssh" if command.name == "ssh" else start.words
        return Deployment(step, start.way, words, span, {}, "", start.offset, start.returns, command=command)
    made: Deployment | None = _ecs_update(command, place.script, step, span) if start.way is ECS else None
    if start.way is not ECS:
        made = _kubernetes(start, command, place.script, step, span)
    return replace(made, returns=start.returns, command=command) if made is not None else None


def _ecs_update(command: Command, script: Script, step: Step, span: Span) -> Deployment:
    if command.has("--cli-input-json", "--cli-input-yaml"):
        unknown = "which service is deployed stands in a file that the job makes"
        return Deployment(step, ECS, "aws ecs update-service", span, {}, unknown, command.start)
    target: dict[str, str] = {}
    unknown = _where_unknown(command)
    for name in ("cluster", "service", "region", "profile"):
        word = command.value(f"--{name}")
        if word is None:
            continue
        value = value_of(word.text, step, script)
        unknown = unknown or _unseen(word.text, value)
        if value is not None:
            target[name] = value
    revision = command.value("--task-definition")
    if revision is not None:  # mostly what the script has just registered, which only the shell knows
        value = value_of(revision.text, step, script)
        target["task_definition"] = value if value is not None else revision.text
    if "service" not in target and not unknown:
        unknown = "the command names no service"
    target.setdefault("cluster", "default")
    return Deployment(step, ECS, "aws ecs update-service", span, target, unknown, command.start)


def _where_unknown(command: Command) -> str:
    if command.within(Structure.LOOP):
        return "it deploys in a loop of the shell"
    if command.within(Structure.FUNCTION):
        return "it deploys in a function of the shell"
    if command.within(Structure.BRANCH):
        return "a condition of the shell decides what is deployed"
    return ""


def _kubernetes(start: Start, command: Command, script: Script, step: Step, span: Span) -> Deployment | None:
    line = start.line
    if line is None:
        return None
    target: dict[str, str] = {}
    reasons = [_where_unknown(command)]
    for name, spellings in (("namespace", ("--namespace", "-n")), ("context", ("--context", "--kube-context"))):
        word = line.value(*spellings)
        if word is not None:
            value = value_of(word.text, step, script)
            reasons.append(_unseen(word.text, value))
            target[name] = value or ""
    kept = ""
    if start.way is HELM:
        release = start.name(0)
        if not release:
            return None
        value = value_of(release, step, script)
        reasons += [start.doubt, _unseen(release, value)]
        target["release"] = value or ""
    else:
        workload, kept = _changed_workload(command, line, script, step)
        if workload is None:
            return None
        value = value_of(workload, step, script)
        reasons += [start.doubt, kept if not workload else "", _unseen(workload, value)]
        target["workload"] = value or workload
    unknown = next(filter(None, reasons), "")
    return Deployment(step, start.way, start.words, span, target, unknown, command.start, kept=kept)


def _unseen(text: str, value: str | None) -> str:
    return "" if value is not None else f"it cannot be seen what {text} is"


def _changed_workload(command: Command, line: CommandLine, script: Script, step: Step) -> tuple[str | None, str]:
    """The workload that a kubectl command gives a new version, as it is written, and why it cannot be put back.

    None where the command changes none, and empty where it does not say which.
    """
    words = list(line.texts)
    if words[:2] == ["set", "image"]:
        workload, why = _workload(words[2:]), ""
        if not workload:
            return "", "kubectl set image does not say by name which workloads it changes"
    elif words[:2] == ["rollout", "restart"]:
        workload = _workload(words[2:])
        why = "it restarts what is there, so what runs depends on where a tag points, which an undo keeps"
    elif words[:1] == ["patch"]:
        workload, why = _workload(words[1:]), ""
        if workload.partition("/")[0].lower() not in _WORKLOADS:
            return None, ""
    elif words[:1] in (["apply"], ["replace"]) and not _starts_no_pods(command, script):
        waited = _rolled_out(step)
        if len(waited) != 1:
            several = f"the job waits for {len(waited)}" if waited else "nothing waits for one"
            return "", f"kubectl {words[0]} does not say which workloads it changes, and {several}"
        workload, why = waited.pop(), ""
    else:
        return None, ""
    kind = workload.partition("/")[0].lower()
    if "/" in workload and kind not in ("deployment", "deployments", "deploy", "deployment.apps"):
        why = why or f"{workload} is no deployment, and keeps no revisions of that kind"
    return workload, why


_WORKLOADS = (
    *("deployment", "deployments", "deploy", "deployment.apps", "statefulset", "statefulsets", "sts"),
    *("daemonset", "daemonsets", "ds"),
)


def _starts_no_pods(command: Command, script: Script) -> bool:
    """Whether all that `kubectl apply` changes is what surrounds workloads: namespaces, secrets and the like."""
    feeders = [c for c in script.commands if any(other.start == command.start for other in c.receivers)]
    made = [[w.text for w in c.args if not w.text.startswith("-")] for c in feeders if c.name == "kubectl"]
    if any("create" in words and any(map(_NO_PODS.fullmatch, words)) for words in made):
        return True
    kinds = re.findall(r"^\s*kind:\s*(\w+)", "\n".join(map(_told, (command, *feeders))), re.MULTILINE)
    if kinds:
        return all(_NO_PODS.fullmatch(kind.lower()) for kind in kinds)
    words = [word.text for word in command.args]
    files = [words[at + 1] for at, text in enumerate(words[:-1]) if text in ("-f", "--filename")]
    names = [re.findall(r"[a-z]+", file.rpartition("/")[2].rpartition(".")[0].lower()) for file in files]
    return bool(names) and all(name and all(map(_NO_PODS.fullmatch, name)) for name in names)


def _told(command: Command) -> str:
    """What a command says, here-documents included, without comments."""
    documents = (command.script.text[r.start : r.end] for r in command.redirects if r.operator.startswith("<<"))
    lines = "\n".join((command.source, *documents)).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def _workload(words: list[str]) -> str:
    """`deployment/web`, also where it is written `deployment web`; empty where no word names one."""
    if not words or "=" in words[0]:
        return ""
    if "/" in words[0] or len(words) < 2 or "=" in words[1]:
        return words[0]
    return f"{words[0]}/{words[1]}"


def _rolled_out(step: Step) -> set[str]:
    """The workloads that the job waits for."""
    found: set[str] = set()
    for other in step.job.steps if step.job is not None else ():
        script = other.script
        for command in waits(script) if script is not None else ():
            words = list(read(command).texts)
            if command.name == "kubectl" and words[:2] == ["rollout", "status"] and len(words) > 2:
                found.add(_workload(words[2:]))
    return found


def _named_deployment(job: Job, *, or_release: bool = True) -> bool:
    """Whether a name says so. What runs on a server in production may as well be maintenance."""
    texts = (job.id, job.name, job.workflow.name, job.workflow.path.rpartition("/")[2])
    words = r"deploy|ship|rollout|hotfix|(?:^|[^a-z])cd(?:[^a-z]|$)" + ("|release" if or_release else "")
    return any(re.search(words, text, re.IGNORECASE) for text in texts)


def step_migrates(step: Step) -> bool:
    """Whether a step migrates a database, by its name or by what it runs."""
    titles = f"{step.name} {step.id}".lower()
    if re.search(r"migrat", titles) and not re.search(r"makemigrations|check|lint|dry", titles):
        return True
    texts = [step.run.value] if step.run is not None else []
    texts += [*step.node.texts("with").values(), *step.node.texts("env").values()]
    lines = [line for text in texts for line in text.splitlines() if not line.lstrip().startswith("#")]
    return any(map(says_migrate, lines))


def _migrates_on_start(repository: Repository) -> str:
    """The file that migrates whenever the application starts: a task definition, a chart, or a script that an image
    starts with. Which image is deployed is not always seen; those for development are not."""
    paths = [path for path in repository.glob("*task-def*.json", "*/templates/*.yaml") if not _ASIDE.search(path)]
    images = [path for path in repository.glob("*Dockerfile*", "*Containerfile*") if not _ASIDE.search(path)]
    started = [name for path in images if not DEVELOPMENT.search(path) for name in _started_by(repository.text(path))]
    scripts = [path for path in repository.glob("*.sh", "*entrypoint*") if not _ASIDE.search(path)]
    paths += [path for path in images if not DEVELOPMENT.search(path)]
    paths += [path for path in scripts if path.rpartition("/")[2] in started]
    if not images:  # an image that is built elsewhere
        paths += [path for path in scripts if "entrypoint" in path]
    return next((path for path in paths if _says_migrate(repository.text(path), path in images)), "")


_BREAKER = re.compile(
    r"deployment_?circuit_?breaker\b.{0,200}?rollback\W+true|circuitBreaker\W+\{\W*rollback\W+true", re.I | re.S
)


def _breaker(repository: Repository) -> str:
    """The file in which infrastructure as code gives a service the circuit breaker of ECS that rolls back."""
    templates = ("*cloudformation*", "*template*.y*ml", "*template*.json", "*stack*.ts", "*stack*.py", "*service*.ts")
    paths = repository.glob("*.tf", *templates)
    return next((path for path in paths if _BREAKER.search(repository.text(path))), "")


_ASIDE = re.compile(r"(^|/)(tests?|node_modules|docs?)/")
_STARTS = re.compile(r"^\s*(?:CMD|ENTRYPOINT)\b(.*)$", re.MULTILINE | re.IGNORECASE)


def _started_by(dockerfile: str) -> Iterator[str]:
    """The names of the scripts that its stages start with."""
    for line in _STARTS.findall(dockerfile):
        yield from (path.rpartition("/")[2] for path in re.findall(r"[\w./-]+", line))


def _says_migrate(text: str, image: bool) -> bool:
    lines = _STARTS.findall(text) if image else text.splitlines()
    if image:  # a script that the image writes itself
        written = "|".join(map(re.escape, _started_by(text)))
        made = re.compile(rf">\s*\S*(?:{written})(?![\w.-])")
        lines += [line for line in text.splitlines() if written and made.search(line)]
    return any(says_migrate(line) and not line.lstrip().startswith("#") for line in lines)


def _database(repository: Repository) -> str:
    """The first file that names a database, or a library that speaks to one."""
    dependencies = repository.glob(
        *("*requirements*.txt", "*pyproject.toml", "*setup.cfg", "*Pipfile", "*package.json", "*schema.prisma"),
        *("*Gemfile", "*composer.json", "*go.mod", "*Cargo.toml", "*pom.xml", "*build.gradle*", "*.csproj", "*mix.exs"),
    )
    for path in dependencies:
        text = _COMMENT.sub("", repository.text(path))
        if _DATABASE.search(text) or _LIBRARY.search(text):
            return path
    others = repository.glob("*compose*.y*ml", "*.env*", "*task-def*.json", ".github/workflows/*.y*ml", "*.tf")
    return next((path for path in others if _DATABASE.search(_COMMENT.sub("", repository.text(path)))), "")


# -- values -------------------------------------------------------------------------------------------------------


def value_of(text: str, step: Step, script: Script | None, depth: int = 0) -> str | None:
    """A word of the shell with its variables followed to where they are set; None where that cannot be seen.

    What is set in the step, its script or its job is put in place of the variable; what the whole workflow sets
    becomes `${{ env.NAME }}`.
    """
    if depth > 5:
        return None
    plain = masked(text, "\0")
    if "$(" in plain or "`" in plain:
        return None
    made, at = "", 0
    for found in _VARIABLE.finditer(plain):
        value = _variable(found[1] or found[2], step, script, depth)
        if value is None:
            return None
        made += text[at : found.start()] + value
        at = found.end()
    rest = plain[at:]
    return None if "$" in rest else made + text[at:]


def _variable(name: str, step: Step, script: Script | None, depth: int) -> str | None:
    assigned = script.assignments.get(name) if script is not None else None
    if assigned is not None:
        return value_of(assigned.text, step, script, depth + 1)
    job = step.job
    given = {**(job.node.texts("env") if job is not None else {}), **step.node.texts("env")}
    if name in given:
        return given[name]
    if name in step.workflow.root.mapping("env"):
        return f"${{{{ env.{name} }}}}"
    if name in _GITHUB_VARIABLES:
        return f"${{{{ {_GITHUB_VARIABLES[name]} }}}}"
    for other in job.steps if job is not None else ():
        if other.at == step.at:
            break
        if name in ("AWS_REGION", "AWS_DEFAULT_REGION") and other.uses is not None and other.with_ is not None:
            region = other.with_.get("aws-region")
            if _AWS_SIGN_IN.match(other.uses.value) and region is not None:
                return str(region.value)
        if exports(other, name):
            return f"${{{{ env.{name} }}}}"
    return None


def _output_of_shell(read: Read, near: Step) -> tuple[str, Step]:
    """What `echo "image=…" >> "$GITHUB_OUTPUT"` gives an output, and the step that says it; empty where none does."""
    for step in near.job.steps if near.job is not None else ():
        for command in step.script.commands if step.script is not None else ():
            for word in command.args if command.name in ("echo", "printf") else ():
                name, _, value = word.text.partition("=")
                if step.id and read.is_(f"steps.{step.id}.outputs.{name}"):
                    return value, step
    return "", near


def exports(step: Step, name: str) -> bool:
    """Whether a step sets a variable for the steps behind it."""
    script = step.run.value if step.run is not None else ""
    return "GITHUB_ENV" in script and re.search(rf"\b{name}=", script) is not None


def filled_in(command: str) -> ScriptText:
    """A command of the configuration, which is one where a person says so; empty where it still is the `…` of a
    message."""
    return ScriptText.written("" if "…" in command else command)


def as_script(command: ScriptText) -> ScriptText:
    """A command as the `run:` of a step: of several lines the last one ends too."""
    return ScriptText.lines([command]) if "\n" in command else command


# -- repeating what is there ----------------------------------------------------------------------------------------


def copy_of(step: Step) -> dict[str, Any]:
    """A step as a value to write again, as it is written; the comment beside its pin stays with it."""
    found: dict[str, Any] = step.workflow.as_it_stands(step.node, step.data)
    if step.uses is not None:
        comment = step.workflow.comment_of(step.uses)
        if comment and re.match(r"v?\d", comment):
            found["uses"] = Commented(step.uses.value, comment)
    found.pop("if", None)
    return found


_NAMES_SNAPSHOT = ScriptText.of(
    'echo "::notice::Migrations are not undone. The database as it was before: snapshot $SNAPSHOT_ID"'
)


def snapshot_notice(job_id: str) -> dict[str, Any]:
    """The step of a rollback that names the snapshot which this job took of its database."""
    snapshot = f"needs.{job_id}.outputs.snapshot_id"
    return {
        "name": "Name the snapshot of the database",
        "if": f"always() && {snapshot}",
        "env": {"SNAPSHOT_ID": f"${{{{ {snapshot} }}}}"},
        "run": _NAMES_SNAPSHOT,
    }


def refers_to(value: Any, steps: tuple[Step, ...]) -> str:
    """A step that this value refers to and that is not among these; empty where there is none."""
    known = {step.id.lower() for step in steps if step.id}
    named = (read.name for read in reads_below(value) if read.context in ("steps", ANY))
    return next((name for name in named if name.lower() not in known), "")
