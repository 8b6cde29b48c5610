"""The order of a rollout, what stops it, what is said then; the smoke test; the workflow and the commands."""

from __future__ import annotations

import json
import shlex
import shutil
import zlib
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from sdxl.cli import app
from sdxl.client import Client, Retries
from sdxl.commands.pipeline import bootstrap_lines
from sdxl.deployment.aws import filled, lookup_role_arn, reachable
from sdxl.deployment.record import Deployment
from sdxl.deployment.smoke_test import check_image, smoke_test
from sdxl.errors import SdxlError, UnexpectedAnswerError, UsageError
from sdxl.rollout import steps
from sdxl.rollout.github import workflow_text
from sdxl.rollout.runner import Rollout
from sdxl.rollout.steps import wait_until_at_rest
from stacks.environment.pipeline import GitHub, Pipeline, load_pipeline
from tools.repository import folder_in_repository, repository_root

pytestmark = pytest.mark.disable_socket

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "tests" / "pipelines" / "small"
PIPELINE, ENVIRONMENTS = load_pipeline(EXAMPLE / "pipeline.yaml")
DEPLOYMENT = Deployment(kind="aws", api_url="https://api.test", api_key="key", environment="dev")


class FakeSteps:
    """Notes what is done; raises `error` at the step and environment of `at`."""

    def __init__(self, at: str = "", error: BaseException | None = None) -> None:
        self.done: list[str] = []
        self._at = at
        self._error = error

    def _do(self, what: str) -> str:
        if what == self._at and self._error is not None:
            raise self._error
        self.done.append(what)
        return "fine"

    def preflight(self, environment: Any) -> str:
        return self._do(f"preflight {environment.name}")

    def deploy(self, environment: Any) -> str:
        return self._do(f"deploy {environment.name}")

    def smoke_test(self, environment: Any, kind: str) -> str:
        return self._do(f"{kind} {environment.name}")


def run(steps: FakeSteps, **chosen: str) -> Rollout:
    rollout = Rollout(PIPELINE, ENVIRONMENTS, **chosen)
    rollout.run(steps, enter=lambda _: None, show=lambda _: None)
    return rollout


def test_rings_are_deployed_in_order_each_looked_at_before_and_after() -> None:
    steps = FakeSteps()

    assert run(steps).is_done
    assert steps.done == [
        f"{step} {name}" for name in ("dev", "staging", "prod") for step in ("preflight", "deploy", "image")
    ]


def test_nothing_is_deployed_in_a_ring_whose_preflight_fails() -> None:
    steps = FakeSteps("preflight staging", SdxlError("no quota"))
    rollout = run(steps)

    assert steps.done[-1] == "image dev"
    assert rollout.summary() == [
        "done       dev/dev (100000000002, us-west-2)",
        "failed     staging/staging (100000000003, us-west-2): at its preflight; nothing changed there",
        "untouched  prod/prod (100000000004, us-west-2)",
    ]
    assert rollout.outcomes[1].message == "no quota"
    assert rollout.how_to_resume().endswith("sdxl rollout --from-ring staging")


def test_a_whole_ring_is_looked_at_before_any_of_it_is_deployed() -> None:
    first = PIPELINE.rings[0].model_copy(update={"environments": ("dev", "staging")})
    together = PIPELINE.model_copy(update={"rings": (first,)})
    steps = FakeSteps("preflight staging", SdxlError("no quota"))
    Rollout(together, ENVIRONMENTS).run(steps, enter=lambda _: None, show=lambda _: None)

    assert steps.done == ["preflight dev"]


def test_failed_deployment_says_that_stacks_may_be_changed() -> None:
    rollout = run(FakeSteps("deploy staging", SdxlError("rolled back")))

    assert rollout.summary()[1].endswith("at its deploy; its stacks may be changed")
    assert [outcome.state for outcome in rollout.outcomes] == ["done", "failed", "untouched"]


def test_interruption_is_kept_and_raised() -> None:
    rollout = Rollout(PIPELINE, ENVIRONMENTS)
    with pytest.raises(KeyboardInterrupt):
        rollout.run(FakeSteps("deploy dev", KeyboardInterrupt()), enter=lambda _: None, show=lambda _: None)

    assert [outcome.state for outcome in rollout.outcomes] == ["interrupted", "untouched", "untouched"]
    assert "--from-ring dev" in rollout.how_to_resume()


