"""Every example environment, deployed with the real CDK CLI and called as its callers would call it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import jmespath
import pytest
from aws_command_lines import commands, parse
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from deploy_harness import ROOT, Account, running_emulator, synthesize
from permission_proof import (
    denied,
    documented_as_used,
    draw,
    drive,
    masked,
    roles,
    used,
    without_permission,
)

from emulator.client import DUMMY_SECRET, access_key_id
from stacks.environment import Environment, load_environments

pytestmark = pytest.mark.allow_loopback

DIRECTORY = ROOT / "tests" / "environments"
# Endpoints that go to zero would do so between two tests here: test_endpoint_modes.py turns their clock.
EXAMPLES = {
    environment.name: environment
    for environment in load_environments(DIRECTORY)
    if environment.endpoint.mode == "real-time"
}
ENGINE = "v1/generation/stable-diffusion-xl-1024-v1-0"
REQUEST = {"text_prompts": [{"text": "a puppy"}], "seed": 7}
PNG = b"\x89PNG\r\n\x1a\n"


class Examples:
    """All example environments in one account, each in its region."""

    def __init__(self, account: Account, folder: Path) -> None:
        self.account, self.folder = account, folder
        self.assembly = str(folder / "assembly")

    def client(self, service: str, environment: Environment) -> Any:
        """A boto3 client in an environment's region."""
        return self.account.client(service, environment.region)

    def outputs(self, environment: Environment) -> dict[str, str]:
        """The outputs of an environment's API."""
        return self.account.outputs(f"sdxl-{environment.name}-Api", environment.region)

    def url(self, environment: Environment, path: str) -> str:
        """Where the emulator serves an environment's deployed stage."""
        return f"{self.account.api_url(f'sdxl-{environment.name}-Api', environment.region)}/{path}"

    def generate(self, environment: Environment, headers: dict[str, str]) -> httpx2.Response:
        """Ask for an image."""
        url = self.url(environment, f"{ENGINE}/text-to-image")
        return httpx2.post(url, headers={"accept": "image/png", **headers}, json=REQUEST, timeout=60)

    def key(self, environment: Environment) -> str:
        """The first API key of an environment."""
        key_id = self.outputs(environment)["ApiKeyId"]
        return str(self.client("apigateway", environment).get_api_key(apiKey=key_id, includeValue=True)["value"])


@pytest.fixture(scope="module")
def examples(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examples]:
    # A separate emulator: the one that other tests use serves its only API at its root.
    folder = tmp_path_factory.mktemp("examples")
    with running_emulator(folder) as emulator:
        (account,) = {environment.account for environment in EXAMPLES.values()}
        yield Examples(_deployed(Account(emulator, account, home), folder), folder)


def _deployed(account: Account, folder: Path) -> Account:
    regions = sorted({environment.region for environment in EXAMPLES.values()})
    assembly = synthesize(account, folder, "assembly", environments=_with_a_vpc(account, folder))
    for arguments, app in (
        (["bootstrap", *(f"aws://{account.id}/{region}" for region in regions)], ""),
        (["deploy", "*/*", "--require-approval", "never", "--concurrency", "4"], assembly),
    ):
        result = account.cdk(*arguments, app=app)
        assert result.returncode == 0, result.stdout + result.stderr
    return account


def _with_a_vpc(account: Account, folder: Path) -> Path:
    """The examples, with the ids of what is made here in place of those that stand for a team's own."""
    ec2 = account.client("ec2", EXAMPLES["vpc"].region)
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for block, zone in (("10.0.0.0/24", "eu-central-1a"), ("10.0.1.0/24", "eu-central-1b"))
    ]
    table = ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    network = EXAMPLES["vpc"].network
    assert network is not None
    text = (DIRECTORY / "vpc.yaml").read_text(encoding="utf-8")
    examples = (network.vpc_id, *network.subnet_ids, *network.route_table_ids)
    for example, made in zip(examples, (vpc_id, *subnets, table), strict=True):
        text = text.replace(example, made)
    copied = folder / "environments"
    shutil.copytree(
        DIRECTORY, copied, ignore=lambda _, names: {name for name in names if Path(name).stem not in EXAMPLES}
    )
    (copied / "vpc.yaml").write_text(text, encoding="utf-8")
    return copied


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_is_deployed_and_open_to_monitors_alone(examples: Examples, name: str) -> None:
    environment = EXAMPLES[name]

    health = httpx2.get(examples.url(environment, "health"), timeout=60)
    refused = examples.generate(environment, {})

    assert health.status_code == 200, health.text
    assert health.json()["model_source"] == environment.model.source
    assert refused.status_code == 401
    assert (refused.json()["name"], refused.json()["error"]["code"]) == ("unauthorized", "invalid_api_key")
    assert "www-authenticate" in refused.headers


