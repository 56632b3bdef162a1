"""What the deploy pack says of deployments that it does not mend, and of which environment it takes them to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.model import Blocked
from fixer.registry import all_rules
from tests.fixture_cases import planned

RULES = {rule.id: rule for rule in all_rules()}


def deploying(steps: str, name: str, on: str = "push", runner: str = "ubuntu-latest") -> str:
    """A workflow whose one job has these steps."""
    head = f"name: {name}\non: {on}\njobs:\n  deploy:\n    runs-on: {runner}\n    steps:\n"
    return head + "".join(f"      {line}\n" for line in steps.strip().splitlines())


def findings(
    steps: str,
    folder: Path,
    rule: str = "missing-rollback",
    *,
    name: str = "Deploy",
    on: str = "push",
    runner: str = "ubuntu-latest",
    config: str = "",
) -> list[tuple[str, str]]:
    """Message and reason of each finding that stays, in a workflow whose one job has these steps."""
    workflow = deploying(steps, name, on, runner)
    made = planned(folder, {".github/workflows/deploy.yml": workflow.encode()}, [RULES[rule]], config)
    assert not made.taken
    cures = [(found.finding.message, found.finding.cure) for found in made.left]
    return [(message, cure.reason if isinstance(cure, Blocked) else "") for message, cure in cures]


SIGN_IN = """\
- uses: aws-actions/configure-aws-credentials@v4
  with: {role-to-assume: "${{ vars.ROLE }}", aws-region: eu-central-1}
"""
ROLLS_OUT = (
    SIGN_IN
    + """\
- name: Deploy
  uses: aws-actions/amazon-ecs-deploy-task-definition@v2
  with: {task-definition: task.json, cluster: shop, service: web, wait-for-service-stability: true}
