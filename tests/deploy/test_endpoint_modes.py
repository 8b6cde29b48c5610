"""The example environments whose endpoints go to zero, deployed by the real CDK CLI, on a clock that the tests turn.

Nothing but the deployed alarms and policies changes how many instances there are. Each test stands on the one before.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from botocore.exceptions import ClientError
from deploy_harness import REGION, ROOT, Account, running_emulator

from emulator.monitoring.clock import SPEED_VARIABLE

pytestmark = pytest.mark.allow_loopback

ACCOUNT = "111122223333"
ASYNC, COMPONENTS = "sdxl-async", "sdxl-components"
REQUEST = {"text_prompts": [{"text": "a puppy"}], "steps": 10, "width": 1024, "height": 1024, "seed": 7}
GENERATION = "v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image"
# Target tracking scales in after 15 minutes.
IDLE_MINUTES = 20
WAKE_RESOURCES = ("WakePolicy", "WakeAlarm")


class Deployed:
    """Both environments, and the emulator's clock."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.client = account.client

    def turn(self, minutes: float) -> None:
        """Let minutes of AWS pass."""
        url = f"{self.account.emulator.aws_endpoint_url}/_emulator/clock"
        answer = httpx2.post(url, json={"turn_seconds": minutes * 60}, timeout=300)
        assert answer.status_code == 200, answer.text

    def instances(self, endpoint: str) -> tuple[int, int]:
        """Desired and current instances."""
        (variant,) = self.client("sagemaker").describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
        return variant["DesiredInstanceCount"], variant["CurrentInstanceCount"]

    def copies(self) -> tuple[int, int]:
        """Desired and current copies of the component."""
        described = self.client("sagemaker").describe_inference_component(InferenceComponentName=COMPONENTS)
        return described["RuntimeConfig"]["DesiredCopyCount"], described["RuntimeConfig"]["CurrentCopyCount"]

    def without_wake(self, stack: str) -> None:
        """Deploy the very template again, without the policy that wakes and its alarm."""
        cloudformation = self.client("cloudformation")
        template = cloudformation.get_template(StackName=stack)["TemplateBody"]
        template = json.loads(template) if isinstance(template, str) else template
        gone = [name for name in template["Resources"] if any(word in name for word in WAKE_RESOURCES)]
        assert len(gone) == len(WAKE_RESOURCES)
        for name in gone:
            del template["Resources"][name]
        cloudformation.update_stack(
            StackName=stack, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_NAMED_IAM"]
        )
        status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        assert status == "UPDATE_COMPLETE"

    def listen(self, topic_arn: str) -> str:
        """A queue that hears of what the topic says; answers with its address."""
        sqs, name = self.client("sqs"), topic_arn.rpartition(":")[2]
        url: str = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        self.client("sns").subscribe(
            TopicArn=topic_arn, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
        )
        return url

    def heard(self, url: str) -> list[dict[str, Any]]:
        """The messages of a queue, which are then gone."""
        sqs = self.client("sqs")
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]


