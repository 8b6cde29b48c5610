"""AWS::S3: buckets and their policies."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import call, tag_list, unless

FIRST_REGION = "us-east-1"
"""The one region that S3 does not accept as a location constraint."""


class Bucket(ResourceType):
    """A bucket with its settings."""

    name = "AWS::S3::Bucket"
    carried = words(
        "AccessControl BucketEncryption BucketName CorsConfiguration LifecycleConfiguration LoggingConfiguration "
        "OwnershipControls PublicAccessBlockConfiguration Tags VersioningConfiguration"
    )
    missing_attributes: ClassVar[dict[str, str]] = dict.fromkeys(
        (
            *(
                f"MetadataConfiguration.{table}TableConfiguration.Table{field}"
                for table in ("Annotation", "Inventory", "Journal")
                for field in ("Arn", "Name")
            ),
            "MetadataConfiguration.Destination",
            "MetadataTableConfiguration.S3TablesDestination.TableArn",
            "MetadataTableConfiguration.S3TablesDestination.TableNamespace",
        ),
        "metadata tables are not emulated",
    )
    name_property = "BucketName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the bucket, then put its settings one by one."""
        s3 = context.client("s3")
        bucket = properties.get("BucketName") or context.physical_name(63, lower_case=True)
        location: dict[str, Any] = {}
        if context.region != FIRST_REGION:
            location = {"CreateBucketConfiguration": {"LocationConstraint": context.region}}
        s3.create_bucket(Bucket=bucket, **location)
        made = _made(context, bucket)
        context.initiated(made)
        _apply(s3, bucket, {}, properties)
        return made

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Put the settings that differ; take away those that are gone."""
        _apply(context.client("s3"), made.physical_id, before, after)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the bucket, which S3 refuses unless it is empty."""
        unless("NoSuchBucket", context.client("s3").delete_bucket, Bucket=made.physical_id)

    def adopt(self, context: Context, physical_id: str, properties: Properties) -> Made:
        """An existing bucket, as it is."""
        context.client("s3").head_bucket(Bucket=physical_id)
        return _made(context, physical_id)


class BucketPolicy(ResourceType):
    """The policy of a bucket."""

    name = "AWS::S3::BucketPolicy"
    carried = words("Bucket PolicyDocument")

    def create(self, context: Context, properties: Properties) -> Made:
        """Put the policy."""
        context.client("s3").put_bucket_policy(
            Bucket=properties["Bucket"], Policy=json.dumps(properties["PolicyDocument"])
        )
        return Made(properties["Bucket"])

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Put the policy anew."""
        return self.create(context, after)

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Take the policy away."""
        context.client("s3").delete_bucket_policy(Bucket=made.physical_id)


def _made(context: Context, bucket: str) -> Made:
    suffix = "amazonaws.com.cn" if context.partition == "aws-cn" else "amazonaws.com"
    return Made(
        bucket,
        {
            "Arn": f"arn:{context.partition}:s3:::{bucket}",
            "DomainName": f"{bucket}.s3.{suffix}",
            "DualStackDomainName": f"{bucket}.s3.dualstack.{context.region}.{suffix}",
            "RegionalDomainName": f"{bucket}.s3.{context.region}.{suffix}",
            "WebsiteURL": f"http://{bucket}.s3-website-{context.region}.{suffix}",
        },
    )


def _apply(s3: Any, bucket: str, before: Properties, after: Properties) -> None:
    for setting, (put, remove) in SETTINGS.items():
        if before.get(setting) == after.get(setting):
            continue
        if setting in after:
            operation, parameters = put(after[setting])
            call(s3, operation, {"Bucket": bucket, **parameters}, of=f"AWS::S3::Bucket.{setting}")
        else:
            operation, parameters = remove
            call(s3, operation, {"Bucket": bucket, **parameters}, of=f"AWS::S3::Bucket.{setting}")


Request = tuple[str, dict[str, Any]]


