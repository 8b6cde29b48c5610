"""The storage stack: what it keeps, and how it is protected."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from image_api.image_store import KEPT_PREFIX as FUNCTION_KEPT_PREFIX
from infrastructure_synthesis import Template, logical_id, resources

from stacks.storage_stack import KEPT_PREFIX

# What holds data. A changed id would leave the old one behind, and start with an empty one.
STATEFUL = {
    "Key": "AWS::KMS::Key",
    "ImagesBucket297917F6": "AWS::S3::Bucket",
    "ImagesPolicyB348B051": "AWS::S3::BucketPolicy",
    "AccessLogBucket07987235": "AWS::S3::Bucket",
    "AccessLogPolicyE3EFBBF8": "AWS::S3::BucketPolicy",
}


def test_logical_ids_of_stateful_resources_are_pinned_and_all_are_retained(dev: dict[str, Template]) -> None:
    deleted = ("AWS::DynamoDB::Table", "AWS::IAM::Role")
    found = {name: item for name, item in dev["Storage"]["Resources"].items() if item["Type"] not in deleted}

    assert {name: resource["Type"] for name, resource in found.items()} == STATEFUL
    assert {resource["DeletionPolicy"] for resource in found.values()} == {"RetainExceptOnCreate"}
    assert {resource["UpdateReplacePolicy"] for resource in found.values()} == {"Retain"}


def test_table_of_given_answers_is_encrypted_recoverable_and_forgets(dev: dict[str, Template]) -> None:
    template = dev["Storage"]
    (table,) = resources(template, "AWS::DynamoDB::Table").values()

    assert table["Properties"] == {
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {
            "KMSMasterKeyId": {"Fn::GetAtt": [logical_id(template, "AWS::KMS::Key"), "Arn"]},
            "SSEEnabled": True,
            "SSEType": "KMS",
        },
        "TimeToLiveSpecification": {"AttributeName": "expiration", "Enabled": True},
    }
    # What it holds is of use for a day: kept beyond its stack it would only cost.
    assert table["DeletionPolicy"] == "Delete"


def test_every_bucket_is_private_versioned_and_refuses_plain_http(dev: dict[str, Template]) -> None:
    buckets = resources(dev["Storage"], "AWS::S3::Bucket")
    policies = [policy["Properties"] for policy in resources(dev["Storage"], "AWS::S3::BucketPolicy").values()]

    for bucket in buckets.values():
        properties = bucket["Properties"]
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
        assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        assert "BucketName" not in properties
    assert {policy["Bucket"]["Ref"] for policy in policies} == set(buckets)
    for policy in policies:
        arn = {"Fn::GetAtt": [policy["Bucket"]["Ref"], "Arn"]}
        assert policy["PolicyDocument"]["Statement"][0] == {
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": "s3:*",
            "Resource": [arn, {"Fn::Join": ["", [arn, "/*"]]}],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }


def test_images_are_encrypted_with_the_key_and_access_log_with_what_s3_delivers_to(dev: dict[str, Template]) -> None:
    images = dev["Storage"]["Resources"]["ImagesBucket297917F6"]["Properties"]
    access_log = dev["Storage"]["Resources"]["AccessLogBucket07987235"]["Properties"]

    assert images["BucketEncryption"]["ServerSideEncryptionConfiguration"] == [
        {
            "BucketKeyEnabled": True,
            "ServerSideEncryptionByDefault": {
                "SSEAlgorithm": "aws:kms",
                "KMSMasterKeyID": {"Fn::GetAtt": ["Key", "Arn"]},
            },
        }
    ]
    assert access_log["BucketEncryption"]["ServerSideEncryptionConfiguration"] == [
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    ]
    assert images["LoggingConfiguration"] == {
        "DestinationBucketName": {"Ref": "AccessLogBucket07987235"},
        "LogFilePrefix": "images/",
    }


def test_only_the_log_delivery_of_the_images_bucket_may_write_to_the_access_log(dev: dict[str, Template]) -> None:
    document = dev["Storage"]["Resources"]["AccessLogPolicyE3EFBBF8"]["Properties"]["PolicyDocument"]
    (allowed,) = [statement for statement in document["Statement"] if statement["Effect"] == "Allow"]

    assert allowed["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert allowed["Action"] == "s3:PutObject"
    assert allowed["Condition"] == {
        "ArnLike": {"aws:SourceArn": {"Fn::GetAtt": ["ImagesBucket297917F6", "Arn"]}},
        "StringEquals": {"aws:SourceAccount": "111122223333"},
    }


@pytest.mark.parametrize(("days", "retention"), [(1, 1), (365, 3653)])
def test_images_and_logs_expire_as_the_environment_says(
    synth: Callable[..., dict[str, Template]], days: int, retention: int
) -> None:
    template = synth(storage={"image_expiration_days": days, "log_retention_days": retention})["Storage"]

    for name, expected in (("ImagesBucket297917F6", days), ("AccessLogBucket07987235", retention)):
        expire, markers, *_ = template["Resources"][name]["Properties"]["LifecycleConfiguration"]["Rules"]
        assert expire["ExpirationInDays"] == expected
        assert expire["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
        assert expire["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
        assert markers["ExpiredObjectDeleteMarker"] is True


def test_images_kept_for_repeats_expire_with_the_records_of_their_calls(prod: dict[str, Template]) -> None:
    images, access_log = (
        prod["Storage"]["Resources"][name]["Properties"]["LifecycleConfiguration"]["Rules"]
        for name in ("ImagesBucket297917F6", "AccessLogBucket07987235")
    )

    assert len(access_log) == 2
    assert images[2] == {
        "Id": "Expire-generated-kept",
        "Prefix": "generated/kept/",
        "Status": "Enabled",
        # A record lives a day: S3 removes objects at the midnight after that.
        "ExpirationInDays": 1,
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }


def test_function_writes_under_the_prefix_that_expires() -> None:
    assert f"{FUNCTION_KEPT_PREFIX}/" == KEPT_PREFIX


def test_key_rotates_and_serves_cloudwatch_logs_of_this_account_and_region_only(prod: dict[str, Template]) -> None:
    key = prod["Storage"]["Resources"]["Key"]["Properties"]
    account, logs, topic = key["KeyPolicy"]["Statement"]

    assert key["EnableKeyRotation"] is True
    assert account["Principal"] == {"AWS": "arn:aws:iam::777788889999:root"}
    assert logs["Principal"] == {"Service": "logs.eu-west-1.amazonaws.com"}
    assert logs["Condition"] == {
        "ArnLike": {"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:eu-west-1:777788889999:log-group:*"}
    }
    assert topic["Condition"] == {"StringEquals": {"aws:SourceAccount": "777788889999"}}


def test_key_serves_no_topic_where_there_are_no_alarms(synth: Callable[..., dict[str, Template]]) -> None:
    key = synth(operations=None)["Storage"]["Resources"]["Key"]["Properties"]

    assert [statement["Sid"] for statement in key["KeyPolicy"]["Statement"]] == ["AccountPolicies", "CloudWatchLogs"]


def test_outputs_have_their_plain_names(dev: dict[str, Template]) -> None:
    outputs = {name for name in dev["Storage"]["Outputs"] if not name.startswith("ExportsOutput")}

    assert outputs == {"ImagesBucketName", "KeyArn"}
