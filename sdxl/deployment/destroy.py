"""Deletes an environment with what its buckets hold: what writes to them first, then their content, then the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sdxl.deployment import cdk
from sdxl.deployment.aws import make_session
from sdxl.deployment.interfaces import wait_until_unused
from sdxl.deployment.log_role import delete_unused_log_role, log_role_of
from sdxl.errors import NotDeployedError, SdxlError
from sdxl.project import LOCAL
from stacks.environment import Environment

FOLDER = LOCAL / "destroy"
# In this order: who uses something goes before it.
_NETWORK = "Network"
_BEFORE_STORAGE = ("Operations", "Api", "Inference", _NETWORK)
# S3 takes no more in one DeleteObjects.
_BATCH = 1000
_ATTEMPTS = 3


def destroy_environment(
    environment: Environment, *, directory: Path, assembly: Path | None, show: Callable[[str], None]
) -> None:
    """Delete the environment's stacks, and the content of its buckets between them.

    Raises NotDeployedError where the credentials are another account's or there is no such deployment, and SdxlError
    where the buckets that are deployed are to be kept or CloudFormation fails.
    """
    session = make_session(environment)
    _check_account(session, environment)
    storage = f"sdxl-{environment.name}-Storage"
    buckets = _buckets(session.client("cloudformation"), storage)
    if assembly is None:
        assembly = cdk.synthesize(directory, FOLDER / "cdk.out", log_file=FOLDER / "synth.log")
    present = _present(assembly, environment.name)
    _delete_left_stacks(session.client("cloudformation"), environment.name, present, show)
    others = [f"sdxl-{environment.name}/{stack}" for stack in present if stack != _NETWORK]
    log_role = log_role_of(session.client("cloudformation"), environment.name)
    show(f"Deleting {', '.join(others)}")
    _cdk_destroy(assembly, others, environment.name)
    if _NETWORK in present and _is_deployed(session.client("cloudformation"), f"sdxl-{environment.name}-{_NETWORK}"):
        # The endpoint's execution role, with which SageMaker removes its interfaces, is in Storage.
        wait_until_unused(session, f"sdxl-{environment.name}-{_NETWORK}", show)
        show(f"Deleting sdxl-{environment.name}/{_NETWORK}")
        _cdk_destroy(assembly, [f"sdxl-{environment.name}/{_NETWORK}"], environment.name)
    for attempt in range(1, _ATTEMPTS + 1):
        for bucket in buckets:
            show(f"{bucket}: {_empty(session.client('s3'), bucket)} versions deleted")
        try:
            _cdk_destroy(assembly, [f"sdxl-{environment.name}/Storage"], environment.name)
        except SdxlError:
            # An access log may have been delivered since.
            if attempt == _ATTEMPTS or not any(_holds_any(session.client("s3"), bucket) for bucket in buckets):
                raise
        else:
            break
    if log_role is not None:
        show(delete_unused_log_role(session, log_role))
    show(f"{environment.name} is deleted. Its key goes after the 30 days that KMS waits.")


def _check_account(session: Any, environment: Environment) -> None:
    try:
        found = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as exc:
        raise NotDeployedError(f"No AWS account: {exc}. Choose credentials with AWS_PROFILE.") from exc
    if found != environment.account:
        raise NotDeployedError(
            f"The credentials are of account {found}, and {environment.name!r} is in {environment.account}. Choose "
            "others with AWS_PROFILE."
        )


def _buckets(cloudformation: Any, stack: str) -> list[str]:
    """The stack's buckets, if what is deployed deletes them: what the file says now may not be deployed yet."""
    try:
        found = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
        template = cloudformation.get_template(StackName=stack)["TemplateBody"]
    except ClientError as exc:
        raise NotDeployedError(f"The stack {stack} cannot be read: {exc}. Is the environment deployed?") from exc
    buckets = [item for item in found if item["ResourceType"] == "AWS::S3::Bucket" and "PhysicalResourceId" in item]
    for bucket in buckets:
        if template["Resources"][bucket["LogicalResourceId"]].get("DeletionPolicy") != "Delete":
            raise SdxlError(
                f"{bucket['PhysicalResourceId']} is deployed to be kept: deploy the environment with "
                "storage.on_destroy: delete first. Nothing was deleted."
            )
    return [bucket["PhysicalResourceId"] for bucket in buckets]


def _is_deployed(cloudformation: Any, stack: str) -> bool:
    """Whether the stack is there. An earlier attempt may have deleted it."""
    try:
        cloudformation.describe_stacks(StackName=stack)
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "ValidationError":
            raise SdxlError(f"The stack {stack} cannot be read: {exc}") from exc
        return False
    return True


def _present(assembly: Path, environment: str) -> list[str]:
    """The stacks that this environment has, without Storage."""
    nested = assembly / f"assembly-sdxl-{environment}"
    return [stack for stack in _BEFORE_STORAGE if _has(nested, environment, stack)]


def _delete_left_stacks(
    cloudformation: Any, environment: str, present: Collection[str], show: Callable[[str], None]
) -> None:
    """Delete what an earlier deployment made and the app no longer has, which the CDK CLI does not know.

    CloudFormation deletes each with the role that deployed it.
    """
    try:
        pages = cloudformation.get_paginator("describe_stacks").paginate()
        deployed = {stack["StackName"] for page in pages for stack in page["Stacks"]}
        for stack in _BEFORE_STORAGE:
            name = f"sdxl-{environment}-{stack}"
            if stack in present or name not in deployed:
                continue
            show(f"Deleting {name}, which the app no longer has")
            cloudformation.delete_stack(StackName=name)
            cloudformation.get_waiter("stack_delete_complete").wait(StackName=name)
    except (BotoCoreError, ClientError) as exc:
        raise SdxlError(f"The stacks that the app no longer has cannot be deleted: {exc}") from exc


def _has(nested: Path, environment: str, stack: str) -> bool:
    artifacts = json.loads((nested / "manifest.json").read_text(encoding="utf-8"))["artifacts"].values()
    return any(artifact.get("displayName") == f"sdxl-{environment}/{stack}" for artifact in artifacts)


def _empty(s3: Any, bucket: str) -> int:
    """Delete every version and delete marker; return how many there were."""
    count = 0
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            objects = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
            for start in range(0, len(objects), _BATCH):
                batch = {"Objects": objects[start : start + _BATCH], "Quiet": True}
                answer = s3.delete_objects(Bucket=bucket, Delete=batch)
                if errors := answer.get("Errors"):
                    first = errors[0]
                    raise SdxlError(f"{bucket}: {first['Key']} cannot be deleted: {first['Code']}, {first['Message']}")
            count += len(objects)
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "NoSuchBucket":
            raise SdxlError(f"{bucket} cannot be emptied: {exc}") from exc
    return count


def _holds_any(s3: Any, bucket: str) -> bool:
    try:
        page = s3.list_object_versions(Bucket=bucket, MaxKeys=1)
    except ClientError:
        return False
    return bool(page.get("Versions") or page.get("DeleteMarkers"))


def _cdk_destroy(assembly: Path, stacks: list[str], environment: str) -> None:
    arguments = ["destroy", *stacks, "--exclusively", "--force", "--app", str(assembly)]
    arguments += ["--output", str(FOLDER / f"{environment}.out")]
    log_file = FOLDER / f"{environment}.log"
    cdk.run(arguments, cdk.silent, what=f"destroy {' '.join(stacks)}", log_file=log_file)