@pytest.mark.parametrize("name", [name for name, found in EXAMPLES.items() if found.api.auth.mode == "api_key"])
@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
def test_a_key_opens_the_api_in_either_header(examples: Examples, name: str, header: str) -> None:
    environment = EXAMPLES[name]
    key = examples.key(environment)

    answer = examples.generate(environment, {header: key if header == "x-api-key" else f"Bearer {key}"})

    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(PNG)


def test_a_signed_request_opens_the_api_of_mode_iam(examples: Examples) -> None:
    environment = EXAMPLES["iam"]
    url = examples.url(environment, f"{ENGINE}/text-to-image")
    body = json.dumps(REQUEST)
    request = AWSRequest("POST", url, {"Content-Type": "application/json", "Accept": "image/png"}, body)
    credentials = Credentials(access_key_id(examples.account.id), DUMMY_SECRET)
    SigV4Auth(credentials, "execute-api", environment.region).add_auth(request)

    answer = httpx2.post(url, headers=dict(request.headers.items()), content=body, timeout=60)

    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(PNG)


def test_an_access_token_opens_the_api_of_mode_cognito_and_an_id_token_does_not(examples: Examples) -> None:
    environment = EXAMPLES["cognito"]
    pool_id, client_id = (examples.outputs(environment)[name] for name in ("UserPoolId", "UserPoolClientId"))
    examples.client("cognito-idp", environment).admin_create_user(UserPoolId=pool_id, Username="maria@example.com")
    tokens = httpx2.post(
        f"{examples.account.emulator.aws_endpoint_url}/_emulator/tokens",
        json={"user_pool_id": pool_id, "client_id": client_id, "username": "maria@example.com"},
    ).json()

    let_in = examples.generate(environment, {"authorization": f"Bearer {tokens['access_token']}"})
    refused = examples.generate(environment, {"authorization": f"Bearer {tokens['id_token']}"})

    assert let_in.status_code == 200, let_in.text
    assert let_in.content.startswith(PNG)
    assert refused.status_code == 401


def test_bedrock_draws_without_an_endpoint(examples: Examples) -> None:
    environment = EXAMPLES["bedrock"]

    assert examples.client("sagemaker", environment).list_endpoints()["Endpoints"] == []
    assert "Amazon Bedrock" in _engine(examples, environment)["description"]


def test_two_sources_share_one_api_and_a_mask_goes_to_the_one_that_takes_it(examples: Examples) -> None:
    environment = EXAMPLES["ab"]

    drawn = [draw(examples, environment) for _ in range(5)]
    painted = masked(examples, environment)

    assert {answer.status_code for answer in (*drawn, painted)} == {200}
    assert {answer.headers["x-sdxl-variant"] for answer in drawn} <= {"primary", "challenger"}
    # The open model takes no masks: a tenth of the traffic or not, they are the other one's.
    assert painted.headers["x-sdxl-variant"] == "challenger"


def test_a_refused_term_is_answered_as_a_filtered_prompt(examples: Examples) -> None:
    environment = EXAMPLES["waf"]
    term = environment.api.moderation.refused_terms[0]
    url = examples.url(environment, f"{ENGINE}/text-to-image")

    answer = httpx2.post(
        url, headers={"x-api-key": examples.key(environment)}, json={"text_prompts": [{"text": f"a {term}"}]}
    )

    assert (answer.status_code, answer.json()["name"]) == (400, "invalid_prompts")


WITH_KEYS = [name for name, found in EXAMPLES.items() if found.api.auth.mode == "api_key"]
"""Whose every route is driven. How callers say who they are changes nothing in what the image function may do."""


