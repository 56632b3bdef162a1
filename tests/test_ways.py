"""The table of ways to deploy, and how command lines are read for it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from fixer.deploy.command_lines import OptionTable, read
from fixer.deploy.commands import StepScript, deploys
from fixer.deploy.ways import Returns, mentioned, of_action, of_command, ways
from fixer.github.remote import over_ssh
from fixer.github.workflow import Step, Workflow
from fixer.languages.shell import Command, Script
from fixer.model import Source

ROOT = Path(__file__).parent.parent


def command(text: str) -> Command:
    return Script.parse(text).commands[0]


def steps(text: str) -> tuple[Step, ...]:
    head = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n"
    body = "".join(f"      {line}\n" for line in text.strip().splitlines())
    return Workflow.parse(Source(".github/workflows/deploy.yml", head + body)).jobs["a"].steps


@pytest.mark.parametrize(
    ("text", "way", "name"),
    [
        ("helm upgrade --install --version 1.2.3 shop ./chart", "Helm", "shop"),
        ('helm upgrade --timeout 5m "$APP" ./chart', "Helm", "$APP"),
        ("helm upgrade -o json shop ./chart", "Helm", "shop"),
        ("helm upgrade --set-string a=b shop ./chart --wait", "Helm", "shop"),
        ("helm --kube-context x upgrade shop ./chart", "Helm", "shop"),
        ("helm upgrade --dry-run shop ./chart", None, ""),
        ("kubectl --request-timeout 30s set image deployment/web web=a:2", "Kubernetes", "deployment/web"),
        ("kubectl -nshop rollout restart deployment/web", "Kubernetes", "deployment/web"),
        ("kubectl apply --server-side -f k8s/", "Kubernetes", ""),
        ("kubectl apply --dry-run=client -f k8s/", None, ""),
        ("docker service update --with-registry-auth --image a:2 web", "Docker Swarm", "web"),
        ("az containerapp update --name shop --image a:2", "Azure Container Apps", ""),
        ("az webapp config container set --name shop", "Azure App Service", ""),
        ("gcloud --project p run deploy shop --image a:2", "Google Cloud", "shop"),
        ("railway --service web up", "Railway", ""),
        ("cf push shop -f manifest.yml", "Cloud Foundry", "shop"),
        ("cdk --profile p deploy --all", "AWS CloudFormation", ""),
        ("sls --stage prod deploy", "AWS CloudFormation", ""),
        ("terraform -chdir=infra apply -auto-approve", "Terraform", ""),
        ("ansible-playbook -i hosts site.yml", "Ansible", ""),
        ("ansible-playbook --check site.yml", None, ""),
        ("aws deploy create-deployment --application-name shop", "AWS CodeDeploy", ""),
        ("aws apprunner start-deployment --service-arn a", "AWS App Runner", ""),
        ("aws elasticbeanstalk update-environment --version-label v2", "AWS Elastic Beanstalk", ""),
        ("aws elasticbeanstalk update-environment --option-settings x", None, ""),
        ("git push dokku main", "Dokku", "main"),
        ("git push https://heroku:$KEY@git.heroku.com/shop.git HEAD:main", "Heroku", "HEAD:main"),
        ("git push origin heroku", None, ""),
        ("docker compose up -d", None, ""),
        ("curl -X POST $SLACK_WEBHOOK_URL", None, ""),
        ('curl --data "$message" "$WEBHOOK"', None, ""),
        ("curl -X POST $SHOP_WEBHOOK", "a deploy hook", ""),
        ("curl -X POST https://api.github.com/repos/a/b/deployments", None, ""),
        ("curl -X POST https://shop.example/api/deployed", None, ""),
        ("curl -X POST https://shop.example/hooks/deployment-finished -d version=2", None, ""),
        ("curl https://api.honeybadger.io/v1/deploys -d deploy[revision]=2", None, ""),
        ("curl -X POST https://api.render.com/deploy/srv-1?key=2", "a deploy hook", ""),
    ],
)
def test_what_a_command_line_deploys(text: str, way: str | None, name: str) -> None:
    found = of_command(command(text))
    assert (found.way.name if found is not None else None) == way
    if found is not None and name:
        assert (found.name(0), found.doubt) == (name, "")


def test_a_word_behind_an_option_that_is_not_known_is_no_certain_name() -> None:
    found = of_command(command("helm upgrade --brand-new x shop ./chart"))
    assert found is not None
    assert "--brand-new" in found.doubt
    before = of_command(command("kubectl --brand-new x set image deployment/web web=a:2"))
    assert before is not None
    assert before.doubt


@pytest.mark.parametrize(
    ("text", "returns"),
    [
        ("helm upgrade shop ./chart", Returns.BEGUN),
        ("helm upgrade shop ./chart --atomic", Returns.SERVING),
        ("flyctl deploy", Returns.SERVING),
        ("flyctl deploy --detach", Returns.BEGUN),
        ("docker service update --detach=false --image a:2 web", Returns.SERVING),
        ("docker service update --detach --image a:2 web", Returns.BEGUN),
        ("aws ecs update-service --service web --force-new-deployment", Returns.BEGUN),
    ],
)
def test_when_a_command_returns(text: str, returns: Returns) -> None:
    found = of_command(command(text))
    assert found is not None
    assert found.returns is returns


def test_an_action_waits_where_its_inputs_say_so() -> None:
    one, two, three = steps(
        """
