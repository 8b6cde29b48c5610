"""A property that leaves a template goes back to the service's default: an update path of each type that has one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cloudformation_support import ROLE, TRUST, Stacks

ENCRYPTED = {"LogGroupName": "/a", "KmsKeyId": "arn:aws:kms:eu-west-1:111122223333:key/a", "RetentionInDays": 7}
INLINE = {"ZipFile": "def handler(event, context): pass"}


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def test_another_retention_of_an_encrypted_log_group_keeps_its_key(stacks: Stacks, client: Any) -> None:
    for days in (7, 30, 7):
        stacks.deploy({"Logs": resource("AWS::Logs::LogGroup", **{**ENCRYPTED, "RetentionInDays": days})})

        (group,) = client("logs").describe_log_groups()["logGroups"]
        assert (group["retentionInDays"], group["kmsKeyId"]) == (days, ENCRYPTED["KmsKeyId"])


def test_a_log_group_loses_key_and_retention(stacks: Stacks, client: Any) -> None:
    stacks.deploy({"Logs": resource("AWS::Logs::LogGroup", **ENCRYPTED)})
    stacks.deploy({"Logs": resource("AWS::Logs::LogGroup", LogGroupName="/a")})

    (group,) = client("logs").describe_log_groups()["logGroups"]
    assert not {"kmsKeyId", "retentionInDays"} & set(group)


def test_a_function_loses_what_its_template_no_longer_says(stacks: Stacks, client: Any) -> None:
    plain = {
        "FunctionName": "f",
        "Code": INLINE,
        "Handler": "index.handler",
        "Role": {"Fn::GetAtt": "Role.Arn"},
        "Runtime": "python3.13",
    }
    more = {
        "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:eu-west-1:111122223333:q"},
        "Description": "a",
        "Environment": {"Variables": {"A": "1"}},
        "EphemeralStorage": {"Size": 1024},
        "KmsKeyArn": "arn:aws:kms:eu-west-1:111122223333:key/a",
        "LoggingConfig": {"LogFormat": "JSON"},
        "MemorySize": 256,
        "Timeout": 9,
        "TracingConfig": {"Mode": "Active"},
    }
    role = json.loads(json.dumps(ROLE))
    api = client("lambda")

    stacks.deploy({"Role": role, "F": resource("AWS::Lambda::Function", **plain)})
    fresh = api.get_function_configuration(FunctionName="f")
    stacks.deploy({"Role": role, "F": resource("AWS::Lambda::Function", **plain, **more)})
    changed = api.get_function_configuration(FunctionName="f")
    stacks.deploy({"Role": role, "F": resource("AWS::Lambda::Function", **plain)})
    back = api.get_function_configuration(FunctionName="f")

    settings = {"Description", "EphemeralStorage", "MemorySize", "Timeout", "TracingConfig"}
    assert [name for name in settings if changed[name] == fresh[name]] == []
    assert {name: back[name] for name in settings} == {name: fresh[name] for name in settings}
    assert (back.get("KMSKeyArn") or "", back["DeadLetterConfig"]) == ("", {"TargetArn": ""})
    assert back["LoggingConfig"] == {"LogFormat": "Text"}
    assert not back.get("Environment", {}).get("Variables")


def test_a_function_leaves_its_vpc_also_after_its_role_may_not_enter_one(stacks: Stacks, client: Any) -> None:
    subnet = client("ec2").describe_subnets()["Subnets"][0]
    group = client("ec2").describe_security_groups()["SecurityGroups"][0]["GroupId"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]}
    role = json.loads(json.dumps(ROLE))
    may = {**role["Properties"], "Policies": [{"PolicyName": "network", "PolicyDocument": document}]}
    plain = {
        "FunctionName": "f",
        "Code": INLINE,
        "Handler": "index.handler",
        "Role": {"Fn::GetAtt": "Role.Arn"},
        "Runtime": "python3.13",
    }
    vpc = {"VpcConfig": {"SubnetIds": [subnet["SubnetId"]], "SecurityGroupIds": [group]}}
    stacks.deploy({"Role": {**role, "Properties": may}, "F": resource("AWS::Lambda::Function", **plain, **vpc)})
    assert client("lambda").get_function_configuration(FunctionName="f")["VpcConfig"]["SubnetIds"]

    assert stacks.deploy({"Role": role, "F": resource("AWS::Lambda::Function", **plain)}) == "UPDATE_COMPLETE"

    found = client("lambda").get_function_configuration(FunctionName="f").get("VpcConfig", {})
    assert not found.get("SubnetIds")


def test_a_role_loses_description_and_session_duration(stacks: Stacks, client: Any) -> None:
    trust = {"Version": "2012-10-17", "Statement": [TRUST]}
    base = {"RoleName": "r", "AssumeRolePolicyDocument": trust}
    stacks.deploy({"R": resource("AWS::IAM::Role", **base, Description="a", MaxSessionDuration=7200)})
    stacks.deploy({"R": resource("AWS::IAM::Role", **base)})

    role = client("iam").get_role(RoleName="r")["Role"]
    assert (role.get("Description", ""), role["MaxSessionDuration"]) == ("", 3600)


def test_a_scheduled_action_loses_a_bound(stacks: Stacks, client: Any) -> None:
    def target(**action: Any) -> dict[str, Any]:
        return resource(
            "AWS::ApplicationAutoScaling::ScalableTarget",
            MaxCapacity=4,
            MinCapacity=1,
            ResourceId="table/t",
            RoleARN="arn:aws:iam::111122223333:role/r",
            ScalableDimension="dynamodb:table:ReadCapacityUnits",
            ServiceNamespace="dynamodb",
            ScheduledActions=[{"ScheduledActionName": "night", "Schedule": "cron(0 20 * * ? *)", **action}],
        )

    stacks.deploy({"T": target(Timezone="Europe/Berlin", ScalableTargetAction={"MinCapacity": 2, "MaxCapacity": 3})})
    stacks.deploy({"T": target(ScalableTargetAction={"MaxCapacity": 3})})

    api = client("application-autoscaling")
    (found,) = api.describe_scheduled_actions(ServiceNamespace="dynamodb")["ScheduledActions"]
    assert found["ScalableTargetAction"] == {"MaxCapacity": 3}
    assert found.get("Timezone") is None


def test_a_parameter_loses_a_tag(stacks: Stacks, client: Any) -> None:
    base = {"Name": "/a", "Type": "String", "Value": "v"}
    stacks.deploy({"P": resource("AWS::SSM::Parameter", **base, Tags={"a": "1", "b": "2"})})
    stacks.deploy({"P": resource("AWS::SSM::Parameter", **base, Tags={"b": "3"})})

    tags = client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId="/a")["TagList"]
    assert tags == [{"Key": "b", "Value": "3"}]


def test_the_default_policy_of_a_key_is_not_emulated(stacks: Stacks) -> None:
    policy = {"Version": "2012-10-17", "Statement": []}
    stacks.deploy({"K": resource("AWS::KMS::Key", KeyPolicy=policy)})

    with pytest.raises(AssertionError):
        assert stacks.deploy({"K": resource("AWS::KMS::Key")}) == "UPDATE_COMPLETE"

    assert "going back to the default policy is not emulated" in stacks.reasons()