@pytest.mark.parametrize("name", WITH_KEYS)
def test_the_functions_need_every_permission_that_they_hold_and_no_other(examples: Examples, name: str) -> None:
    environment = EXAMPLES[name]

    drive(examples, environment)

    found = roles(examples, environment)
    assert len(found) == 2, "one role for the image function, one for the key authorizer"
    assert denied(examples, environment) == []
    documented = documented_as_used(examples, environment)
    assert used(found) == documented
    image_function = examples.outputs(environment)["FunctionName"]
    of_authorizer = used([role for role in found if not any(image_function in name for name in role["functions"])])
    # In every network.
    assert {grant for grant in of_authorizer if not grant[0].startswith("ec2:")} == {
        grant for grant in documented if grant[0].startswith(("logs:", "xray:"))
    }
    assert [grant for role in found for grant in role["unused"]] == []
    assert [grant for role in found for grant in role["unused_resources"]] == []


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in WITH_KEYS])
def test_the_functions_of_other_callers_are_refused_nothing(examples: Examples, name: str) -> None:
    assert httpx2.get(examples.url(EXAMPLES[name], "health"), timeout=60).status_code == 200

    assert roles(examples, EXAMPLES[name])
    assert denied(examples, EXAMPLES[name]) == []


# The last: what is refused here is not forgotten, and the tests before it want nothing refused.
@pytest.mark.parametrize(
    ("action", "via", "answer"),
    [
        ("sagemaker:InvokeEndpoint", "", (500, "internal_error")),
        ("dynamodb:PutItem", "", (503, "idempotency_unavailable")),
        ("kms:Decrypt", "dynamodb", (503, "idempotency_unavailable")),
    ],
)
def test_without_one_permission_exactly_its_call_is_refused(
    examples: Examples, action: str, via: str, answer: tuple[int, str]
) -> None:
    environment = EXAMPLES["domain"]
    before = denied(examples, environment)

    with without_permission(examples, environment, action, via):
        refused = draw(examples, environment, idempotency_key=f"without-{action}")
    again = draw(examples, environment, idempotency_key=f"without-{action}")

    assert (refused.status_code, refused.json()["name"]) == answer
    assert again.status_code == 200, again.text
    (denial,) = [found for found in denied(examples, environment) if found not in before]
    assert denial.startswith(f"{action} on arn:aws:")
    assert denial.endswith(f"because no identity-based policy allows the {action} action")


def _engine(examples: Examples, environment: Environment) -> dict[str, str]:
    url = examples.url(environment, "v1/engines/list")
    (engine,) = httpx2.get(url, headers={"x-api-key": examples.key(environment)}, timeout=60).json()
    assert isinstance(engine, dict)
    return engine


# Calls that the emulator does not have. `parse` has checked their parameters by the APIs' models.
NOT_EMULATED = {
    ("application-autoscaling", "describe_scaling_activities"),
    ("lambda", "get_account_settings"),
    ("service-quotas", "get_service_quota"),
    ("service-quotas", "list_requested_service_quota_change_history"),
    ("bedrock", "get_foundation_model"),
}
READS = ("describe_", "get_", "list_", "filter_")


def test_commands_of_the_runbooks_that_read_are_answered(examples: Examples) -> None:
    environment = EXAMPLES["operations"]
    assert examples.generate(environment, {"x-api-key": examples.key(environment)}).status_code == 200
    function = examples.outputs(environment)["FunctionName"]
    role = examples.client("lambda", environment).get_function_configuration(FunctionName=function)["Role"]
    variables = {
        "ENV": environment.name,
        "ACCOUNT": environment.account,
        "FUNCTION_ROLE": role.rpartition("/")[2],
        "FUNCTION": function,
        "BUDGET": examples.account.outputs(f"sdxl-{environment.name}-Operations", environment.region)["BudgetName"],
        "STOP_POLICY": f"arn:aws:iam::{environment.account}:policy/stop",
        "MODEL_ID": "stability.sd3-5-large-v1:0",
        "START": "2026-01-01T00:00:00Z",
        "END": "2026-01-01T01:00:00Z",
        "SINCE": "1767225600000",
        "CONFIG": "configuration",
        # Any key: this environment signs nothing.
        "SIGNING_KEY": examples.client("kms", environment).list_keys()["Keys"][0]["KeyArn"],
        "KEY_ID": examples.outputs(environment)["ApiKeyId"],
        "NEW_ID": examples.outputs(environment)["ApiKeyId"],
    }
    answered = set()
    for page in sorted((ROOT / "docs" / "runbooks").glob("*.md")):
        for line in commands(page, "aws"):
            call = parse(line, variables)
            if (call.service, call.method) in NOT_EMULATED or not call.method.startswith(READS):
                continue
            # Raises where the deployment lacks what the command reads.
            answer = getattr(examples.client(call.service, environment), call.method)(**call.parameters)
            # This environment has no model of Bedrock to ask for, and signs nothing.
            is_absent = call.query is not None and ("BEDROCK" in call.query or "SigningKeyArn" in call.query)
            assert call.query is None or is_absent or jmespath.search(call.query, answer), line
            answered.add((call.service, call.method))

    assert len(answered) >= 10, answered


