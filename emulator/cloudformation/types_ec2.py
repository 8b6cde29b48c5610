"""AWS::EC2: security groups and their rules, and VPC endpoints, in a VPC that is there."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

import json
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from emulator.cloudformation.errors import ResourceError
from emulator.cloudformation.resource_type import DOCUMENTED, Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import boolean, removed_keys, tag_list, unless

_GONE = "InvalidGroup.NotFound InvalidGroupId.NotFound InvalidPermission.NotFound InvalidVpcEndpointId.NotFound"
# What AWS gives a group that is made without rules for what goes out.
_EVERYTHING_OUT = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


class SecurityGroup(ResourceType):
    """A security group with its rules; without rules for what goes out, everything goes out."""

    name = "AWS::EC2::SecurityGroup"
    carried = words("GroupDescription GroupName SecurityGroupEgress SecurityGroupIngress Tags VpcId")
    more_attributes: ClassVar[dict[str, str]] = {"VpcId": DOCUMENTED}
    name_property = "GroupName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the group, then its rules."""
        ec2, vpc_id = context.client("ec2"), properties["VpcId"]
        _find(ec2.describe_vpcs, VpcIds=[vpc_id])
        group_id = ec2.create_security_group(
            GroupName=properties.get("GroupName") or context.physical_name(255),
            Description=properties["GroupDescription"],
            VpcId=vpc_id,
            **_tagged("security-group", properties),
        )["GroupId"]
        made = Made(group_id, {"GroupId": group_id, "Id": group_id, "VpcId": vpc_id})
        context.initiated(made)
        self._set_rules(ec2, group_id, {}, properties)
        return made

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change rules and tags."""
        self._set_rules(context.client("ec2"), made.physical_id, before, after)
        _retag(context, made, before, after)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the group."""
        unless(_GONE, context.client("ec2").delete_security_group, GroupId=made.physical_id)

    @staticmethod
    def _set_rules(ec2: Any, group_id: str, before: Properties, after: Properties) -> None:
        for kind, add, remove in (
            ("SecurityGroupIngress", ec2.authorize_security_group_ingress, ec2.revoke_security_group_ingress),
            ("SecurityGroupEgress", ec2.authorize_security_group_egress, ec2.revoke_security_group_egress),
        ):
            default = [_EVERYTHING_OUT] if kind == "SecurityGroupEgress" else []
            old = [_rule(one) for one in before.get(kind) or []] or default
            new = [_rule(one) for one in after.get(kind) or []] or default
            if dropped := [one for one in old if one not in new]:
                remove(GroupId=group_id, IpPermissions=dropped)
            if added := [one for one in new if one not in old]:
                add(GroupId=group_id, IpPermissions=added)


class _Rule(ResourceType):
    """One rule of a security group."""

    direction: ClassVar[str]
    """How the names of the API's operations end."""

    def create(self, context: Context, properties: Properties) -> Made:
        """Add the rule."""
        answer = self._call(context, "authorize_security_group", properties)
        rule_id = answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        return Made(rule_id, {"Id": rule_id})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the description."""
        self._call(context, "update_security_group_rule_descriptions", after)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Take the rule away."""
        unless(_GONE, lambda: self._call(context, "revoke_security_group", properties))

    def _call(self, context: Context, operation: str, properties: Properties) -> Any:
        request = getattr(context.client("ec2"), f"{operation}_{self.direction}")
        return request(GroupId=properties["GroupId"], IpPermissions=[_rule(properties)])


class SecurityGroupIngress(_Rule):
    """One rule for what comes into a group."""

    name = "AWS::EC2::SecurityGroupIngress"
    direction = "ingress"
    carried = words(
        "CidrIp CidrIpv6 Description FromPort GroupId IpProtocol SourcePrefixListId SourceSecurityGroupId ToPort"
    )


class SecurityGroupEgress(_Rule):
    """One rule for what goes out of a group."""

    name = "AWS::EC2::SecurityGroupEgress"
    direction = "egress"
    carried = words(
        "CidrIp CidrIpv6 Description DestinationPrefixListId DestinationSecurityGroupId FromPort GroupId IpProtocol "
        "ToPort"
    )