def _encryption(value: Any) -> Request:
    renamed = {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}
    rules = [
        {renamed.get(key, key): item for key, item in rule.items()}
        for rule in value["ServerSideEncryptionConfiguration"]
    ]
    return "PutBucketEncryption", {"ServerSideEncryptionConfiguration": {"Rules": rules}}


def _logging(value: Any) -> Request:
    enabled = {"TargetPrefix": value.get("LogFilePrefix", "")}
    enabled |= {"TargetBucket": value["DestinationBucketName"]} if "DestinationBucketName" in value else {}
    others = {key: item for key, item in value.items() if key not in {"DestinationBucketName", "LogFilePrefix"}}
    return "PutBucketLogging", {"BucketLoggingStatus": {"LoggingEnabled": enabled | others}}


def _lifecycle(value: Any) -> Request:
    return "PutBucketLifecycleConfiguration", {
        "LifecycleConfiguration": {"Rules": [_lifecycle_rule(rule) for rule in value["Rules"]]}
    }


def _lifecycle_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """CloudFormation's flat rule in the API's nested form."""
    moved = {
        "Prefix",
        "ExpirationInDays",
        "ExpirationDate",
        "ExpiredObjectDeleteMarker",
        "NoncurrentVersionExpirationInDays",
    }
    result = {key: item for key, item in rule.items() if key not in moved | {"Transitions", "Id"}}
    result["Filter"] = {"Prefix": rule.get("Prefix", "")}
    expiration = {
        "Days": rule.get("ExpirationInDays"),
        "Date": rule.get("ExpirationDate"),
        "ExpiredObjectDeleteMarker": rule.get("ExpiredObjectDeleteMarker"),
    }
    if any(item is not None for item in expiration.values()):
        result["Expiration"] = {key: item for key, item in expiration.items() if item is not None}
    if "Id" in rule:
        result["ID"] = rule["Id"]
    if "NoncurrentVersionExpirationInDays" in rule:
        result["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]}
    if "Transitions" in rule:
        result["Transitions"] = [
            {("Days" if key == "TransitionInDays" else key): item for key, item in transition.items()}
            for transition in rule["Transitions"]
        ]
    return result


def _cors(value: Any) -> Request:
    renamed = {"ExposedHeaders": "ExposeHeaders", "MaxAge": "MaxAgeSeconds", "Id": "ID"}
    rules = [{renamed.get(key, key): item for key, item in rule.items()} for rule in value["CorsRules"]]
    return "PutBucketCors", {"CORSConfiguration": {"CORSRules": rules}}


def _acl(value: Any) -> Request:
    words_of = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in value)
    return "PutBucketAcl", {"ACL": words_of.lstrip("-")}


SETTINGS: dict[str, tuple[Callable[[Any], Request], Request]] = {
    "OwnershipControls": (
        lambda value: ("PutBucketOwnershipControls", {"OwnershipControls": value}),
        ("DeleteBucketOwnershipControls", {}),
    ),
    "AccessControl": (_acl, ("PutBucketAcl", {"ACL": "private"})),
    "BucketEncryption": (_encryption, ("DeleteBucketEncryption", {})),
    "CorsConfiguration": (_cors, ("DeleteBucketCors", {})),
    "LifecycleConfiguration": (_lifecycle, ("DeleteBucketLifecycle", {})),
    "LoggingConfiguration": (_logging, ("PutBucketLogging", {"BucketLoggingStatus": {}})),
    "PublicAccessBlockConfiguration": (
        lambda value: ("PutPublicAccessBlock", {"PublicAccessBlockConfiguration": value}),
        ("DeletePublicAccessBlock", {}),
    ),
    "Tags": (
        lambda value: ("PutBucketTagging", {"Tagging": {"TagSet": tag_list({"Tags": value})}}),
        ("DeleteBucketTagging", {}),
    ),
    "VersioningConfiguration": (
        lambda value: ("PutBucketVersioning", {"VersioningConfiguration": value}),
        ("PutBucketVersioning", {"VersioningConfiguration": {"Status": "Suspended"}}),
    ),
}
"""For each setting of a bucket, the request that puts it and the one that takes it away."""