"""
)


def test_a_step_that_starts_the_failed_revision_anew_is_no_rollback(tmp_path: Path) -> None:
    step = "- name: Undo\n  if: failure()\n  run: aws ecs update-service --cluster shop --service web"
    found = findings(f"{ROLLS_OUT}{step} --force-new-deployment", tmp_path)
    assert [message for message, _ in found] == [
        "step Undo does not roll job deploy back: it starts the same revision anew, which is the one that failed"
    ]


def test_the_circuit_breaker_of_terraform_is_told(tmp_path: Path) -> None:
    steps = ROLLS_OUT.replace('role-to-assume: "${{ vars.ROLE }}"', 'role-to-assume: "${{ steps.who.outputs.role }}"')
    workflow = "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n" + "".join(
        f"      {line}\n" for line in steps.splitlines()
    )
    module = "resource x y {\n  deployment_circuit_breaker {\n    enable = true\n    rollback = true\n  }\n}\n"
    files = {".github/workflows/deploy.yml": workflow.encode(), "infra/service.tf": module.encode()}
    [left] = planned(tmp_path, files, [RULES["missing-rollback"]]).left
    assert "by infra/service.tf ECS does where tasks do not start" in left.finding.message


@pytest.mark.parametrize("name", ["Destroy", "Tear down", "PR environment"])
def test_what_is_taken_away_or_made_for_a_pull_request_has_nothing_to_go_back_to(name: str, tmp_path: Path) -> None:
    script = f"{SIGN_IN}- run: aws ecs update-service --cluster c --service s --force-new-deployment"
    assert findings(script, tmp_path / "other", name=name) == []
    assert len(findings(script, tmp_path / "deploy")) == 1


def test_a_step_that_reads_the_failed_revision_is_no_rollback(tmp_path: Path) -> None:
    reads = "aws ecs describe-services --cluster shop --services web --query 'services[0].taskDefinition' --output text"
    script = f"now=$({reads})\n    aws ecs update-service --cluster shop --service web --task-definition $now"
    found = findings(f"{ROLLS_OUT}- name: Undo\n  if: failure()\n  run: |\n    {script}", tmp_path)
    assert len(found) == 1
    assert "reads what to go back to after the deployment" in found[0][0]


def test_a_step_that_takes_what_was_registered_before_is_no_rollback(tmp_path: Path) -> None:
    listed = (
        "aws ecs list-task-definitions --family-prefix web --sort DESC --query 'taskDefinitionArns[1]' --output text"
    )
    script = f"last=$({listed})\n    aws ecs update-service --cluster shop --service web --task-definition $last"
    found = findings(f"{ROLLS_OUT}- name: Undo\n  if: failure()\n  run: |\n    {script}", tmp_path)
    assert len(found) == 1
    assert "need not be a revision that ran" in found[0][0]


def test_a_step_that_restores_another_service_is_no_rollback(tmp_path: Path) -> None:
    step = "- name: Undo\n  if: failure()\n  run: aws ecs update-service --cluster shop --service worker"
    found = findings(f"{ROLLS_OUT}{step} --task-definition worker:3", tmp_path)
    assert [message for message, _ in found] == [
        "step Undo does not roll job deploy back: it restores service worker, which it does not deploy"
    ]


def test_what_always_runs_on_a_server_is_no_rollback(tmp_path: Path) -> None:
    server = "uses: appleboy/ssh-action@v1\n  with:\n    script: |\n      "
    steps = f"- {server}docker compose up -d\n- if: always()\n  {server}make livecheck"
    assert [message for message, _ in findings(steps, tmp_path)] == [
        "job deploy deploys (appleboy/ssh-action), and nothing goes back when that fails"
    ]


@pytest.mark.parametrize(
    "script",
    [
        'aws ecs update-service --cluster shop --service web --task-definition "${{ steps.now.outputs.revision }}"',
        "docker push registry.example/web:live && aws ecs update-service --service web --force-new-deployment",
    ],
    ids=["read before", "the tag moved back"],
)
def test_a_step_that_rolls_back_is_left_alone(script: str, tmp_path: Path) -> None:
    now = "aws ecs describe-services --cluster shop --services web --query 'services[0].taskDefinition' --output text"
    record = f'- id: now\n  run: echo "revision=$({now})" >> "$GITHUB_OUTPUT"\n'
    steps = ROLLS_OUT.replace("- name: Deploy", f"{record}- name: Deploy")
    assert findings(f"{steps}- if: failure()\n  run: {script}", tmp_path) == []


def test_of_several_workloads_that_are_waited_for_none_is_chosen(tmp_path: Path) -> None:
    cluster = "- run: aws eks update-kubeconfig --name shop\n"
    script = "    kubectl apply -f k8s/\n" + "".join(
        f"    kubectl rollout status deploy/{name}\n" for name in ("a", "b")
    )
    found = findings(f"{SIGN_IN}{cluster}- run: |\n{script}", tmp_path)
    reason = "job deploy: kubectl apply does not say which workloads it changes, and the job waits for 2"
    assert [reason for _, reason in found] == [reason]


@pytest.mark.parametrize(
    "script",
    [
        "kubectl create secret generic s --from-literal=a=b --dry-run=client -o yaml | kubectl apply -n shop -f -",
        "kubectl apply -f k8s/00-namespace.yaml -f k8s/01-configmap-secret.yml",
        "cat <<EOF | kubectl apply -f -\n    kind: Namespace\n    metadata: {name: shop}\n    EOF",
        "kubectl apply -f - <<EOF\n    kind: ConfigMap\n    EOF",
    ],
)
def test_what_surrounds_workloads_is_no_deployment(script: str, tmp_path: Path) -> None:
    cluster = "- run: aws eks update-kubeconfig --name shop\n"
    assert findings(f"{SIGN_IN}{cluster}- run: |\n    {script}", tmp_path) == []
    more = "kubectl apply -f k8s/00-namespace.yaml -f k8s/deployment.yaml"
    assert len(findings(f"{SIGN_IN}{cluster}- run: |\n    {script}\n    {more}", tmp_path)) == 1


def test_a_script_for_another_shell_is_not_read_and_says_so(tmp_path: Path) -> None:
    update = "  run: aws ecs update-service --cluster shop --service web"
    found = findings(f"{SIGN_IN}- shell: pwsh\n{update} --task-definition web:3", tmp_path)
    reason = "job deploy: a step deploys by a script that is neither for bash nor for sh"
    assert [reason for _, reason in found] == [reason]
    assert findings(f"{SIGN_IN}- shell: pwsh\n{update} --desired-count 2", tmp_path) == []


def test_commands_that_ssh_reads_from_a_here_document_deploy(tmp_path: Path) -> None:
    script = "    ssh deploy@shop.example << 'EOF'\n      cd /srv\n      docker compose up -d\n    EOF"
    found = findings(f"- run: |\n{script}", tmp_path)
    assert [message for message, _ in found] == ["job deploy deploys (ssh), and nothing goes back when that fails"]
    assert findings(f"- run: |\n{script.replace('docker', '# docker')}", tmp_path) == []


def test_a_name_that_is_kept_as_a_secret_cannot_pass_on_which_image_ran(tmp_path: Path) -> None:
    login = "- uses: aws-actions/amazon-ecr-login@v2\n- run: docker push ${{ secrets.ECR_REPOSITORY }}:latest\n"
    update = "- run: aws ecs update-service --cluster shop --service web --force-new-deployment"
    found = findings(f"{SIGN_IN}{login}{update}", tmp_path)
    assert len(found) == 1
    assert found[0][1].endswith("GitHub drops a job's output that holds secrets.ECR_REPOSITORY")


def test_an_undo_with_options_before_its_words_is_a_rollback(tmp_path: Path) -> None:
    cluster = "- run: aws eks update-kubeconfig --name shop\n"
    script = "    kubectl -n shop set image deploy/web web=web:2\n    kubectl -n shop rollout status deploy/web ||\n"
    undo = "      { kubectl -n shop rollout undo deploy/web; exit 1; }\n"
    assert findings(f"{SIGN_IN}{cluster}- run: |\n{script}{undo}", tmp_path) == []


@pytest.mark.parametrize(
    ("name", "production"),
    [("Deploy prod", True), ("Non-prod release", False), ("preprod deploy", False), ("Deploy pre-production", False)],
)
def test_what_comes_before_production_is_not_production(name: str, production: bool, tmp_path: Path) -> None:
    steps = f"{ROLLS_OUT}  env: {{DATABASE_URL: x}}"
    assert bool(findings(steps, tmp_path, "missing-predeploy-backup", name=name)) is production


@pytest.mark.parametrize(
    ("cluster", "service", "production"),
    [("prod", "web-dev", False), ("prod", "web", True), ("shared", "web-prod", True), ("dev-tools", "web-live", True)],
)
def test_the_service_says_more_than_the_cluster_that_it_shares(
    cluster: str, service: str, production: bool, tmp_path: Path
) -> None:
    named = ROLLS_OUT.replace("cluster: shop, service: web", f"cluster: {cluster}, service: {service}")
    steps = f"{named}  env: {{DATABASE_URL: x}}"
    assert bool(findings(steps, tmp_path, "missing-predeploy-backup")) is production


@pytest.mark.parametrize("rule", ["missing-rollback", "missing-predeploy-backup"])
def test_a_matrix_takes_no_step_whatever_is_configured(rule: str, tmp_path: Path) -> None:
    steps = f"{ROLLS_OUT}  env: {{DATABASE_URL: x}}"
    runner = "ubuntu-latest\n    strategy: {matrix: {region: [a, b]}}"
    config = f"rules.{rule}.command = 'x'"
    found = findings(steps, tmp_path, rule, name="Deploy prod", runner=runner, config=config)
    assert [reason for _, reason in found] == ["job deploy is a matrix, and each of its legs would do it"]


@pytest.mark.parametrize(("appdir", "found"), [("./", 1), ("server", 1), ("server/web", 1), ("java", 0), ("serve", 0)])
def test_a_folder_without_the_django_project_needs_no_migration(appdir: str, found: int, tmp_path: Path) -> None:
    steps = f"- uses: akhileshns/heroku-deploy@v3\n  with: {{heroku_app_name: shop, appdir: '{appdir}'}}\n"
    (tmp_path / "server/web/shop").mkdir(parents=True)
    (tmp_path / "server/web/manage.py").write_text("os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n")
    (tmp_path / "server/web/shop/settings.py").write_text(
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql'}}\n"
    )
    assert len(findings(steps, tmp_path, "missing-deploy-migration")) == found


def test_where_nothing_speaks_of_a_database_none_is_missed(tmp_path: Path) -> None:
    assert findings(ROLLS_OUT, tmp_path, "missing-predeploy-backup", name="Deploy prod") == []


def test_what_is_deployed_for_a_pull_request_has_nothing_to_go_back_to(tmp_path: Path) -> None:
    update = "- run: aws ecs update-service --cluster shop --service web-pr --task-definition web:3"
    assert findings(update, tmp_path, on="[pull_request, schedule]") == []
    merged = f"{update}\n  if: github.event.pull_request.merged"
    assert len(findings(merged, tmp_path, on="{pull_request: {types: [closed]}}")) == 1


def test_a_runner_that_only_this_job_knows_is_none_for_the_rollback(tmp_path: Path) -> None:
    found = findings(ROLLS_OUT, tmp_path, runner="${{ needs.setup.outputs.runner }}")
    assert [reason for _, reason in found] == ["the runner of job deploy is known in this job only"]


def test_a_service_that_is_found_out_between_two_deployments_cannot_be_recorded_before(tmp_path: Path) -> None:
    update = "- run: aws ecs update-service --cluster shop --task-definition web:3 --service"
    late = '- id: late\n  run: echo "name=worker" >> "$GITHUB_OUTPUT"\n'
    found = findings(f'{SIGN_IN}{update} web\n{late}{update} "${{{{ steps.late.outputs.name }}}}"', tmp_path)
    reason = "job deploy finds out behind its first deployment what it deploys next, too late to record what runs"
    assert [reason for _, reason in found] == [reason]


@pytest.mark.parametrize(("job", "deploys"), [("deploy", True), ("release", False)])
def test_a_release_that_is_cut_on_a_server_deploys_nothing(job: str, deploys: bool, tmp_path: Path) -> None:
    text = f"""\