class VpcEndpoint(ResourceType):
    """A gateway or interface endpoint in subnets, route tables and security groups that are there."""

    name = "AWS::EC2::VPCEndpoint"
    carried = words(
        "PolicyDocument PrivateDnsEnabled RouteTableIds SecurityGroupIds ServiceName SubnetIds Tags VpcEndpointType "
        "VpcId"
    )
    missing_attributes: ClassVar[dict[str, str]] = dict.fromkeys(
        ("CreationTimestamp", "DnsEntries", "NetworkInterfaceIds"), "moto's endpoints have no network behind them"
    )

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the endpoint."""
        ec2 = context.client("ec2")
        self._check(ec2, properties)
        lists = words("RouteTableIds SecurityGroupIds SubnetIds ServiceName VpcEndpointType VpcId")
        fields = {key: properties[key] for key in lists if key in properties}
        if "PolicyDocument" in properties:
            fields["PolicyDocument"] = json.dumps(properties["PolicyDocument"])
        if "PrivateDnsEnabled" in properties:
            fields["PrivateDnsEnabled"] = boolean(properties["PrivateDnsEnabled"])
        found = ec2.create_vpc_endpoint(**fields, **_tagged("vpc-endpoint", properties))["VpcEndpoint"]
        return Made(found["VpcEndpointId"], {"Id": found["VpcEndpointId"]})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change policy, places and tags."""
        ec2 = context.client("ec2")
        self._check(ec2, after)
        fields: dict[str, Any] = {"VpcEndpointId": made.physical_id}
        for key in ("RouteTableIds", "SecurityGroupIds", "SubnetIds"):
            old, new = set(before.get(key) or []), set(after.get(key) or [])
            fields |= {f"Add{key}": sorted(new - old)} if new - old else {}
            fields |= {f"Remove{key}": sorted(old - new)} if old - new else {}
        if before.get("PolicyDocument") != after.get("PolicyDocument"):
            if "PolicyDocument" in after:
                fields["PolicyDocument"] = json.dumps(after["PolicyDocument"])
            else:
                fields["ResetPolicy"] = True
        if before.get("PrivateDnsEnabled") != after.get("PrivateDnsEnabled"):
            fields["PrivateDnsEnabled"] = boolean(after.get("PrivateDnsEnabled", False))
        ec2.modify_vpc_endpoint(**fields)
        _retag(context, made, before, after)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the endpoint."""
        unless(_GONE, context.client("ec2").delete_vpc_endpoints, VpcEndpointIds=[made.physical_id])

    @staticmethod
    def _check(ec2: Any, properties: Properties) -> None:
        """What moto takes on trust: route tables and groups. VPC and subnets it looks for itself."""
        if properties.get("RouteTableIds"):
            _find(ec2.describe_route_tables, RouteTableIds=list(properties["RouteTableIds"]))
        if properties.get("SecurityGroupIds"):
            _find(ec2.describe_security_groups, GroupIds=list(properties["SecurityGroupIds"]))


def _find(describe: Any, **ids: Any) -> None:
    try:
        describe(**ids)
    except ClientError as exc:
        message = f"Resource handler returned message: {exc.response['Error']['Message']}"
        raise ResourceError(message) from exc


def _rule(properties: Properties) -> dict[str, Any]:
    """A rule of a template as the API has it."""
    rule: dict[str, Any] = {"IpProtocol": str(properties["IpProtocol"])}
    rule |= {key: int(properties[key]) for key in ("FromPort", "ToPort") if key in properties}
    described = {"Description": properties["Description"]} if "Description" in properties else {}
    for names, field, key in (
        (("CidrIp",), "IpRanges", "CidrIp"),
        (("CidrIpv6",), "Ipv6Ranges", "CidrIpv6"),
        (("SourcePrefixListId", "DestinationPrefixListId"), "PrefixListIds", "PrefixListId"),
        (("SourceSecurityGroupId", "DestinationSecurityGroupId"), "UserIdGroupPairs", "GroupId"),
    ):
        for name in names:
            if name in properties:
                rule[field] = [{key: properties[name], **described}]
    return rule


def _tagged(resource: str, properties: Properties) -> dict[str, Any]:
    tags = tag_list(properties)
    return {"TagSpecifications": [{"ResourceType": resource, "Tags": tags}]} if tags else {}


def _retag(context: Context, made: Made, before: Properties, after: Properties) -> None:
    ec2 = context.client("ec2")
    if removed_keys(before, after):
        ec2.delete_tags(Resources=[made.physical_id], Tags=[{"Key": key} for key in removed_keys(before, after)])
    if tag_list(after):
        ec2.create_tags(Resources=[made.physical_id], Tags=tag_list(after))
