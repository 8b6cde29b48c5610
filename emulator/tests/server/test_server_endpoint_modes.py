"""Endpoints that go to zero, and the messages around them, in an emulator whose clock the tests turn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from emulator_support import http, zipped

from emulator.client import DUMMY_SECRET, access_key_id
from emulator.monitoring.clock import SPEED_VARIABLE
from emulator.state_file import RunningEmulator
from emulator.testing import running_emulator

pytestmark = pytest.mark.allow_loopback

ACCOUNT, REGION = "222222222222", "us-east-1"
IMAGE = f"763104351884.dkr.ecr.{REGION}.amazonaws.com/stabilityai-pytorch-inference:2.0.1"
BODY = json.dumps({"text_prompts": [{"text": "a cat"}], "width": 320, "height": 320, "seed": 3}).encode()
CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
RUN_MINUTES = 20


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    """An emulator whose time passes only where a test turns the clock: no test lasts as long as a step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SPEED_VARIABLE, "1")
        with running_emulator(tmp_path_factory.mktemp("emulator")) as running:
            yield running


class Aws:
    """boto3 and the emulator's own paths."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._clients: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.session.Session().client(
                service,
                endpoint_url=self.url,
                region_name=REGION,
                aws_access_key_id=access_key_id(ACCOUNT),
                aws_secret_access_key=DUMMY_SECRET,
                config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
            )
        return self._clients[service]

    def turn(self, **time: float) -> None:
        """Turn the clock by minutes and seconds."""
        seconds = time.get("minutes", 0) * 60 + time.get("seconds", 0)
        answer = http("POST", f"{self.url}/_emulator/clock", json.dumps({"turn_seconds": seconds}).encode())
        assert answer.status == 200, answer.body

    def fault(self, **fault: Any) -> None:
        """Switch a fault of messages on."""
        answer = http("PUT", f"{self.url}/_emulator/messages", json.dumps(fault).encode())
        assert answer.status == 200, answer.body

    def deploy(self, name: str, resources: dict[str, Any]) -> None:
        """Deploy a stack, and say why where that fails."""
        cloudformation = self("cloudformation")
        cloudformation.create_stack(
            StackName=name, TemplateBody=json.dumps({"Resources": resources}), Capabilities=CAPABILITIES
        )
        status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        reasons = " | ".join(event["ResourceStatusReason"] for event in events if event.get("ResourceStatusReason"))
        assert status == "CREATE_COMPLETE", reasons

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Take what is visible in a queue."""
        sqs = self("sqs")
        url, found = sqs.get_queue_url(QueueName=queue)["QueueUrl"], []
        while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in batch:
                found.append(message)
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture
def aws(emulator: RunningEmulator) -> Iterator[Aws]:
    aws = Aws(emulator.aws_endpoint_url)
    yield aws
    http("DELETE", f"{aws.url}/_emulator/messages")
    http("DELETE", f"{aws.url}/_emulator/faults")


def resource(kind: str, depends: str | None = None, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties, **({"DependsOn": depends} if depends else {})}


def get(name: str, attribute: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, attribute]}


def role(service: str, *statements: dict[str, Any]) -> dict[str, Any]:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    document = {"Version": "2012-10-17", "Statement": [*statements]}
    policies = [{"PolicyName": "own", "PolicyDocument": document}] if statements else []
    return resource(
        "AWS::IAM::Role", AssumeRolePolicyDocument={"Version": "2012-10-17", "Statement": [trust]}, Policies=policies
    )


def allow(*actions: str, on: Any = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [*actions], "Resource": on}


def deny_plain_http(arn: Any) -> dict[str, Any]:
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    return {"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": arn, "Condition": condition}


MODEL = resource(
    "AWS::SageMaker::Model",
    PrimaryContainer={"Image": IMAGE, "ModelDataUrl": "s3://b/k"},
    ExecutionRoleArn=get("Role", "Arn"),
)