on: push
jobs:
  {job}:
    runs-on: ubuntu-latest
    steps:
      - uses: appleboy/ssh-action@v1
        with:
          host: example.com
          script: |
            git pull origin main
            bash ./bin/tag.sh
"""
    made = planned(tmp_path, {".github/workflows/main.yml": text.encode()}, [RULES["missing-rollback"]])

    assert bool(made.left) is deploys


APPLIES = """\
- uses: azure/setup-kubectl@v4
- name: Deploy
  run: |
    kubectl set image deployment/web web=shop:1
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "kubectl rollout status deployment/web || kubectl rollout undo deployment/web",
            "kubectl rollout status deployment/web || { kubectl rollout undo deployment/web; exit 1; }",
        ),
        (
            "if ! kubectl rollout status deployment/web; then\n  kubectl rollout undo deployment/web\nfi",
            "if ! kubectl rollout status deployment/web; then\n  kubectl rollout undo deployment/web\n  exit 1\nfi",
        ),
        (
            "if ! kubectl rollout status deployment/web; then kubectl rollout undo deployment/web; exit 0; fi",
            "if ! kubectl rollout status deployment/web; then kubectl rollout undo deployment/web; exit 1; fi",
        ),
        (
            "if curl -f https://shop.example; then\n  echo ok\nelse\n  kubectl rollout undo deploy/web\n  exit\nfi",
            "if curl -f https://shop.example; then\n  echo ok\nelse\n  kubectl rollout undo deploy/web\n  exit 1\nfi",
        ),
        (
            "kubectl rollout status deployment/web || {\n  kubectl rollout undo deployment/web\n}",
            "kubectl rollout status deployment/web || {\n  kubectl rollout undo deployment/web\n  exit 1\n}",
        ),
        ("kubectl rollout status deployment/web || (kubectl rollout undo deployment/web; exit 1)", ""),
        ("if ! kubectl rollout status deployment/web; then kubectl rollout undo deployment/web; exit 1; fi", ""),
        ("if ! kubectl rollout status deployment/web; then\n  kubectl rollout undo deployment/web\n  bad=1\nfi", ""),
        ('if [ "$ACTION" = back ]; then\n  kubectl rollout undo deployment/web\n  exit 0\nfi', ""),
    ],
)
def test_a_step_that_went_back_does_not_end_green(before: str, after: str, tmp_path: Path) -> None:
    head = "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n"
    lines = [*APPLIES.splitlines(), *(f"    {line}" for line in before.splitlines())]
    text = head + "".join(f"      {line}\n" for line in lines)
    path = ".github/workflows/deploy.yml"
    made = planned(tmp_path, {path: text.encode()}, [RULES["missing-rollback"]])

    written = made.files[path].after.to_bytes().decode() if path in made.files else ""
    wanted = text.replace("".join(f"          {line}\n" for line in before.splitlines()), "§")
    assert written == (
        wanted.replace("§", "".join(f"          {line}\n" for line in after.splitlines())) if after else ""
    )


