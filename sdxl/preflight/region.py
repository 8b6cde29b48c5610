"""Whether the region has what the environment is made of: the instance types, and SnapStart for its functions."""

from __future__ import annotations

from collections.abc import Iterator

from sdxl.preflight.account import Account, AwsError, Finding
from stacks.catalog import partition_of
from stacks.catalog.snapstart import load_snapstart_catalog

SNAPSTART = "SnapStart"


def check_offerings(account: Account) -> Iterator[Finding]:
    """EC2 offers the instance types in the region, and in which availability zones.

    EC2 offers them without `ml.`. SageMaker has another list, which no API shows: a type that EC2 has nowhere in
    the region cannot be there for SageMaker either, but one that it has is not sure to be.
    """
    types = dict.fromkeys(name for variant in account.environment.all_variants for name in variant.instance_types)
    for instance_type in types:
        name = f"zones of {instance_type}"
        try:
            zones = offered_zones(account, instance_type)
        except AwsError as exc:
            yield exc.unknown(name)
            continue
        details = {"instance_type": instance_type, "zones": zones}
        if not zones:
            yield Finding(
                name=name,
                status="failed",
                found=f"EC2 offers no {_ec2_name(instance_type)} in {account.environment.region}",
                remedy="Choose another of `endpoint.instance_types` (`sdxl catalog show`), or another region.",
                details=details,
            )
        elif len(zones) == 1:
            yield Finding(
                name=name,
                status="warning",
                found=f"EC2 offers it in {zones[0]} alone: when that zone is short of it, there is no other",
                remedy="Name a further type in `endpoint.instance_types`.",
                details=details,
            )
        else:
            yield Finding(name=name, status="ok", found=f"EC2 offers it in {', '.join(zones)}", details=details)


def offered_zones(account: Account, instance_type: str) -> list[str]:
    """Return the region's availability zones in which EC2 offers an instance type of SageMaker's.

    Raises:
        AwsError: as `Account.call` does.
    """
    offerings = account.pages(
        "ec2:DescribeInstanceTypeOfferings",
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": [_ec2_name(instance_type)]}],
    )
    return sorted(str(offering["Location"]) for offering in offerings)


def _ec2_name(instance_type: str) -> str:
    return instance_type.removeprefix("ml.")


def check_snapstart(account: Account) -> Iterator[Finding]:
    """Whether Lambda has SnapStart in the region: without it, the image function starts in some seconds more."""
    region, catalog = account.environment.region, load_snapstart_catalog()
    details = {"source": catalog.provenance.source, "as_of": catalog.provenance.as_of}
    if catalog.offers(region, partition_of(region)):
        yield Finding(name=SNAPSTART, status="ok", found=f"offered in {region}", details=details)
    else:
        yield Finding(
            name=SNAPSTART,
            status="warning",
            found=f"the catalog of {catalog.provenance.as_of} knows of none in {region}: the image function is "
            "deployed without it, and its cold starts take some seconds longer",
            remedy="Nothing to do, unless Lambda has it there by now: then add the region to the catalog.",
            details=details,
        )