def test_saved_queries_read_what_the_function_writes(examples: Examples) -> None:
    environment = EXAMPLES["operations"]
    key = {"x-api-key": examples.key(environment)}
    assert examples.generate(environment, key).status_code == 200
    # The gateway passes it on: what it refuses itself never reaches the function's log.
    url = examples.url(environment, "v1/generation/no-such-engine/text-to-image")
    assert httpx2.post(url, headers=key, json=REQUEST, timeout=60).status_code == 404
    group = f"/aws/lambda/sdxl-{environment.name}-image-api"
    events = examples.client("logs", environment).filter_log_events(logGroupName=group)["events"]
    lines = [json.loads(event["message"]) for event in events if event["message"].startswith("{")]
    stacks = examples.client("cloudformation", environment)
    template = stacks.get_template(StackName=f"sdxl-{environment.name}-Operations")["TemplateBody"]

    queries = [
        resource["Properties"]["QueryString"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Logs::QueryDefinition" and resource["Properties"]["LogGroupNames"] == [group]
    ]

    written = {name for line in lines if "_aws" not in line for name in line}
    read = {name for query in queries for name in re.findall(r"(?<![@\w'])[a-z]+(?:_[a-z]+)+", query)}
    read |= {"result", "source", "variant", "size", "steps", "samples"}
    assert len(queries) == 4
    assert {"error_name", "request_id", "model_seconds", "cost_usd"} <= read <= written
    # Metrics are records in the same log: a query that counts requests must not count them too.
    assert [line for line in lines if "_aws" in line and "request_id" in line] == []


def test_a_deleted_endpoint_sets_off_alarms_and_only_the_environments_alarm_notifies(examples: Examples) -> None:
    environment = EXAMPLES["operations"]
    cloudwatch = examples.client("cloudwatch", environment)

    kinds = {"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}

    def states() -> dict[str, str]:
        found = cloudwatch.describe_alarms(AlarmNamePrefix="sdxl-operations", **kinds)
        alarms = [*found["MetricAlarms"], *found["CompositeAlarms"]]
        return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}

    assert set(states().values()) <= {"OK", "INSUFFICIENT_DATA"}

    examples.client("sagemaker", environment).delete_endpoint(EndpointName="sdxl-operations")

    answer = examples.generate(environment, {"x-api-key": examples.key(environment)})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    off = {name for name, state in states().items() if state == "ALARM"}
    assert {"sdxl-operations", "sdxl-operations-no-healthy-instance"} <= off
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=["sdxl-operations"], **kinds)["CompositeAlarms"]
    topic = examples.account.outputs("sdxl-operations-Operations", environment.region)["TopicArn"]
    assert alarm["AlarmActions"] == [topic]

    # The runbook's way back: the stack still has the endpoint's configuration.
    (query,) = [
        call
        for line in commands(ROOT / "docs" / "runbooks" / "no-healthy-instance.md", "aws")
        if (call := parse(line, {"ENV": environment.name, "CONFIG": "found-below"})).query
    ]
    found = examples.client("cloudformation", environment).describe_stack_resources(**query.parameters)
    examples.client("sagemaker", environment).create_endpoint(
        EndpointName="sdxl-operations",
        EndpointConfigName=jmespath.search(query.query, found).partition("/")[2],
    )
    assert examples.generate(environment, {"x-api-key": examples.key(environment)}).status_code == 200