@pytest.mark.parametrize(
    ("run", "files", "place"),
    [
        ("./deploy.sh", {"deploy.sh": "set -e\nkubectl apply -f k8s/\n"}, "kubectl apply in deploy.sh:2"),
        (
            "bash scripts/deploy.sh",
            {"scripts/deploy.sh": "helm upgrade web ./chart\n"},
            "helm upgrade in scripts/deploy.sh:1",
        ),
        (
            "make deploy",
            {"Makefile": "deploy: build\n\tflyctl deploy\nbuild:\n\ttrue\n"},
            "flyctl deploy in Makefile:2",
        ),
        ("npm run deploy", {"package.json": '{"scripts": {"deploy": "sls deploy"}}'}, "sls deploy in package.json:1"),
    ],
)
def test_a_deployment_by_a_script_of_the_repository_is_followed(
    run: str, files: dict[str, str], place: str, tmp_path: Path
) -> None:
    head = "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v5\n"
    text = f"{head}      - run: {run}\n"
    given = {".github/workflows/deploy.yml": text, **files}
    made = planned(tmp_path, {path: data.encode() for path, data in given.items()}, [RULES["missing-rollback"]])

    assert [found.finding.message for found in made.left] == [
        f"job deploy deploys ({place}), and nothing goes back when that fails"
    ]
    assert not made.taken