def test_rings_are_chosen_one_or_from_one_on() -> None:
    assert [ring.name for ring in Rollout(PIPELINE, ENVIRONMENTS, ring="staging").rings] == ["staging"]
    assert [ring.name for ring in Rollout(PIPELINE, ENVIRONMENTS, from_ring="staging").rings] == ["staging", "prod"]
    with pytest.raises(UsageError, match=r"no ring 'x'. In order, the rings are dev, staging, prod"):
        Rollout(PIPELINE, ENVIRONMENTS, ring="x")
    with pytest.raises(UsageError, match="give one of the two"):
        Rollout(PIPELINE, ENVIRONMENTS, ring="dev", from_ring="dev")


def test_dry_run_says_the_plan_and_a_manual_ring_needs_a_person() -> None:
    plan = CliRunner().invoke(app, ["rollout", "--dir", str(EXAMPLE), "--dry-run"])
    refused = CliRunner().invoke(app, ["rollout", "--dir", str(EXAMPLE)])

    assert plan.exit_code == 0
    assert "prod: prod to 100000000004, us-west-2: preflight, deploy, smoke test image, after approval" in plan.stdout
    assert refused.exit_code == 2
    assert "The ring prod has approval: manual, and nobody is there to ask." in " ".join(refused.output.split())