def test_endpoints_and_groups_are_in_the_vpc_that_was_there(examples: Examples) -> None:
    environment = EXAMPLES["vpc"]
    ec2 = examples.client("ec2", environment)
    function = examples.outputs(environment)["FunctionName"]
    placed = examples.client("lambda", environment).get_function_configuration(FunctionName=function)["VpcConfig"]

    found = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    assert {one["ServiceName"].partition(f"{environment.region}.")[2]: one["State"] for one in found} == {
        "s3": "available",
        "dynamodb": "available",
        "sagemaker.runtime": "available",
        "sagemaker.api": "available",
    }
    (group,) = ec2.describe_security_groups(GroupIds=placed["SecurityGroupIds"])["SecurityGroups"]
    assert {one["VpcId"] for one in found} == {group["VpcId"]}
    assert group["IpPermissions"] == []
    targets = [
        *(entry["PrefixListId"] for rule in group["IpPermissionsEgress"] for entry in rule.get("PrefixListIds", [])),
        *(entry["GroupId"] for rule in group["IpPermissionsEgress"] for entry in rule.get("UserIdGroupPairs", [])),
    ]
    assert len(targets) == 3, "S3, DynamoDB and the VPC endpoints"
    model = examples.client("sagemaker", environment)
    (name,) = [one["ModelName"] for one in model.list_models()["Models"]]
    assert model.describe_model(ModelName=name)["VpcConfig"]["Subnets"] == placed["SubnetIds"]


def destroy(examples: Examples, name: str, confirm: str) -> subprocess.CompletedProcess[str]:
    """`sdxl environments destroy`, as a user types it."""
    sdxl = str(Path(sys.executable).with_name("sdxl"))
    folder = examples.folder / "environments"
    command = [sdxl, "environments", "destroy", name, "--dir", str(folder), "--confirm", confirm]
    return subprocess.run(
        command,
        env=examples.account.variables(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_an_environment_that_keeps_is_not_destroyed(examples: Examples) -> None:
    refused = destroy(examples, "minimal", "minimal")

    assert refused.returncode == 2
    assert "storage.on_destroy of 'minimal' is keep" in " ".join(refused.stderr.split())
    assert examples.outputs(EXAMPLES["minimal"])


def test_destroyed_with_delete_an_environment_leaves_nothing(examples: Examples) -> None:
    environment = EXAMPLES["vpc"]
    s3, ec2 = examples.client("s3", environment), examples.client("ec2", environment)
    storage = examples.account.outputs("sdxl-vpc-Storage", environment.region)
    bucket = storage["ImagesBucketName"]
    assert draw(examples, environment, idempotency_key="kept").status_code == 200
    assert s3.list_object_versions(Bucket=bucket)["Versions"], "the bucket is not empty"

    mistyped = destroy(examples, "vpc", "prod")
    assert (mistyped.returncode, s3.list_object_versions(Bucket=bucket)["Versions"] != []) == (2, True)
    done = destroy(examples, "vpc", "vpc")

    assert done.returncode == 0, done.stdout + done.stderr
    stacks = examples.client("cloudformation", environment).describe_stacks()["Stacks"]
    assert [one["StackName"] for one in stacks if one["StackName"].startswith("sdxl-vpc-")] == []
    assert [one["Name"] for one in s3.list_buckets()["Buckets"] if one["Name"].startswith("sdxl-vpc-")] == []
    assert examples.client("dynamodb", environment).list_tables()["TableNames"] == []
    assert examples.client("lambda", environment).list_functions()["Functions"] == []
    assert examples.client("sagemaker", environment).list_endpoints()["Endpoints"] == []
    groups = examples.client("logs", environment).describe_log_groups()["logGroups"]
    assert [one["logGroupName"] for one in groups if "sdxl-vpc" in one["logGroupName"]] == []
    left = [one for one in ec2.describe_vpc_endpoints()["VpcEndpoints"] if one["State"] != "deleted"]
    assert left == []
    assert [one for one in ec2.describe_security_groups()["SecurityGroups"] if one["GroupName"] != "default"] == []
    key = examples.client("kms", environment).describe_key(KeyId=storage["KeyArn"])["KeyMetadata"]
    assert key["KeyState"] == "PendingDeletion"