def test_a_script_that_goes_back_by_itself_is_a_rollback(tmp_path: Path) -> None:
    script = (
        "kubectl apply -f k8s/\nkubectl rollout status deploy/web || { kubectl rollout undo deploy/web; exit 1; }\n"
    )
    text = "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - run: ./deploy.sh\n"
    given = {".github/workflows/deploy.yml": text.encode(), "deploy.sh": script.encode()}
    made = planned(tmp_path, given, [RULES["missing-rollback"]])

    assert [found.finding.message for found in (*made.left, *made.taken)] == []


def test_kubectl_in_an_action_deploys_and_goes_back_by_its_arguments(tmp_path: Path) -> None:
    deploys = "- uses: actions-hub/kubectl@master\n  with:\n    args: set image deploy web web=shop:1\n"
    back = "- if: failure()\n  uses: actions-hub/kubectl@master\n  with:\n    args: rollout undo deploy web\n"

    (only,) = findings(deploys, tmp_path / "one")
    assert only[0] == "job deploy deploys (actions-hub/kubectl), and nothing goes back when that fails"
    assert findings(deploys.replace("set image", "get pods"), tmp_path / "two") == []
    assert findings(deploys + back, tmp_path / "three") == []


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        (".env.example", "ENDPOINT=http://127.0.0.1:8000 # Django endpoint\n", False),
        (".env.example", "# DATABASE_URL=\n", False),
        (".env.example", "DATABASE_URL=\n", True),
        ("requirements.txt", "Django==5\n", True),
    ],
)
def test_what_speaks_of_a_database(path: str, text: str, found: bool, tmp_path: Path) -> None:
    workflow = "on: push\njobs:\n  production:\n    runs-on: ubuntu-latest\n    steps:\n      - run: flyctl deploy\n"
    given = {".github/workflows/deploy.yml": workflow.encode(), path: text.encode()}
    made = planned(tmp_path, given, [RULES["missing-predeploy-backup"]])

    assert bool(made.left) is found


def test_a_script_that_the_image_writes_migrates_when_it_starts(tmp_path: Path) -> None:
    image = "FROM python:3.12\nRUN echo 'python manage.py migrate' >> /start.sh\nCMD [\"/start.sh\"]\n"
    workflow = "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - run: flyctl deploy\n"
    given = {
        ".github/workflows/deploy.yml": workflow,
        "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
        "shop/settings.py": "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql'}}\n",
    }
    rules = [RULES["missing-deploy-migration"]]
    encoded = {path: text.encode() for path, text in given.items()}

    assert planned(tmp_path / "without", encoded, rules).left
    assert not planned(tmp_path / "with", encoded | {"Dockerfile": image.encode()}, rules).left


# -- what is not seen to migrate ------------------------------------------------------------------------------------

DJANGO = {
    "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
    "shop/settings.py": "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql'}}\n",
    "requirements.txt": "django\n",
}
SQLITE = {"shop/settings.py": "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'db'}}\n"}
IMAGE = {"Dockerfile": 'FROM python:3.12\nCOPY . /app\nWORKDIR /app\nCMD ["gunicorn", "shop.wsgi"]\n'}


