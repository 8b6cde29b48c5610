"""The network interfaces that SageMaker and Lambda leave in a VPC for some minutes after what used them is deleted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sdxl.errors import SdxlError

# Lambda deletes its interfaces up to 20 minutes after the function (AWS Lambda Developer Guide, "Configuring VPC
# access"); SageMaker names no time.
LONGEST_SECONDS = 30 * 60
_EVERY_SECONDS = 20


def wait_until_unused(
    session: Any, stack: str, show: Callable[[str], None], *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Wait until no interface uses a security group of `stack`: EC2 refuses to delete a group in use.

    The interfaces of the stack's own VPC endpoints do not count: they are deleted with it.

    Raises SdxlError where interfaces are still there after `LONGEST_SECONDS`, or EC2 does not answer.
    """
    try:
        items = session.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
        groups = _ids(items, "AWS::EC2::SecurityGroup")
        if not groups:
            return
        ec2 = session.client("ec2")
        own = _of_endpoints(ec2, _ids(items, "AWS::EC2::VPCEndpoint"))
        waited = 0
        while used := _using(ec2, groups) - own:
            if waited >= LONGEST_SECONDS:
                raise SdxlError(
                    f"{', '.join(sorted(used))} still use the security groups of {stack} after "
                    f"{LONGEST_SECONDS // 60} minutes, so it cannot be deleted. Run the same command again later."
                )
            if waited == 0:
                show(
                    f"Waiting until {len(used)} network interfaces of functions and endpoint are gone, up to 20 minutes"
                )
            sleep(_EVERY_SECONDS)
            waited += _EVERY_SECONDS
    except (BotoCoreError, ClientError) as exc:
        raise SdxlError(f"The network interfaces of {stack} cannot be seen: {exc}") from exc


def _ids(items: list[dict[str, Any]], kind: str) -> list[str]:
    return [
        item["PhysicalResourceId"] for item in items if item["ResourceType"] == kind and "PhysicalResourceId" in item
    ]


def _using(ec2: Any, groups: list[str]) -> set[str]:
    pages = ec2.get_paginator("describe_network_interfaces").paginate(Filters=[{"Name": "group-id", "Values": groups}])
    return {one["NetworkInterfaceId"] for page in pages for one in page["NetworkInterfaces"]}


def _of_endpoints(ec2: Any, endpoints: list[str]) -> set[str]:
    if not endpoints:
        return set()
    found = ec2.describe_vpc_endpoints(VpcEndpointIds=endpoints)["VpcEndpoints"]
    return {interface for endpoint in found for interface in endpoint.get("NetworkInterfaceIds", ())}