def asynchronous(name: str, *, wakes: bool = True, role_statements: Any = None) -> dict[str, Any]:
    """An asynchronous endpoint that may go to zero, its bucket, and a queue that hears of results."""
    results = {"Fn::Sub": "s3://${Bucket}/output"}
    statements = [allow("s3:GetObject", "s3:PutObject", "sns:Publish")] if role_statements is None else role_statements
    variant = {"VariantName": "primary", "InitialInstanceCount": 1, "InitialVariantWeight": 1}
    variant |= {"InstanceType": "ml.g5.4xlarge", "ModelName": get("Model", "ModelName")}
    notifications = {"SuccessTopic": {"Ref": "Topic"}, "ErrorTopic": {"Ref": "Topic"}}
    dimension = [{"Name": "EndpointName", "Value": name}]
    sending = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": get("Results", "Arn")}
    sending |= {"Principal": {"Service": "sns.amazonaws.com"}}
    sending |= {"Condition": {"ArnEquals": {"aws:SourceArn": {"Ref": "Topic"}}}}
    resources = {
        "Bucket": resource("AWS::S3::Bucket", BucketName=f"{name}-bucket"),
        "Topic": resource("AWS::SNS::Topic"),
        # Without a policy of its own, a topic lets everyone of its account publish.
        "TopicPolicy": resource(
            "AWS::SNS::TopicPolicy",
            Topics=[{"Ref": "Topic"}],
            PolicyDocument={"Version": "2012-10-17", "Statement": [deny_plain_http({"Ref": "Topic"})]},
        ),
        "Results": resource("AWS::SQS::Queue", QueueName=f"{name}-results"),
        "ResultsPolicy": resource(
            "AWS::SQS::QueuePolicy",
            Queues=[{"Ref": "Results"}],
            PolicyDocument={"Version": "2012-10-17", "Statement": [sending]},
        ),
        "Subscription": resource(
            "AWS::SNS::Subscription",
            Protocol="sqs",
            TopicArn={"Ref": "Topic"},
            Endpoint=get("Results", "Arn"),
            RawMessageDelivery=True,
        ),
        "Role": role("sagemaker.amazonaws.com", *statements),
        "Model": MODEL,
        "Config": resource(
            "AWS::SageMaker::EndpointConfig",
            ProductionVariants=[variant],
            AsyncInferenceConfig={
                "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 1},
                "OutputConfig": {
                    "S3OutputPath": results,
                    "S3FailurePath": {"Fn::Sub": "s3://${Bucket}/failure"},
                    "NotificationConfig": notifications,
                },
            },
        ),
        "Endpoint": resource(
            "AWS::SageMaker::Endpoint", EndpointName=name, EndpointConfigName=get("Config", "EndpointConfigName")
        ),
        "Target": resource(
            "AWS::ApplicationAutoScaling::ScalableTarget",
            "Endpoint",
            MinCapacity=0,
            MaxCapacity=2,
            ResourceId=f"endpoint/{name}/variant/primary",
            ScalableDimension="sagemaker:variant:DesiredInstanceCount",
            ServiceNamespace="sagemaker",
        ),
        "Tracking": resource(
            "AWS::ApplicationAutoScaling::ScalingPolicy",
            PolicyName="tracking",
            PolicyType="TargetTrackingScaling",
            ScalingTargetId={"Ref": "Target"},
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 5,
                "ScaleInCooldown": 300,
                "CustomizedMetricSpecification": {
                    "Namespace": "AWS/SageMaker",
                    "MetricName": "ApproximateBacklogSizePerInstance",
                    "Dimensions": dimension,
                    "Statistic": "Average",
                },
            },
        ),
    }
    if wakes:
        resources["Wake"] = step_policy()
        resources["WakeAlarm"] = wake_alarm(
            f"{name}-wake", "HasBacklogWithoutCapacity", dimension, Statistic="Average", Period=60, EvaluationPeriods=2
        )
    return resources


def step_policy(cooldown: int = 900) -> dict[str, Any]:
    steps = [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]
    return resource(
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        PolicyName="wake",
        PolicyType="StepScaling",
        ScalingTargetId={"Ref": "Target"},
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "Cooldown": cooldown,
            "StepAdjustments": steps,
        },
    )


def wake_alarm(name: str, metric: str, dimensions: Any, **when: Any) -> dict[str, Any]:
    return resource(
        "AWS::CloudWatch::Alarm",
        AlarmName=name,
        AlarmActions=[{"Ref": "Wake"}],
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=dimensions,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="missing",
        **when,
    )


def instances(aws: Aws, endpoint: str) -> tuple[int, int]:
    """Desired and current instances."""
    (variant,) = aws("sagemaker").describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
    return variant["DesiredInstanceCount"], variant["CurrentInstanceCount"]