def stays(folder: Path, steps: str, files: dict[str, str], rule: str = "missing-deploy-migration") -> list[str]:
    """What the rule says of a job that deploys Django by these steps: the reasons."""
    for path, text in {**DJANGO, **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return [reason for _, reason in findings(steps, folder, rule, name="Deploy production")]


def on_the_server(*commands: str) -> str:
    script = "".join(f"      {command}\n" for command in commands)
    return f"- uses: appleboy/ssh-action@v1\n  with:\n    host: shop.example\n    script: |\n{script}"


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("./deploy.sh", {"deploy.sh": "python manage.py migrate\nsystemctl restart shop\n"}),
        ("fab deploy", {"fabfile.py": "def deploy(c):\n    c.run('python manage.py migrate')\n"}),
        ("python ops/deploy.py", {"ops/deploy.py": "run('python manage.py migrate')\n"}),
    ],
)
def test_what_a_server_runs_of_the_repository_is_read(command: str, files: dict[str, str], tmp_path: Path) -> None:
    steps = on_the_server("cd /srv/shop", command, "systemctl restart shop")

    assert stays(tmp_path / "with", steps, files) == []
    assert len(stays(tmp_path / "without", steps, {})) == 1


@pytest.mark.parametrize(
    ("command", "is_ours"),
    [
        ("/srv/shop/deploy.sh", True),
        ("bash ~/shop/deploy.sh", True),
        ("/srv/shop/ops/deploy.sh", False),
        ("/usr/local/bin/deploy.sh", False),
    ],
)
def test_a_script_by_its_whole_path_is_that_of_the_checkout(command: str, is_ours: bool, tmp_path: Path) -> None:
    script = "cd /srv/shop\npython manage.py migrate\nsystemctl restart shop\n"
    files = {"deploy.sh": script, "ops/nginx.conf": ""}

    assert (stays(tmp_path, on_the_server(command, "systemctl restart shop"), files) == []) is is_ours


@pytest.mark.parametrize("command", ["./deploy.sh", "fab deploy", "python3 ops/deploy.py", "ansible-playbook site.yml"])
def test_what_nobody_can_read_on_a_server_may_migrate(command: str, tmp_path: Path) -> None:
    (reason,) = stays(tmp_path, on_the_server("cd /srv/shop", command, "systemctl restart shop"), {})

    assert reason.startswith("job deploy may migrate there: ")
    assert command.split()[0] in reason


WEB_APP = "- uses: azure/webapps-deploy@v3\n  with: {app-name: %s}\n"


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ("- run: cd ops && ansible-playbook site.yml -i hosts/production\n", "what the tasks of the playbook do"),
        (WEB_APP % "shop", "the start command that the app is configured with"),
    ],
)
def test_what_stands_in_no_file_that_is_read_may_migrate(steps: str, reason: str, tmp_path: Path) -> None:
    given = {**DJANGO, ".github/workflows/deploy.yml": deploying(steps, "Deploy production")}
    encoded = {path: text.encode() for path, text in given.items()}

    (left,) = planned(tmp_path, encoded, [RULES["missing-deploy-migration"]]).left

    assert left.finding.message == "job deploy deploys a Django project and is not seen to migrate its database"
    assert left.level == "note"
    assert isinstance(left.finding.cure, Blocked)
    assert left.finding.cure.reason == f"job deploy may migrate there: {reason} is not read"


def test_an_application_that_is_named_for_another_framework_is_no_django(tmp_path: Path) -> None:
    assert stays(tmp_path / "flask", WEB_APP % "shop-flask", {}) == []
    assert len(stays(tmp_path / "both", WEB_APP % "shop-flask-and-django", {})) == 1


def test_a_release_by_a_program_that_is_named_for_migrating_migrates(tmp_path: Path) -> None:
    steps = "- uses: dokku/github-action@master\n  with: {git_remote_url: 'ssh://dokku@shop.example/shop'}\n"
    procfile = {"Procfile": "web: gunicorn shop.wsgi\nrelease: python -m shop.cli.migrate\n"}

    assert stays(tmp_path / "with", steps, procfile) == []
    assert len(stays(tmp_path / "without", steps, {})) == 1


