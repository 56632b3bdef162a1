"""The harness itself: a proof is worth no more than what runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proofs.aws import CLUSTER, REGISTRY, REPOSITORY, SERVICE, Aws, emulator
from tests.proofs.github_code import github_code
from tests.proofs.runner import CannotRunError, Played, Runner, read_command_file

pytestmark = pytest.mark.needs("node", "github-parser")


def workflow(*jobs: str) -> str:
    return "on: push\njobs:\n" + "".join(jobs)


def job(name: str, script: str, *keys: str) -> str:
    head = "".join(f"    {key}\n" for key in keys)
    body = "".join(f"          {line}\n" for line in script.splitlines())
    return f"  {name}:\n    runs-on: ubuntu-latest\n{head}    steps:\n      - id: it\n        run: |\n{body}"


def test_github_accepts_a_plain_workflow_and_names_the_line_of_a_wrong_one() -> None:
    good = workflow(job("a", "echo hello"))
    assert github_code().errors(good) == []
    wrong = good.replace("runs-on", "runs-no")
    assert any("runs-no" in problem for problem in github_code().errors(wrong))
    unknown = good + job("b", "echo ${{ needs.c.outputs.x }}", "needs: a")
    assert any("c" in problem.message for problem in github_code().problems(unknown))


def test_a_pipe_fails_a_step_only_with_the_shell_named_bash() -> None:
    pipe = job("a", "false | cat")
    assert Runner(workflow(pipe)).run().result == "success"
    assert Runner(workflow(pipe.replace("run: |", "shell: bash\n        run: |"))).run().result == "failure"


def test_a_job_with_failure_runs_after_a_failed_need_and_sees_its_outputs() -> None:
    deploy = job("deploy", "echo x=1 >> $GITHUB_OUTPUT; exit 1", "outputs:", "  x: ${{ steps.it.outputs.x }}")
    rollback = job("rollback", "echo got ${{ needs.deploy.outputs.x }}", "needs: deploy", "if: failure()")
    after = job("after", "true", "needs: deploy")
    run = Runner(workflow(deploy, rollback, after)).run()
    assert run.jobs["rollback"].result == "success"
    assert "got 1" in run.jobs["rollback"].log
    assert run.jobs["after"].result == "skipped"
    assert run.result == "failure"


def test_an_output_that_holds_a_masked_value_does_not_leave_its_job() -> None:
    script = "echo ::add-mask::123456789012; echo arn=arn:aws:ecs:eu:123456789012:x >> $GITHUB_OUTPUT"
    run = Runner(workflow(job("a", script, "outputs:", "  arn: ${{ steps.it.outputs.arn }}"))).run()
    assert run.jobs["a"].outputs == {}
    assert run.jobs["a"].warnings


@pytest.mark.parametrize("how", ["by hand", "by the job's time limit"])
def test_a_cancelled_job_runs_its_always_steps_and_is_seen_as_cancelled(how: str) -> None:
    always = '      - if: always()\n        run: echo "still here"\n'
    slow = job("slow", "sleep 20", "timeout-minutes: 1") + always
    seen = job("seen", "true", "needs: slow", "if: always() && needs.slow.result == 'cancelled'")
    unseen = job("unseen", "true", "needs: slow", "if: failure()")
    # The last step is given five of these minutes, which a busy machine may need.
    options = {"cancel_in": "it"} if how == "by hand" else {"minute": 2.0}
    run = Runner(workflow(slow, seen, unseen), **options).run()
    assert "still here" in run.jobs["slow"].log
    assert {name: found.result for name, found in run.jobs.items()} == {
        "slow": "cancelled",
        "seen": "success",
        "unseen": "skipped",
    }


def test_an_action_is_played_with_its_inputs() -> None:
    step = "      - uses: some/action@v1\n        with:\n          ref: ${{ github.ref_name }}\n"
    text = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n" + step
    seen: list[object] = []

    def play(with_: dict[str, object], env: dict[str, str]) -> Played:
        seen.append(with_)
        return Played()

    assert Runner(text, plays={"some/action": play}).run().result == "success"
    assert seen == [{"ref": "main"}]
    with pytest.raises(CannotRunError):
        Runner(text).run()


def test_command_files_have_heredocs() -> None:
    assert read_command_file("a=1=2\nb<<END\nx\ny=z\nEND\n") == {"a": "1=2", "b": "x\ny=z"}
    with pytest.raises(ValueError, match="Matching delimiter"):
        read_command_file("b<<END\nx\n")


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with emulator(tmp_path_factory.mktemp("aws")) as found:
        yield found


@pytest.mark.needs("aws", "moto")
def test_after_an_update_the_newest_deployment_comes_first_as_on_aws(aws: Aws) -> None:
    aws.reset()
    good, bad = aws.task_definition("web:v1"), aws.task_definition("web:bad")
    aws.create_service(good)
    assert aws.runs() == good
    aws.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=bad)
    deployments = aws.service()["deployments"]
    assert [d["taskDefinition"].rpartition("/")[2] for d in deployments] == [bad, good]
    assert deployments[0]["rolloutState"] == "IN_PROGRESS"


@pytest.mark.needs("aws", "moto")
def test_tasks_of_a_service_run_the_image_that_the_tag_meant_when_they_started(aws: Aws) -> None:
    aws.reset()
    first = aws.push("first", "1", "production")
    aws.create_service(aws.task_definition(f"{REGISTRY}/{REPOSITORY}:production"))
    second = aws.push("second", "2", "production")
    assert first != second
    assert aws.running_images() == {first}


@pytest.mark.needs("aws", "moto")
def test_aws_refuses_to_leave_this_machine(aws: Aws, tmp_path: Path) -> None:
    env = {**aws.env, "AWS_ENDPOINT_URL": "https://ecs.eu-central-1.amazonaws.com"}
    run = Runner(workflow(job("a", "aws ecs list-clusters")), env=env, path=[aws.path]).run()
    assert run.result == "failure"
    assert "only this machine" in run.log
