"""What the environment file names that somebody else made: the VPC with its subnets, the key, the boundary."""

from __future__ import annotations

from collections.abc import Iterator

from sdxl.preflight.account import Account, AwsError, Finding
from sdxl.preflight.region import offered_zones
from stacks.catalog import partition_of

NETWORK = "network"
KEY = "key"
BOUNDARY = "permissions boundary"


def check_network(account: Account) -> Iterator[Finding]:
    """The subnets exist, are the VPC's, are in two zones, and at least one of these offers the instance types."""
    network = account.environment.network
    if network is None:
        return
    try:
        account.call("ec2:DescribeVpcs", VpcIds=[network.vpc_id])
        subnets = account.call("ec2:DescribeSubnets", SubnetIds=list(network.subnet_ids))["Subnets"]
    except AwsError as exc:
        if exc.code not in ("InvalidVpcID.NotFound", "InvalidSubnetID.NotFound"):
            yield exc.unknown(NETWORK)
            return
        yield Finding(
            name=NETWORK,
            status="failed",
            found=exc.message,
            remedy=f"Correct `network.vpc_id` or `network.subnet_ids`: they must be in account "
            f"{account.environment.account}, {account.environment.region}.",
        )
        return
    zones = sorted({str(subnet["AvailabilityZone"]) for subnet in subnets})
    details = {"vpc": network.vpc_id, "zones": zones}
    strangers = sorted(str(subnet["SubnetId"]) for subnet in subnets if subnet["VpcId"] != network.vpc_id)
    if strangers:
        found = f"{', '.join(strangers)} is not in {network.vpc_id}"
        remedy = "Name subnets of that VPC in `network.subnet_ids`."
        yield Finding(name=NETWORK, status="failed", found=found, remedy=remedy, details=details)
    elif len(zones) < 2:
        found = f"all subnets are in {zones[0]}; the functions and the model want two availability zones"
        remedy = "Name a subnet of another zone in `network.subnet_ids`."
        yield Finding(name=NETWORK, status="failed", found=found, remedy=remedy, details=details)
    else:
        yield from _check_zones(account, zones)


def _check_zones(account: Account, zones: list[str]) -> Iterator[Finding]:
    found = f"{account.environment.network.vpc_id}, in {', '.join(zones)}" if account.environment.network else ""
    for instance_type in account.environment.instance_types:
        try:
            offered = [zone for zone in offered_zones(account, instance_type) if zone in zones]
        except AwsError:
            continue  # its zones are unknown, and a line of their own says so
        if not offered:
            yield Finding(
                name=NETWORK,
                status="failed",
                found=f"EC2 offers {instance_type} in none of the subnets' zones, {', '.join(zones)}",
                remedy="Name subnets of zones that have it (see `zones of`), or another type.",
                details={"zones": zones, "instance_type": instance_type},
            )
            return
    yield Finding(name=NETWORK, status="ok", found=found, details={"zones": zones})


def check_key(account: Account) -> Iterator[Finding]:
    """The key that the file names is there and enabled. What its policy allows is not read."""
    arn = account.environment.storage.key_arn
    if arn is None:
        return
    try:
        key = account.call("kms:DescribeKey", KeyId=arn)["KeyMetadata"]
    except AwsError as exc:
        if exc.code != "NotFoundException":
            yield exc.unknown(KEY)
            return
        remedy = "Correct `storage.key_arn`, or remove it: the environment then makes its own."
        yield Finding(name=KEY, status="failed", found=f"{arn} is not there", remedy=remedy)
        return
    state = str(key.get("KeyState", "Enabled"))
    if state != "Enabled":
        yield Finding(
            name=KEY,
            status="failed",
            found=f"{arn} is in the state {state}",
            remedy="Enable it, or cancel its deletion; or name another in `storage.key_arn`.",
            details={"state": state},
        )
        return
    yield Finding(name=KEY, status="ok", found=f"{arn} is enabled", details={"state": state})


def check_boundary(account: Account) -> Iterator[Finding]:
    """The policy that bounds every role exists: without it, no role is created."""
    environment = account.environment
    boundary = environment.organization.permissions_boundary
    if boundary is None:
        return
    arn = boundary
    if not boundary.startswith("arn:"):
        arn = f"arn:{partition_of(environment.region)}:iam::{environment.account}:policy/{boundary}"
    try:
        account.call("iam:GetPolicy", PolicyArn=arn)
    except AwsError as exc:
        if exc.code != "NoSuchEntity":
            yield exc.unknown(BOUNDARY)
            return
        remedy = "Create it in the account, or correct `permissions_boundary` of organization.yaml."
        yield Finding(name=BOUNDARY, status="failed", found=f"there is no policy {arn}", remedy=remedy)
        return
    yield Finding(name=BOUNDARY, status="ok", found=arn)