def test_what_is_built_and_started_in_a_folder_of_a_server_is_known(tmp_path: Path) -> None:
    image = {
        "Dockerfile": 'FROM python:3.12\nCOPY . /app\nCMD ["sh", "-c", "python manage.py migrate && gunicorn x"]\n'
    }
    steps = on_the_server("docker build -t shop /srv/shop", "docker run -d --name shop shop")

    assert stays(tmp_path / "with", steps, image) == []
    assert len(stays(tmp_path / "without", steps, IMAGE)) == 1


def test_compose_without_django_deploys_no_django(tmp_path: Path) -> None:
    steps = on_the_server("cd /srv/shop/monitoring", "docker compose up -d")
    graphs = {"monitoring/compose.yaml": "services:\n  graphs:\n    image: grafana:11\n"}
    both = {"monitoring/compose.yaml": "services:\n  web:\n    build: ..\n"}

    assert stays(tmp_path / "graphs", steps, {**IMAGE, **graphs}) == []
    assert len(stays(tmp_path / "both", steps, {**IMAGE, **both})) == 1
    more = steps + "      systemctl restart gunicorn\n"
    assert len(stays(tmp_path / "more", more, {**IMAGE, **graphs})) == 1


@pytest.mark.parametrize("rule", ["missing-deploy-migration", "missing-predeploy-backup"])
def test_a_database_that_each_deployment_makes_anew_has_nothing_to_keep(rule: str, tmp_path: Path) -> None:
    heroku = "- run: heroku container:release web\n"

    assert stays(tmp_path / "sqlite", heroku, SQLITE, rule) == []
    assert len(stays(tmp_path / "postgres", heroku, {}, rule)) == 1
    compose = on_the_server("cd /srv/shop", "docker compose up -d --build")
    without = {**IMAGE, **SQLITE, "compose.yaml": "services:\n  web:\n    build: .\n"}
    kept = {
        **without,
        "compose.yaml": "services:\n  web:\n    build: .\n    volumes: ['data:/app']\nvolumes: {data: }\n",
    }
    assert stays(tmp_path / "container", compose, without, rule) == []
    assert len(stays(tmp_path / "volume", compose, kept, rule)) == 1
    assert len(stays(tmp_path / "server", on_the_server("systemctl restart shop"), SQLITE, rule)) == 1


def test_workflows_of_another_folder_deploy_nothing(tmp_path: Path) -> None:
    text = "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - run: flyctl deploy\n"

    def left(path: str) -> int:
        return len(planned(tmp_path / path, {path: text.encode()}, [RULES["missing-rollback"]]).left)

    assert left(".github/workflows/deploy.yml") == 1
    assert left("examples/shop/.github/workflows/deploy.yml") == 0


def test_a_job_that_looks_for_missing_migrations_migrates_nothing(tmp_path: Path) -> None:
    text = (
        "on: push\njobs:\n  NAME:\n    runs-on: ubuntu-latest\n    steps:\n      - run: python manage.py x\n"
        "  deploy:\n    needs: NAME\n    runs-on: ubuntu-latest\n    steps:\n      - run: flyctl deploy\n"
    )

    def left(name: str) -> int:
        files = {**DJANGO, ".github/workflows/deploy.yml": text.replace("NAME", name)}
        encoded = {path: each.encode() for path, each in files.items()}
        return len(planned(tmp_path / name, encoded, [RULES["missing-deploy-migration"]]).left)

    assert left("migrations-check") == 1
    assert left("migrate") == 0


def test_a_workflow_without_any_event_deploys_nothing(tmp_path: Path) -> None:
    text = "jobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - run: flyctl deploy\n"

    def left(head: str) -> int:
        files = {".github/workflows/deploy.yml": f"{head}{text}".encode()}
        return len(planned(tmp_path / (head or "none").strip(), files, [RULES["missing-rollback"]]).left)

    assert left("on: push\n") == 1
    assert left("") == 0


def test_a_preview_that_is_closed_deploys_nothing(tmp_path: Path) -> None:
    step = "- uses: Azure/static-web-apps-deploy@v1\n  with: {action: ACTION}\n"

    assert len(findings(step.replace("ACTION", "upload"), tmp_path / "upload")) == 1
    assert findings(step.replace("ACTION", "close"), tmp_path / "close") == []