- uses: aws-actions/amazon-ecs-deploy-task-definition@v2
  with: {service: web, wait-for-service-stability: true}
- uses: aws-actions/amazon-ecs-deploy-task-definition@v2
  with: {service: web}
- uses: aws-actions/amazon-ecs-deploy-task-definition@v2
"""
    )
    returns = [found.returns if (found := of_action(step)) is not None else None for step in (one, two, three)]
    assert returns == [Returns.SERVING, Returns.BEGUN, None]


def test_a_comment_deploys_nothing_and_a_server_is_read_like_a_runner() -> None:
    first, second, third, fourth = steps(
        """
- run: |
    # kubectl set image deployment/web web=a:2
    kubectl get pods
- run: ssh me@host "cd /srv && docker compose up -d"
- run: |
    ssh me@host <<'EOF'
      cd /srv
      # docker compose up -d
      ls
    EOF
- run: ssh me@host docker compose exec -T web python manage.py migrate
"""
    )
    assert [deploys(step) for step in (first, second, third, fourth)] == [False, True, False, False]
    place = StepScript.of(second)
    assert place is not None
    assert [start.way.name for start in place.starts] == ["a server"]


@pytest.mark.parametrize(
    "given", ["host", "-p 22 host", "-p22 host", "-tp 22 host", "-o BatchMode=yes -T host", "host -p 22", "host -t"]
)
def test_what_ssh_runs_stands_behind_the_host_and_all_options(given: str) -> None:
    (step,) = steps(f"- run: ssh {given} docker compose up -d\n")
    script = step.script
    assert script is not None
    assert [each.text for command in script.commands for each in over_ssh(command)] == ["docker compose up -d"]


def test_every_way_says_how_one_goes_back_and_is_mentioned_by_its_own_words() -> None:
    for way in ways():
        assert way.restored or (way.why and way.back), way.name
        for means in way.commands:
            if not means.server:
                text = " ".join(word.replace("*", "x") for word in means.pattern)
                assert mentioned(f"- run: {text}"), text


def test_every_option_table_says_where_it_is_from_and_contradicts_itself_nowhere() -> None:
    known = tomllib.loads((ROOT / "fixer/deploy/options.toml").read_text(encoding="utf-8"))
    for program, entry in known.items():
        assert entry["version"], program
        assert entry["source"], program
        table = OptionTable.of(program)
        for words, valued in table.valued.items():
            assert not valued & table.flags[words], (program, words)
            assert not valued & table.flags[()], (program, words)


def test_options_that_are_put_together_are_told_apart() -> None:
    line = read(command("docker service update -qdu me --image=a:2 web"))
    assert [(name, word.text if word else None) for name, word in line.options] == [
        ("-q", None),
        ("-d", None),
        ("-u", "me"),
        ("--image", "a:2"),
    ]
    assert line.texts == ("service", "update", "web")
