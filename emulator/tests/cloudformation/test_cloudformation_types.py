"""What a resource type carries arrives at its service, and what AWS would refuse is refused."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloudformation_support import ROLE, Stacks


def test_a_buckets_settings_arrive_change_and_go(stacks: Stacks, client: Any) -> None:
    settings = {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"BucketKeyEnabled": "true", "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
            ]
        },
        "LifecycleConfiguration": {
            "Rules": [{"Id": "old", "Status": "Enabled", "ExpirationInDays": "7", "Prefix": "generated/"}]
        },
        "LoggingConfiguration": {"DestinationBucketName": {"Ref": "Log"}, "LogFilePrefix": "images/"},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": {"BlockPublicAcls": "true", "RestrictPublicBuckets": True},
        "VersioningConfiguration": {"Status": "Enabled"},
    }
    log = {"Type": "AWS::S3::Bucket"}
    stacks.deploy({"B": {"Type": "AWS::S3::Bucket", "Properties": settings}, "Log": log})
    s3, name = client("s3"), stacks.physical_id("B")

    rule = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert rule["BucketKeyEnabled"] is True
    assert s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"][0]["Expiration"]["Days"] == 7
    assert s3.get_bucket_logging(Bucket=name)["LoggingEnabled"]["TargetPrefix"] == "images/"
    assert s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]["BlockPublicAcls"] is True
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"

    stacks.deploy({"B": {"Type": "AWS::S3::Bucket"}, "Log": log})

    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Suspended"
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket=name)
    with pytest.raises(ClientError, match="NoSuchPublicAccessBlockConfiguration"):
        s3.get_public_access_block(Bucket=name)


def test_a_policy_that_demands_tls_lets_local_traffic_through_and_another_deny_does_not(
    stacks: Stacks, client: Any
) -> None:
    bucket = {"Type": "AWS::S3::Bucket"}
    arn = {"Fn::Sub": "${B.Arn}/*"}
    tls = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "s3:*", "Resource": arn}
    tls["Condition"] = {"Bool": {"aws:SecureTransport": "false"}}
    shut = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": arn}

    def policy(*statements: dict[str, Any]) -> dict[str, Any]:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        properties = {"Bucket": {"Ref": "B"}, "PolicyDocument": document}
        return {"B": bucket, "P": {"Type": "AWS::S3::BucketPolicy", "Properties": properties}}

    stacks.deploy(policy(tls))
    s3, name = client("s3"), stacks.physical_id("B")
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"x"
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=name)["Policy"]

    stacks.deploy(policy(tls, shut))
    with pytest.raises(ClientError, match="Forbidden"):
        s3.get_object(Bucket=name, Key="k")


def test_a_key_rotates_is_described_and_its_deletion_is_scheduled(stacks: Stacks, client: Any) -> None:
    policy = {"Version": "2012-10-17", "Statement": [{"Sid": "A", "Effect": "Allow", "Principal": "*", "Action": "*"}]}
    key = {"Type": "AWS::KMS::Key", "Properties": {"EnableKeyRotation": "true", "KeyPolicy": policy}}
    stacks.deploy({"K": key})
    kms, key_id = client("kms"), stacks.physical_id("K")

    assert kms.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"] is True
    assert json.loads(kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]) == policy
    stacks.api.delete_stack(StackName="stack")
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingDeletion"


@pytest.mark.usefixtures("managed_policies")
def test_roles_and_policies_follow_the_template(stacks: Stacks, client: Any) -> None:
    def statement(action: str) -> dict[str, Any]:
        return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}

    def resources(action: str, *managed: Any) -> dict[str, Any]:
        trust = ROLE["Properties"]
        return {
            "M": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": statement(action)}},
            "R": {"Type": "AWS::IAM::Role", "Properties": {**trust, "ManagedPolicyArns": list(managed)}},
            "P": {
                "Type": "AWS::IAM::Policy",
                "Properties": {"PolicyName": "in", "PolicyDocument": statement(action), "Roles": [{"Ref": "R"}]},
            },
        }

    stacks.deploy(resources("s3:GetObject", {"Ref": "M"}, "arn:aws:iam::aws:policy/ReadOnlyAccess"))
    iam, role = client("iam"), stacks.physical_id("R")
    names = {item["PolicyName"] for item in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]}
    assert "ReadOnlyAccess" in names

    stacks.deploy(resources("s3:PutObject", {"Ref": "M"}))
    assert iam.get_role_policy(RoleName=role, PolicyName="in")["PolicyDocument"] == statement("s3:PutObject")
    arn = stacks.physical_id("M")
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    assert document == statement("s3:PutObject")
    assert len(iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]) == 1

    stacks.api.delete_stack(StackName="stack")
    assert iam.list_roles()["Roles"] == []


def test_an_identity_provider_arrives_changes_and_is_one_for_each_address(stacks: Stacks, client: Any) -> None:
    def provider(*, thumbprint: str, stage: str, clients: tuple[str, ...] = ("sts.amazonaws.com",)) -> dict[str, Any]:
        properties = {
            "Url": "https://tokens.example.com/actions",
            "ClientIdList": list(clients),
            "ThumbprintList": [thumbprint * 40],
            "Tags": [{"Key": "stage", "Value": stage}],
        }
        return {"Type": "AWS::IAM::OIDCProvider", "Properties": properties}

    stacks.deploy({"O": provider(thumbprint="a", stage="dev")})
    iam, arn = client("iam"), stacks.physical_id("O")
    assert arn.endswith(":oidc-provider/tokens.example.com/actions")
    made = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (made["ClientIDList"], made["ThumbprintList"]) == (["sts.amazonaws.com"], ["a" * 40])

    stacks.deploy({"O": provider(thumbprint="b", stage="prod")})
    changed = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (changed["ThumbprintList"], changed["Tags"][0]["Value"]) == (["b" * 40], "prod")

    second = provider(thumbprint="b", stage="prod", clients=("sts.amazonaws.com", "other"))
    stacks.deploy({"O": second})
    assert stacks.physical_id("O") == arn
    clients = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"]
    assert clients == ["sts.amazonaws.com", "other"]

    assert stacks.deploy({"O": second, "P": second}) == "UPDATE_ROLLBACK_COMPLETE"
    assert "EntityAlreadyExists" in stacks.reasons()

    stacks.api.delete_stack(StackName="stack")
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def test_small_types_arrive(stacks: Stacks, client: Any) -> None:
    stacks.deploy(
        {
            "G": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/g", "RetentionInDays": "14"}},
            "T": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "Pages"}},
            "A": {
                "Type": "AWS::CloudWatch::Alarm",
                "Properties": {
                    "ComparisonOperator": "GreaterThanThreshold",
                    "EvaluationPeriods": "2",
                    "Threshold": "1.5",
                    "MetricName": "5XXError",
                    "Namespace": "AWS/ApiGateway",
                    "Period": "60",
                    "Statistic": "Sum",
                    "AlarmActions": [{"Ref": "T"}],
                    "TreatMissingData": "notBreaching",
                },
            },
        }
    )

    assert client("logs").describe_log_groups()["logGroups"][0]["retentionInDays"] == 14
    alarm = client("cloudwatch").describe_alarms()["MetricAlarms"][0]
    assert (alarm["Threshold"], alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (1.5, 2, "notBreaching")
    assert alarm["AlarmActions"] == [stacks.physical_id("T")]


def function(code: str, bucket: str, **properties: Any) -> dict[str, Any]:
    settings = {
        "Code": {"S3Bucket": bucket, "S3Key": code},
        "Handler": "index.handler",
        "Role": {"Fn::GetAtt": ["R", "Arn"]},
        "Runtime": "python3.13",
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/g"},
        "SnapStart": {"ApplyOn": "PublishedVersions"},
        "Timeout": "30",
        "TracingConfig": {"Mode": "Active"},
        **properties,
    }
    return {"Type": "AWS::Lambda::Function", "Properties": settings}


def test_a_published_version_keeps_its_code_and_configuration(stacks: Stacks, client: Any) -> None:
    s3, awslambda = client("s3"), client("lambda")
    s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for name in ("one.zip", "two.zip"):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("index.py", f"# {name}")
        s3.put_object(Bucket="code", Key=name, Body=archive.getvalue())

    def resources(code: str, version: str, value: str) -> dict[str, Any]:
        variables = {"Environment": {"Variables": {"V": value}}}
        return {
            "R": ROLE,
            "F": function(code, "code", **variables),
            version: {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "F"}}},
            "Live": {
                "Type": "AWS::Lambda::Alias",
                "Properties": {
                    "FunctionName": {"Ref": "F"},
                    "FunctionVersion": {"Fn::GetAtt": [version, "Version"]},
                    "Name": "live",
                },
            },
            "Allow": {
                "Type": "AWS::Lambda::Permission",
                "Properties": {
                    "Action": "lambda:InvokeFunction",
                    "FunctionName": {"Ref": "Live"},
                    "Principal": "apigateway.amazonaws.com",
                },
            },
        }

    stacks.deploy(resources("one.zip", "V1", "1"))
    name = stacks.physical_id("F")
    first = awslambda.get_function_configuration(FunctionName=name, Qualifier="live")
    assert (first["Version"], first["Timeout"], first["TracingConfig"]) == ("1", 30, {"Mode": "Active"})
    assert first["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}
    assert first["LoggingConfig"]["LogFormat"] == "JSON"
    policy = json.loads(awslambda.get_policy(FunctionName=name, Qualifier="live")["Policy"])
    assert policy["Statement"][0]["Resource"].endswith(f":function:{name}:live")

    changed = resources("two.zip", "V2", "2")
    stacks.deploy({**resources("one.zip", "V1", "1"), "F": changed["F"]})
    kept = awslambda.get_function_configuration(FunctionName=name, Qualifier="live")
    assert (kept["CodeSha256"], kept["Environment"]) == (first["CodeSha256"], first["Environment"])

    stacks.deploy(changed)
    second = awslambda.get_function_configuration(FunctionName=name, Qualifier="live")
    assert second["CodeSha256"] != first["CodeSha256"]
    assert second["Environment"] == {"Variables": {"V": "2"}}
    assert second["Version"] == "2"

    stacks.deploy(resources("one.zip", "V3", "3"))
    third = awslambda.get_function_configuration(FunctionName=name, Qualifier="live")
    assert third["Version"] == "3"
    stacks.api.delete_stack(StackName="stack")
    assert awslambda.list_functions()["Functions"] == []


def test_a_global_table_of_one_replica_is_a_table(stacks: Stacks, client: Any) -> None:
    def table(**replica: Any) -> dict[str, Any]:
        properties = {
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "Replicas": [{"Region": "eu-west-1", **replica}],
            "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS"},
            "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
        }
        return {"T": {"Type": "AWS::DynamoDB::GlobalTable", "Properties": properties}}

    recovery = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
    key = {"SSESpecification": {"KMSMasterKeyId": "alias/own"}}
    stacks.deploy(table(**recovery, **key), Outputs={"Arn": {"Value": {"Fn::GetAtt": ["T", "Arn"]}}})
    dynamodb, name = client("dynamodb"), stacks.physical_id("T")

    described = dynamodb.describe_table(TableName=name)["Table"]
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert stacks.outputs()["Arn"] == described["TableArn"]
    assert described["SSEDescription"]["KMSMasterKeyArn"] == "alias/own"
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert expiry["AttributeName"] == "expires"

    assert stacks.deploy(table(**key, DeletionProtectionEnabled=True)) == "UPDATE_COMPLETE"
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
    assert dynamodb.describe_table(TableName=name)["Table"]["DeletionProtectionEnabled"]
    stacks.deploy({"P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "v"}}})
    assert stacks.describe()["StackStatus"] == "UPDATE_COMPLETE"


def test_a_global_table_elsewhere_is_refused(stacks: Stacks) -> None:
    properties = {
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "Replicas": [{"Region": "eu-west-1"}, {"Region": "us-east-1"}],
    }
    stacks.deploy({"T": {"Type": "AWS::DynamoDB::GlobalTable", "Properties": properties}})

    assert "is emulated with one replica, in the stack's region eu-west-1" in stacks.reasons()


def test_a_subscription_of_its_own_comes_and_goes(stacks: Stacks, client: Any) -> None:
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    properties = {"Protocol": "email", "Endpoint": "a@example.com", "TopicArn": {"Ref": "Topic"}}
    stacks.deploy({**topic, "Email": {"Type": "AWS::SNS::Subscription", "Properties": properties}})

    def endpoints() -> list[str]:
        found = client("sns").list_subscriptions_by_topic(TopicArn=stacks.physical_id("Topic"))["Subscriptions"]
        return [one["Endpoint"] for one in found]

    assert endpoints() == ["a@example.com"]
    stacks.deploy(topic)
    assert endpoints() == []