def png(size: tuple[int, int], rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    head = size[0].to_bytes(4) + size[1].to_bytes(4) + bytes((8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


DRAWING = png((64, 4), b"".join(b"\0" + bytes(range(row, row + 192)) for row in range(4)))


def test_image_must_be_whole_of_the_size_and_not_blank() -> None:
    check_image(DRAWING, (64, 4))
    with pytest.raises(UnexpectedAnswerError, match=r"is 64x4; 1024x1024 was asked for"):
        check_image(DRAWING, (1024, 1024))
    with pytest.raises(UnexpectedAnswerError, match="it ends before its end chunk"):
        check_image(DRAWING[:-12], (64, 4))
    with pytest.raises(UnexpectedAnswerError, match="no PNG"):
        check_image(b"<html>", (64, 4))
    with pytest.raises(UnexpectedAnswerError, match="blank, of one colour"):
        check_image(png((64, 4), b"".join(b"\1" + b"\7\7\7" + bytes(189) for _ in range(4))), (64, 4))


def client(*health: int) -> Client:
    answers = iter(health)
    return Client(
        DEPLOYMENT.api_url,
        "key",
        retries=Retries.none(),
        transport=httpx2.MockTransport(lambda _: httpx2.Response(next(answers), json={"status": "starting"})),
    )


def test_health_is_waited_for_and_the_wait_is_said_once() -> None:
    said: list[str] = []
    result = smoke_test(
        DEPLOYMENT, check="health", note=said.append, sleep=lambda _: None, client=client(503, 503, 200)
    )

    assert result.image_seconds is None
    assert len(said) == 1
    assert said[0].startswith("waiting for https://api.test/health, up to 900 s: ")


def test_health_that_never_comes_fails_with_its_last_words() -> None:
    times = iter(range(0, 10_000, 400))
    with pytest.raises(SdxlError, match=r"https://api.test/health was not ready within 900 s; last: "):
        smoke_test(
            DEPLOYMENT,
            check="health",
            note=lambda _: None,
            sleep=lambda _: None,
            clock=lambda: next(times),
            client=client(*[503] * 9),
        )


def test_workflow_has_a_job_for_each_ring_one_after_another() -> None:
    jobs = yaml.safe_load(workflow_text(PIPELINE))["jobs"]

    assert [(name, job.get("needs")) for name, job in jobs.items()] == [
        ("synth", None),
        ("ring-dev", "synth"),
        ("ring-staging", "ring-dev"),
        ("ring-prod", "ring-staging"),
    ]
    assert jobs["ring-prod"]["environment"] == "prod"
    assert jobs["ring-prod"]["permissions"] == {"contents": "read", "id-token": "write"}
    assert "id-token" not in json.dumps(jobs["synth"])
    steps = [step for job in jobs.values() for step in job["steps"]]
    assert all(len(step["uses"].partition("@")[2]) == 40 for step in steps if "uses" in step), "pinned by commit"


def test_committed_workflow_is_up_to_date() -> None:
    committed = (EXAMPLE.parent / "workflows" / "small.yaml").read_text()

    assert committed == workflow_text(PIPELINE), "sdxl pipeline github --dir tests/pipelines/small"


def commands(pipeline: Pipeline, directory: str | None = None) -> list[str]:
    return [line for line in bootstrap_lines(pipeline, ENVIRONMENTS, directory) if not line.startswith("#")]


def test_each_account_gets_its_access_stack_then_a_bootstrap_that_trusts_the_tooling_account() -> None:
    tooling, *others = commands(PIPELINE)

    assert "--trust" not in tooling
    assert [line.split()[3] for line in others] == [
        item
        for account in ("100000000002", "100000000003", "100000000004")
        for item in (f"sdxl-access-{account}", f"aws://{account}/us-west-2")
    ]
    assert others[0] == "npx cdk deploy sdxl-access-100000000002 -c access=environments"
    assert all("--trust 100000000001 --trust-for-lookup 100000000001" in line for line in others[1::2])
    assert (
        '--cloudformation-execution-policies "$(.venv/bin/sdxl pipeline execution-policy --env dev --arns)"'
        in others[1]
    )


def with_github(**settings: Any) -> Pipeline:
    return PIPELINE.model_copy(update={"github": GitHub(**settings)})


def test_tooling_account_of_github_has_the_access_stack_first_and_no_administrator() -> None:
    lines = commands(with_github(identity_provider="create"))

    assert lines[:2] == [
        "npx cdk deploy sdxl-access-100000000001 -c access=environments",
        "npx cdk deploy sdxl-access-100000000002 -c access=environments",
    ]
    assert "AdministratorAccess" not in "\n".join(lines)


def test_commands_name_another_folder_as_it_was_typed() -> None:
    lines = commands(PIPELINE, "team/environments")

    assert lines[1] == "npx cdk deploy sdxl-access-100000000002 -c access=team/environments"
    assert "execution-policy --env dev --arns --dir team/environments)" in lines[2]


PAGE = (ROOT / "docs" / "rollout.md").read_text()


def test_page_shows_the_commands_that_are_printed() -> None:
    """A deploy test runs these in two accounts."""
    (block,) = [
        one for one in PAGE.split("```sh\n") if one.startswith("npx cdk deploy sdxl-access-ACCOUNT") and "aws://" in one
    ]
    shown = block[: block.index("```")].replace("\\\n  ", "")
    given = {"ACCOUNT": "100000000004", "REGION": "us-west-2", "TOOLING": "100000000001"}
    for placeholder, value in given.items():
        shown = shown.replace(placeholder, value)

    assert shown.splitlines() == commands(PIPELINE)[-2:]


def test_settings_of_github_on_the_page_are_valid() -> None:
    (block,) = [one for one in PAGE.split("```yaml\n") if one.startswith("github:")]

    assert GitHub.model_validate(yaml.safe_load(block[: block.index("```")])["github"]).owner_id == 123456


def test_workflow_reads_every_account_through_the_lookup_role() -> None:
    """The rollout's role can read nothing, also not in the tooling account, whose environments it deploys too."""
    jobs = yaml.safe_load(workflow_text(PIPELINE))["jobs"]
    runs = [step.get("run", "") for name in ("ring-dev", "ring-prod") for step in jobs[name]["steps"]]
    rollouts = [shlex.split(run) for run in runs if "sdxl rollout" in run]

    assert len(rollouts) == 2
    for words in rollouts:
        template = words[words.index("--role-arn-template") + 1]
        assert filled(template, ENVIRONMENTS["dev"]) == lookup_role_arn(ENVIRONMENTS["dev"])


@pytest.mark.parametrize("provider", [None, "create"])
def test_workflow_without_a_role_of_the_access_stack_says_whose_it_is(
    monkeypatch: pytest.MonkeyPatch, provider: str | None
) -> None:
    pipeline = with_github(identity_provider=provider, role_name="rolls-out")
    monkeypatch.setattr("sdxl.commands.pipeline.load_pipeline_of", lambda _: (pipeline, ENVIRONMENTS))

    done = CliRunner().invoke(app, ["pipeline", "github"])

    assert done.exit_code == 0
    assert done.stdout.rstrip() == workflow_text(pipeline, folder=folder_in_repository()).rstrip()
    is_said = "The role rolls-out of account 100000000001" in " ".join(done.stderr.split())
    assert is_said is (provider is None)


def test_workflow_of_a_folder_outside_the_project_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "environments"))

    done = CliRunner().invoke(app, ["pipeline", "github", "--dir", str(folder)])

    assert done.exit_code == 2
    assert "is outside the project" in " ".join(done.stderr.split())


def test_role_templates_are_filled_in() -> None:
    dev = ENVIRONMENTS["dev"]

    assert lookup_role_arn(dev) == ("arn:aws:iam::100000000002:role/cdk-hnb659fds-lookup-role-100000000002-us-west-2")
    assert filled("arn:aws:iam::{account}:role/reads-{environment}", dev) == "arn:aws:iam::100000000002:role/reads-dev"
    with pytest.raises(UsageError, match=r"may have \{account\}, \{region\} and"):
        filled("arn:aws:iam::{acount}:role/x", dev)


def test_api_is_reached_where_the_endpoint_variable_says() -> None:
    url = "https://abc123.execute-api.us-west-2.amazonaws.com/api"

    assert reachable(url, {}) == url
    there = {"AWS_ENDPOINT_URL_EXECUTE_API": "http://127.0.0.1:4580/"}
    assert reachable(url, there) == "http://127.0.0.1:4580/_aws/execute-api/abc123/api"
    assert reachable("https://images.example.com", there) == "https://images.example.com"


class FakeSession:
    """CloudFormation that reports the stacks' statuses, one after another."""

    def __init__(self, *answers: list[tuple[str, str]] | Exception) -> None:
        self.answers = list(answers)

    def client(self, service: str) -> FakeSession:
        assert service == "cloudformation"
        return self

    def get_paginator(self, operation: str) -> FakeSession:
        assert operation == "describe_stacks"
        return self

    def paginate(self):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        yield {"Stacks": [{"StackName": name, "StackStatus": status} for name, status in answer]}


def test_a_deployment_that_was_cut_off_is_waited_for() -> None:
    session = FakeSession(
        [("sdxl-prod-Inference", "UPDATE_IN_PROGRESS"), ("sdxl-dev-Api", "UPDATE_IN_PROGRESS")],
        [("sdxl-prod-Inference", "UPDATE_ROLLBACK_IN_PROGRESS")],
        [("sdxl-prod-Inference", "UPDATE_ROLLBACK_COMPLETE"), ("sdxl-prod-Api", "REVIEW_IN_PROGRESS")],
    )
    said: list[str] = []

    wait_until_at_rest(session, "sdxl-prod-", note=said.append, pause_seconds=0)

    assert said == ["waiting for an earlier deployment of sdxl-prod-Inference"]
    assert len(session.answers) == 1


def test_stacks_that_never_come_to_rest_end_the_rollout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "REST_SECONDS", -1.0)

    with pytest.raises(SdxlError, match="sdxl-prod-Inference is still being changed after"):
        wait_until_at_rest(
            FakeSession([("sdxl-prod-Inference", "UPDATE_IN_PROGRESS")]), "sdxl-prod-", note=print, pause_seconds=0
        )