def ask(aws: Aws, endpoint: str, **more: Any) -> Any:
    fields = {"ContentType": "application/json", "Accept": "application/json", **more}
    if "InputLocation" not in more:
        fields = {"Body": BODY, **fields}
    return aws("sagemaker-runtime").invoke_endpoint_async(EndpointName=endpoint, **fields)


def stored(aws: Aws, location: str) -> bytes:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    body: bytes = aws("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def test_an_asynchronous_endpoint_goes_to_zero_wakes_for_one_request_and_goes_to_zero_again(aws: Aws) -> None:
    aws.deploy("wakes", asynchronous("wakes"))
    assert instances(aws, "wakes") == (1, 1)
    aws.turn(minutes=RUN_MINUTES)
    assert instances(aws, "wakes") == (0, 0)

    answer = ask(aws, "wakes", InferenceId="job.1.0", S3OutputPathExtension="jobs/job/1", Filename="0.json")
    aws.turn(minutes=1)
    before_the_alarm = instances(aws, "wakes")
    aws.turn(minutes=2)
    starting = instances(aws, "wakes")
    nothing_yet = aws.messages("wakes-results")
    aws.turn(minutes=6)
    awake = instances(aws, "wakes")

    assert answer["OutputLocation"] == "s3://wakes-bucket/output/jobs/job/1/0.json"
    assert answer["InferenceId"] == "job.1.0"
    assert (before_the_alarm, starting, nothing_yet, awake) == ((0, 0), (1, 0), [], (1, 1))
    (message,) = aws.messages("wakes-results")
    told = json.loads(message["Body"])
    assert told["invocationStatus"] == "Completed"
    assert told["inferenceId"] == "job.1.0"
    assert told["responseParameters"]["outputLocation"] == answer["OutputLocation"]
    assert told["requestParameters"]["endpointName"] == "wakes"
    assert (told["eventSource"], told["eventName"]) == ("aws:sagemaker", "InferenceResult")
    assert "generated_image" in json.loads(stored(aws, answer["OutputLocation"]))
    aws.turn(minutes=RUN_MINUTES)
    assert instances(aws, "wakes") == (0, 0)


def test_without_the_wake_policy_one_request_wakes_nothing(aws: Aws) -> None:
    aws.deploy("sleeps", asynchronous("sleeps", wakes=False))
    aws.turn(minutes=RUN_MINUTES)
    ask(aws, "sleeps")

    aws.turn(minutes=60)

    assert instances(aws, "sleeps") == (0, 0)
    assert aws.messages("sleeps-results") == []
    seen = aws("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="HasBacklogWithoutCapacity",
        Dimensions=[{"Name": "EndpointName", "Value": "sleeps"}],
        StartTime="2020-01-01",
        EndTime="2100-01-01",
        Period=86_400,
        Statistics=["Maximum"],
    )
    assert max(point["Maximum"] for point in seen["Datapoints"]) == 1


def test_a_request_that_waits_longer_than_its_time_fails_and_says_so(aws: Aws) -> None:
    aws.deploy("expires", asynchronous("expires", wakes=False))
    aws.turn(minutes=RUN_MINUTES)

    answer = ask(aws, "expires", RequestTTLSeconds=60)
    aws.turn(minutes=2)

    (message,) = aws.messages("expires-results")
    told = json.loads(message["Body"])
    assert told["invocationStatus"] == "Failed"
    assert "expired" in told["failureReason"]
    assert stored(aws, answer["FailureLocation"])


def test_many_requests_start_more_instances_up_to_the_most(aws: Aws) -> None:
    aws.deploy("busy", asynchronous("busy"))
    aws.turn(minutes=RUN_MINUTES)
    for _ in range(24):
        ask(aws, "busy")

    aws.turn(minutes=4)

    assert instances(aws, "busy") == (1, 0)
    aws.turn(minutes=20)
    assert len(aws.messages("busy-results")) == 24


def test_the_model_s_refusal_arrives_as_a_failure_with_its_words(aws: Aws) -> None:
    aws.deploy("refuses", asynchronous("refuses"))

    answer = ask(aws, "refuses", Body=b"no JSON")
    aws.turn(seconds=10)

    (message,) = aws.messages("refuses-results")
    told = json.loads(message["Body"])
    assert told["invocationStatus"] == "Failed"
    assert "Received client error (400)" in told["failureReason"]
    assert stored(aws, answer["FailureLocation"])


def test_an_input_in_s3_is_read_and_one_that_is_not_there_fails(aws: Aws) -> None:
    aws.deploy("reads", asynchronous("reads"))
    aws("s3").put_object(Bucket="reads-bucket", Key="input/1", Body=BODY)

    ask(aws, "reads", InputLocation="s3://reads-bucket/input/1", InferenceId="there")
    ask(aws, "reads", InputLocation="s3://reads-bucket/input/2", InferenceId="absent")
    aws.turn(seconds=20)

    told = [json.loads(message["Body"]) for message in aws.messages("reads-results")]
    assert {one["inferenceId"]: one["invocationStatus"] for one in told} == {"there": "Completed", "absent": "Failed"}
    by_id = {one["inferenceId"]: one for one in told}
    assert by_id["there"]["requestParameters"]["inputLocation"] == "s3://reads-bucket/input/1"


@pytest.mark.parametrize(
    ("missing", "statements", "status"),
    [
        ("results", [allow("sns:Publish")], "Failed"),
        ("messages", [allow("s3:PutObject")], None),
    ],
)
def test_sagemaker_does_what_the_execution_role_allows_and_no_more(
    aws: Aws, missing: str, statements: list[dict[str, Any]], status: str | None
) -> None:
    name = f"no-{missing}"
    aws.deploy(name, asynchronous(name, role_statements=statements))

    ask(aws, name)
    aws.turn(seconds=10)

    told = [json.loads(message["Body"])["invocationStatus"] for message in aws.messages(f"{name}-results")]
    assert told == ([] if status is None else [status])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"InputLocation": "s3://b/k", "Body": BODY}, "exactly one of Body and InputLocation"),
        ({"Body": b"x" * 128_001}, "larger than 128000 bytes"),
        ({"RequestTTLSeconds": 59}, "RequestTTLSeconds"),
        ({"InvocationTimeoutSeconds": 3601}, "InvocationTimeoutSeconds"),
    ],
)
def test_a_wrong_request_is_refused(aws: Aws, more: dict[str, Any], words: str) -> None:
    if "strict" not in [one["EndpointName"] for one in aws("sagemaker").list_endpoints()["Endpoints"]]:
        aws.deploy("strict", asynchronous("strict"))
    client = boto3.session.Session().client(
        "sagemaker-runtime",
        endpoint_url=aws.url,
        region_name=REGION,
        aws_access_key_id=access_key_id(ACCOUNT),
        aws_secret_access_key=DUMMY_SECRET,
        config=Config(parameter_validation=False, retries={"max_attempts": 0}),
    )

    with pytest.raises(ClientError, match=words) as caught:
        client.invoke_endpoint_async(**{"EndpointName": "strict", "Body": BODY, **more})

    assert caught.value.response["Error"]["Code"] == "ValidationError"