@pytest.fixture(scope="module")
def deployed(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    from quick_synthesis import synthesize_here  # noqa: PLC0415 - only where it runs, see there

    folder = tmp_path_factory.mktemp("modes")
    environments = folder / "environments"
    environments.mkdir()
    for name in ("async", "components"):
        shutil.copy(ROOT / "tests" / "environments" / f"{name}.yaml", environments)
    assembly = synthesize_here(folder / "assembly", environments)
    with pytest.MonkeyPatch.context() as patch:
        # No test lasts as long as a step of the clock: what happens, a turn has made happen.
        patch.setenv(SPEED_VARIABLE, "1")
        with running_emulator(folder) as emulator:
            account = Account(emulator, ACCOUNT, home)
            for arguments, app in (
                (["bootstrap", f"aws://{ACCOUNT}/{REGION}"], ""),
                (["deploy", f"{ASYNC}/Inference", f"{COMPONENTS}/Api", "--require-approval", "never"], assembly),
            ):
                result = account.cdk(*arguments, app=app)
                assert result.returncode == 0, result.stdout + result.stderr
            yield Deployed(account)


@pytest.fixture(scope="module")
def succeeded(deployed: Deployed) -> str:
    """A queue that hears of finished requests."""
    return deployed.listen(deployed.account.outputs(f"{ASYNC}-Inference")["SuccessTopicArn"])


@pytest.fixture(scope="module")
def failed(deployed: Deployed) -> str:
    """A queue that hears of failed requests."""
    return deployed.listen(deployed.account.outputs(f"{ASYNC}-Inference")["ErrorTopicArn"])


def ask(deployed: Deployed, **more: Any) -> Any:
    return deployed.client("sagemaker-runtime").invoke_endpoint_async(
        **{
            "EndpointName": ASYNC,
            "ContentType": "application/json",
            "Accept": "application/json;png",
            "Body": json.dumps(REQUEST).encode(),
            **more,
        }
    )


def stored(deployed: Deployed, location: str) -> Any:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return deployed.client("s3").get_object(Bucket=bucket, Key=key)


def generate(deployed: Deployed) -> httpx2.Response:
    key_id = deployed.account.outputs(f"{COMPONENTS}-Api")["ApiKeyId"]
    key = deployed.client("apigateway").get_api_key(apiKey=key_id, includeValue=True)["value"]
    url = f"{deployed.account.api_url(f'{COMPONENTS}-Api')}/{GENERATION}"
    return httpx2.post(url, headers={"x-api-key": key}, json=REQUEST, timeout=60)


def test_both_endpoints_start_with_the_deployed_count_and_answer(deployed: Deployed) -> None:
    assert (deployed.instances(ASYNC), deployed.copies()) == ((1, 1), (1, 1))
    assert generate(deployed).status_code == 200


def test_one_request_wakes_an_endpoint_at_zero_is_answered_and_lets_it_go_to_zero_again(
    deployed: Deployed, succeeded: str, failed: str
) -> None:
    deployed.turn(IDLE_MINUTES)
    assert deployed.instances(ASYNC) == (0, 0)

    answer = ask(deployed, InferenceId="job.1.0", S3OutputPathExtension="jobs/job/1", Filename="0.json")
    deployed.turn(3)
    starting, early = deployed.instances(ASYNC), deployed.heard(succeeded)
    deployed.turn(6)

    assert (starting, early, deployed.instances(ASYNC)) == ((1, 0), [], (1, 1))
    (message,) = deployed.heard(succeeded)
    assert message["invocationStatus"] == "Completed"
    assert message["inferenceId"] == "job.1.0"
    assert message["responseParameters"]["outputLocation"] == answer["OutputLocation"]
    assert answer["OutputLocation"].endswith("/asynchronous/output/jobs/job/1/0.json")
    found = stored(deployed, answer["OutputLocation"])
    assert found["ServerSideEncryption"] == "aws:kms"
    assert json.loads(found["Body"].read())["artifacts"][0]["seed"] == 7
    assert deployed.heard(failed) == []
    deployed.turn(IDLE_MINUTES)
    assert deployed.instances(ASYNC) == (0, 0)


def test_a_burst_is_answered_whole_and_starts_no_more_instances_than_allowed(
    deployed: Deployed, succeeded: str
) -> None:
    small = json.dumps({**REQUEST, "width": 320, "height": 320}).encode()
    for number in range(15):
        ask(deployed, InferenceId=f"burst.{number}", Body=small)

    most, told = 0, []
    for _ in range(12):
        deployed.turn(1)
        most = max(most, deployed.instances(ASYNC)[0])
        while messages := deployed.heard(succeeded):
            told += [message["inferenceId"] for message in messages]

    assert sorted(told) == sorted(f"burst.{number}" for number in range(15))
    assert 1 <= most <= 4
    deployed.turn(IDLE_MINUTES)
    assert deployed.instances(ASYNC) == (0, 0)


def test_the_execution_role_is_all_that_sagemaker_needed(deployed: Deployed) -> None:
    report = httpx2.get(f"{deployed.account.emulator.aws_endpoint_url}/_emulator/iam").json()

    assert "asynchronous/output" in json.dumps(report)
    assert '"sns:Publish"' in json.dumps(report)
    assert denials(report) == []


def denials(report: Any) -> list[Any]:
    """What a role was refused, in the emulator's report."""
    roles = report["roles"] if isinstance(report, dict) and "roles" in report else report
    found = roles.values() if isinstance(roles, dict) else roles
    return [one for role in found for one in role["denied"]]


def test_the_same_template_without_the_wake_policy_does_not_wake(deployed: Deployed, succeeded: str) -> None:
    deployed.without_wake(f"{ASYNC}-Inference")

    ask(deployed)
    deployed.turn(60)

    assert deployed.instances(ASYNC) == (0, 0)
    assert deployed.heard(succeeded) == []


def test_a_call_of_the_api_wakes_a_component_at_zero_and_later_calls_are_answered(deployed: Deployed) -> None:
    deployed.turn(IDLE_MINUTES)
    assert deployed.copies() == (0, 0)

    refused = generate(deployed)
    deployed.turn(1)
    starting = deployed.copies()
    for _ in range(6):
        # A caller that tries again each minute wakes no second copy.
        assert generate(deployed).status_code in {200, 503}
        deployed.turn(1)

    assert (refused.status_code, refused.json()["name"]) == (503, "model_not_ready")
    assert "wakes it" in refused.json()["message"]
    assert 0 < int(refused.headers["retry-after"]) <= 120
    assert (starting, deployed.copies()) == ((1, 0), (1, 1))
    assert generate(deployed).status_code == 200
    deployed.turn(IDLE_MINUTES + 15)
    assert (deployed.copies(), deployed.instances(COMPONENTS)) == ((0, 0), (0, 0))


def test_the_same_template_of_components_without_the_wake_policy_does_not_wake(deployed: Deployed) -> None:
    deployed.without_wake(f"{COMPONENTS}-Inference")

    for _ in range(4):
        assert generate(deployed).status_code == 503
        deployed.turn(5)

    assert deployed.copies() == (0, 0)
    with pytest.raises(ClientError, match="has no capacity"):
        deployed.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=COMPONENTS, InferenceComponentName=COMPONENTS, Body=json.dumps(REQUEST).encode()
        )