def test_stacks_that_cannot_be_seen_end_the_rollout() -> None:
    error = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeStacks")

    with pytest.raises(SdxlError, match=r"The stacks sdxl-prod-\* cannot be looked at: .*AccessDenied"):
        wait_until_at_rest(FakeSession(error), "sdxl-prod-", note=print)


def test_in_a_folder_of_a_larger_repository_the_workflow_runs_there():
    pipeline, _ = load_pipeline(EXAMPLE / "pipeline.yaml")
    workflow = yaml.safe_load(workflow_text(pipeline, folder="infra/sdxl"))
    assert workflow["defaults"]["run"]["working-directory"] == "infra/sdxl"
    paths = [
        line
        for job in workflow["jobs"].values()
        for step in job["steps"]
        for line in str(step.get("with", {}).get("path", "")).split()
    ]
    assert paths
    assert all(path.startswith("infra/sdxl/") for path in paths)
    assert "defaults" not in yaml.safe_load(workflow_text(pipeline))


def test_the_projects_folder_in_its_repository(tmp_path):
    project = tmp_path / "infra" / "sdxl"
    project.mkdir(parents=True)
    assert folder_in_repository(project) == ""
    (tmp_path / ".git").mkdir()
    assert (folder_in_repository(project), repository_root(project)) == ("infra/sdxl", tmp_path)
    assert folder_in_repository(tmp_path) == ""