def components(name: str, *, wakes: bool = True) -> dict[str, Any]:
    """A real-time endpoint whose model is an inference component that may go to zero."""
    variant = {"VariantName": "primary", "InitialInstanceCount": 1, "InstanceType": "ml.g5.4xlarge"}
    variant |= {"ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2}}
    dimension = [{"Name": "InferenceComponentName", "Value": name}]
    resources = {
        "Role": role("sagemaker.amazonaws.com"),
        "Model": MODEL,
        "Config": resource(
            "AWS::SageMaker::EndpointConfig", ProductionVariants=[variant], ExecutionRoleArn=get("Role", "Arn")
        ),
        "Endpoint": resource(
            "AWS::SageMaker::Endpoint", EndpointName=name, EndpointConfigName=get("Config", "EndpointConfigName")
        ),
        "Component": resource(
            "AWS::SageMaker::InferenceComponent",
            InferenceComponentName=name,
            EndpointName=get("Endpoint", "EndpointName"),
            VariantName="primary",
            Specification={
                "ModelName": get("Model", "ModelName"),
                "ComputeResourceRequirements": {
                    "NumberOfAcceleratorDevicesRequired": 1,
                    "MinMemoryRequiredInMb": 1024,
                },
            },
            RuntimeConfig={"CopyCount": 1},
        ),
        "Target": resource(
            "AWS::ApplicationAutoScaling::ScalableTarget",
            "Component",
            MinCapacity=0,
            MaxCapacity=2,
            ResourceId=f"inference-component/{name}",
            ScalableDimension="sagemaker:inference-component:DesiredCopyCount",
            ServiceNamespace="sagemaker",
        ),
        "Tracking": resource(
            "AWS::ApplicationAutoScaling::ScalingPolicy",
            PolicyName="tracking",
            PolicyType="TargetTrackingScaling",
            ScalingTargetId={"Ref": "Target"},
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 1,
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
                },
            },
        ),
    }
    if wakes:
        resources["Wake"] = step_policy()
        resources["WakeAlarm"] = wake_alarm(
            f"{name}-wake",
            "NoCapacityInvocationFailures",
            dimension,
            Statistic="Maximum",
            Period=30,
            EvaluationPeriods=1,
        )
    return resources


def copies(aws: Aws, name: str) -> tuple[int, int]:
    """Desired and current copies."""
    found = aws("sagemaker").describe_inference_component(InferenceComponentName=name)["RuntimeConfig"]
    return found["DesiredCopyCount"], found["CurrentCopyCount"]


def call(aws: Aws, name: str, **more: Any) -> Any:
    fields = {"ContentType": "application/json", "Accept": "application/json", "InferenceComponentName": name, **more}
    return aws("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=BODY, **fields)


def test_a_component_goes_to_zero_refuses_a_call_wakes_and_goes_to_zero_again(aws: Aws) -> None:
    aws.deploy("component", components("component"))
    assert json.loads(call(aws, "component")["Body"].read())["generated_image"]
    aws.turn(minutes=RUN_MINUTES)
    asleep = copies(aws, "component")
    aws.turn(minutes=15)
    released = instances(aws, "component")

    with pytest.raises(ClientError, match="has no capacity to process this request") as caught:
        call(aws, "component")
    aws.turn(minutes=1)
    starting = copies(aws, "component")
    aws.turn(minutes=6)

    assert caught.value.response["Error"]["Code"] == "ValidationError"
    assert (asleep, released, starting) == ((0, 0), (0, 0), (1, 0))
    assert (copies(aws, "component"), instances(aws, "component")) == ((1, 1), (1, 1))
    assert json.loads(call(aws, "component")["Body"].read())["generated_image"]
    aws.turn(minutes=RUN_MINUTES)
    assert copies(aws, "component") == (0, 0)


def test_without_the_wake_policy_a_component_stays_at_zero(aws: Aws) -> None:
    aws.deploy("still", components("still", wakes=False))
    aws.turn(minutes=RUN_MINUTES)

    for _ in range(3):
        with pytest.raises(ClientError, match="has no capacity"):
            call(aws, "still")
        aws.turn(minutes=5)

    assert copies(aws, "still") == (0, 0)


def test_an_endpoint_with_components_wants_the_component_s_name_and_is_not_deleted_before_it(aws: Aws) -> None:
    aws.deploy("named", components("named", wakes=False))

    with pytest.raises(ClientError, match="Inference Component Name header is required"):
        aws("sagemaker-runtime").invoke_endpoint(EndpointName="named", Body=BODY)
    with pytest.raises(ClientError, match="inference components named"):
        aws("sagemaker").delete_endpoint(EndpointName="named")
    aws("cloudformation").delete_stack(StackName="named")

    assert "named" not in [one["EndpointName"] for one in aws("sagemaker").list_endpoints()["Endpoints"]]


HANDLER = """
import json, boto3

def handler(event, context):
    records = event.get("Records", [])
    seen = [record["body"] for record in records]
    print("SEEN " + json.dumps(seen))
    return {"batchItemFailures": [
        {"itemIdentifier": record["messageId"]} for record in records if record["body"].startswith("bad")
    ]}
"""


def consumer(name: str, *, permitted: bool = True) -> dict[str, Any]:
    """A queue with a dead-letter queue, and a function that reads it."""
    reading = allow("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", on=get("Queue", "Arn"))
    logs = allow("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
    return {
        "Dead": resource("AWS::SQS::Queue", QueueName=f"{name}-dead"),
        "Queue": resource(
            "AWS::SQS::Queue",
            QueueName=name,
            VisibilityTimeout=60,
            RedrivePolicy={"deadLetterTargetArn": get("Dead", "Arn"), "maxReceiveCount": 2},
        ),
        "Role": role("lambda.amazonaws.com", logs, *([reading] if permitted else [])),
        "Function": resource(
            "AWS::Lambda::Function",
            FunctionName=name,
            Code={"ZipFile": HANDLER},
            Handler="index.handler",
            Runtime="python3.13",
            Role=get("Role", "Arn"),
            Timeout=30,
        ),
        "Mapping": resource(
            "AWS::Lambda::EventSourceMapping",
            EventSourceArn=get("Queue", "Arn"),
            FunctionName={"Ref": "Function"},
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        ),
    }


def seen(aws: Aws, function: str) -> list[str]:
    """Bodies that the function saw, in order."""
    try:
        events = aws("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}", filterPattern="SEEN")["events"]
    except ClientError:
        return []
    lines = [event["message"] for event in events if "SEEN" in event["message"]]
    return [body for line in lines for body in json.loads(line[line.index("[") :])]


def send(aws: Aws, queue: str, *bodies: str) -> None:
    sqs = aws("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)


def test_a_function_reads_a_queue_and_what_it_reports_as_failed_comes_again_and_then_dies(aws: Aws) -> None:
    aws.deploy("reader", consumer("reader"))

    send(aws, "reader", "good", "bad")
    aws.turn(seconds=10)
    first = sorted(seen(aws, "reader"))
    aws.turn(minutes=2)
    again = seen(aws, "reader").count("bad")
    aws.turn(minutes=3)

    assert first == ["bad", "good"]
    assert again == 2
    assert seen(aws, "reader").count("good") == 1
    assert [message["Body"] for message in aws.messages("reader-dead")] == ["bad"]


def test_a_mapping_of_an_alias_calls_the_version_that_the_alias_names_at_the_time(aws: Aws) -> None:
    resources = consumer("aliased")
    resources["Version"] = resource("AWS::Lambda::Version", FunctionName={"Ref": "Function"})
    alias = {"FunctionName": {"Ref": "Function"}, "FunctionVersion": get("Version", "Version"), "Name": "live"}
    resources["Alias"] = resource("AWS::Lambda::Alias", **alias)
    resources["Mapping"]["Properties"]["FunctionName"] = {"Ref": "Alias"}
    aws.deploy("aliased", resources)
    functions = aws("lambda")
    functions.update_function_code(
        FunctionName="aliased", ZipFile=zipped({"index.py": HANDLER.replace('record["body"] for', '"new" for')})
    )
    version = functions.publish_version(FunctionName="aliased")["Version"]

    send(aws, "aliased", "first")
    aws.turn(seconds=10)
    functions.update_alias(FunctionName="aliased", Name="live", FunctionVersion=version)
    send(aws, "aliased", "second")
    aws.turn(seconds=10)

    assert seen(aws, "aliased") == ["first", "new"]


SENDER = """
import boto3, json, os

def handler(event, context):
    outcomes = []
    for call in (
        lambda: boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody="hello"),
        lambda: boto3.client("sns").publish(TopicArn=os.environ["TOPIC"], Message="hello"),
        lambda: boto3.client("sqs").receive_message(QueueUrl=os.environ["QUEUE"]),
    ):
        try:
            call()
            outcomes.append("done")
        except Exception as exc:
            outcomes.append(type(exc).__name__ + " " + str(exc))
    return outcomes
"""


def test_a_function_sends_and_publishes_under_its_own_role(aws: Aws) -> None:
    logs = allow("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
    sending = [allow("sqs:SendMessage", on=get("Queue", "Arn")), allow("sns:Publish", on={"Ref": "Topic"})]
    resources = {
        "Queue": resource("AWS::SQS::Queue", QueueName="sent"),
        "Topic": resource("AWS::SNS::Topic"),
        "TopicPolicy": resource(
            "AWS::SNS::TopicPolicy",
            Topics=[{"Ref": "Topic"}],
            PolicyDocument={"Version": "2012-10-17", "Statement": [deny_plain_http({"Ref": "Topic"})]},
        ),
    }
    for name, statements in (("may", [logs, *sending]), ("may-not", [logs])):
        key = name.replace("-", "").title()
        resources[f"{key}Role"] = role("lambda.amazonaws.com", *statements)
        resources[key] = resource(
            "AWS::Lambda::Function",
            FunctionName=name,
            Code={"ZipFile": SENDER},
            Handler="index.handler",
            Runtime="python3.13",
            Role=get(f"{key}Role", "Arn"),
            Environment={"Variables": {"QUEUE": {"Ref": "Queue"}, "TOPIC": {"Ref": "Topic"}}},
            Timeout=30,
        )
    aws.deploy("sender", resources)

    sent, published, received = json.loads(aws("lambda").invoke(FunctionName="may")["Payload"].read())
    refused = json.loads(aws("lambda").invoke(FunctionName="may-not")["Payload"].read())

    assert (sent, published) == ("done", "done")
    assert "sqs:ReceiveMessage" in received
    assert "sqs:SendMessage" in refused[0]
    assert "sns:Publish" in refused[1] or "SNS:Publish" in refused[1]


def test_a_mapping_needs_the_function_s_role_to_read_the_queue(aws: Aws) -> None:
    with pytest.raises(AssertionError, match="does not have permissions to call ReceiveMessage on SQS"):
        aws.deploy("blind", consumer("blind", permitted=False))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("duplicate", ["one", "one", "two"]),
        ("drop", ["two"]),
        ("reorder", ["one", "two"]),
        ("delay", ["one", "two"]),
    ],
)
def test_a_message_is_lost_doubled_late_or_out_of_order_where_a_test_says_so(
    aws: Aws, fault: str, expected: list[str]
) -> None:
    aws("sqs").create_queue(QueueName=f"faulty-{fault}")
    aws.fault(fault=fault, queue=f"faulty-{fault}", times=1, seconds=120)

    send(aws, f"faulty-{fault}", "one")
    at_once = [message["Body"] for message in aws.messages(f"faulty-{fault}")]
    send(aws, f"faulty-{fault}", "two")
    found = at_once + [message["Body"] for message in aws.messages(f"faulty-{fault}")]
    aws.turn(minutes=3)
    found += [message["Body"] for message in aws.messages(f"faulty-{fault}")]

    assert sorted(found) == expected
    assert at_once == (["one", "one"] if fault == "duplicate" else [])
    if fault in {"reorder", "delay"}:
        assert found == ["two", "one"]


def test_a_schedule_calls_a_function_as_often_as_it_says_and_only_with_its_role(aws: Aws) -> None:
    resources = consumer("swept")
    for name, statements in (("Allowed", [allow("lambda:InvokeFunction")]), ("Denied", [])):
        resources[f"{name}Role"] = role("scheduler.amazonaws.com", *statements)
        resources[name] = resource(
            "AWS::Scheduler::Schedule",
            ScheduleExpression="rate(1 minute)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": get("Function", "Arn"),
                "RoleArn": get(f"{name}Role", "Arn"),
                "Input": json.dumps({"Records": [{"messageId": "1", "body": name}]}),
            },
        )
    aws.deploy("swept", resources)
    aws.turn(seconds=10)

    aws.turn(minutes=3)

    found = seen(aws, "swept")
    assert (found.count("Allowed"), found.count("Denied")) == (3, 0)


def test_a_topic_delivers_nothing_to_a_queue_that_does_not_let_it(aws: Aws) -> None:
    sns, sqs = aws("sns"), aws("sqs")
    topic = sns.create_topic(Name="closed")["TopicArn"]
    sqs.create_queue(QueueName="closed")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:closed")

    sns.publish(TopicArn=topic, Message="hello")

    assert aws.messages("closed") == []


@pytest.mark.parametrize("body", [{}, {"turn_seconds": -1}, {"turn_seconds": "soon"}, {"turn_seconds": 10**9}])
def test_a_wrong_turn_of_the_clock_is_refused(aws: Aws, body: Any) -> None:
    assert http("POST", f"{aws.url}/_emulator/clock", json.dumps(body).encode()).status == 400


@pytest.mark.parametrize(
    "body", [{"fault": "explode"}, {"fault": "drop", "times": 0}, {"fault": "delay", "seconds": 901}, {"q": 1}]
)
def test_a_wrong_fault_of_messages_is_refused(aws: Aws, body: Any) -> None:
    assert http("PUT", f"{aws.url}/_emulator/messages", json.dumps(body).encode()).status == 400
