"""AWS::DynamoDB: tables, and global tables with one replica."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

from typing import Any, ClassVar

from emulator.cloudformation.errors import ResourceError
from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import boolean, call, removed_keys, tag_list, unless

GONE = "ResourceNotFoundException"


class Table(ResourceType):
    """A table without indexes or streams, which no stack uses."""

    name = "AWS::DynamoDB::Table"
    carried = words(
        "AttributeDefinitions BillingMode DeletionProtectionEnabled KeySchema PointInTimeRecoverySpecification "
        "ProvisionedThroughput SSESpecification TableName Tags TimeToLiveSpecification"
    )
    # AWS CloudFormation User Guide, AWS::DynamoDB::Table, KeySchema: "Update requires: Replacement".
    also_replacing: ClassVar[dict[str, str]] = {"KeySchema": "the registry calls it create-only on conditions"}
    missing_attributes: ClassVar[dict[str, str]] = {"StreamArn": "streams are not emulated"}
    without_effect: ClassVar[dict[str, str]] = {
        "TableClass": "a price class: moto keeps none, and nothing else depends on it"
    }
    name_property = "TableName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the table, then set expiry and recovery."""
        dynamodb = context.client("dynamodb")
        table = properties.get("TableName") or context.physical_name(255)
        carried = words("AttributeDefinitions BillingMode DeletionProtectionEnabled KeySchema ProvisionedThroughput")
        fields = {key: properties[key] for key in carried & set(properties)}
        fields |= {"TableName": table, "Tags": tag_list(properties)}
        if "SSESpecification" in properties:
            fields["SSESpecification"] = _encryption(properties["SSESpecification"])
        made_table = call(dynamodb, "CreateTable", fields, of=self.name)["TableDescription"]
        made = Made(table, {"Arn": made_table["TableArn"]})
        context.initiated(made)
        _set_expiry(dynamodb, table, {}, properties)
        _set_recovery(dynamodb, table, properties)
        return made

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change billing, protection, encryption, expiry, recovery and tags."""
        dynamodb, table = context.client("dynamodb"), made.physical_id
        names = words("AttributeDefinitions BillingMode DeletionProtectionEnabled ProvisionedThroughput")
        fields = {"DeletionProtectionEnabled": False, **{key: after[key] for key in names & set(after)}}
        call(dynamodb, "UpdateTable", {**fields, "TableName": table}, of=self.name)
        self._encrypt(context, table, after)
        _set_expiry(dynamodb, table, before, after)
        _set_recovery(dynamodb, table, after)
        arn = made.attributes["Arn"]
        dynamodb.untag_resource(ResourceArn=arn, TagKeys=removed_keys(before, after))
        dynamodb.tag_resource(ResourceArn=arn, Tags=tag_list(after))
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the table, which DynamoDB refuses while it is protected."""
        unless(GONE, context.client("dynamodb").delete_table, TableName=made.physical_id)

    @staticmethod
    def _encrypt(context: Context, table: str, properties: Properties) -> None:
        # moto's UpdateTable leaves encryption as it was.
        from moto.dynamodb.models import dynamodb_backends  # noqa: PLC0415 - takes half a second to import

        record = dynamodb_backends[context.account][context.region].get_table(table)
        wanted = properties.get("SSESpecification")
        record.sse_specification = _encryption(wanted) if wanted else None


class GlobalTable(ResourceType):
    """A global table whose one replica is in the stack's region: the table that the CDK's `TableV2` makes."""

    name = "AWS::DynamoDB::GlobalTable"
    carried = words(
        "AttributeDefinitions BillingMode KeySchema Replicas SSESpecification TableName TimeToLiveSpecification"
    )
    # AWS CloudFormation User Guide, AWS::DynamoDB::GlobalTable, KeySchema: "Update requires: Replacement".
    also_replacing: ClassVar[dict[str, str]] = {"KeySchema": "the registry calls it create-only on conditions"}
    missing_attributes: ClassVar[dict[str, str]] = {
        "StreamArn": "streams are not emulated",
        "TableId": "moto's table has another after an update",
    }
    name_property = "TableName"
    replica = words("DeletionProtectionEnabled PointInTimeRecoverySpecification Region SSESpecification Tags")
    """What of a replica reaches DynamoDB."""

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the table."""
        return _TABLE.create(context, self._table(context, properties))

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the table."""
        return _TABLE.update(context, made, self._table(context, before), self._table(context, after))

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the table."""
        _TABLE.delete(context, made, properties)

    def _table(self, context: Context, properties: Properties) -> Properties:
        """The properties of the same table as an `AWS::DynamoDB::Table`."""
        replicas = properties["Replicas"]
        if [replica["Region"] for replica in replicas] != [context.region]:
            message = f"{self.name}.Replicas is emulated with one replica, in the stack's region {context.region}"
            raise ResourceError(message)
        replica = replicas[0]
        if refused := sorted(set(replica) - self.replica):
            raise ResourceError(f"{self.name}.Replicas[0].{refused[0]} is not emulated")
        own = {key: value for key, value in replica.items() if key not in {"Region", "SSESpecification"}}
        shared = {key: value for key, value in properties.items() if key != "Replicas"}
        if "SSESpecification" in shared:
            shared["SSESpecification"] = {**shared["SSESpecification"], **replica.get("SSESpecification", {})}
        return shared | own


_TABLE = Table()


def _encryption(specification: Properties) -> Properties:
    """The specification in the API's words, where the switch has another name."""
    fields = dict(specification)
    return {"Enabled": boolean(fields.pop("SSEEnabled")), **fields}


def _set_expiry(dynamodb: Any, table: str, before: Properties, after: Properties) -> None:
    old, new = before.get("TimeToLiveSpecification"), after.get("TimeToLiveSpecification")
    if new == old:
        return
    if new is None:
        new = {**(old or {}), "Enabled": False}
    fields = {"TableName": table, "TimeToLiveSpecification": new}
    call(dynamodb, "UpdateTimeToLive", fields, of=f"{Table.name}.TimeToLiveSpecification")


def _set_recovery(dynamodb: Any, table: str, properties: Properties) -> None:
    specification = properties.get("PointInTimeRecoverySpecification") or {"PointInTimeRecoveryEnabled": False}
    fields = {"TableName": table, "PointInTimeRecoverySpecification": specification}
    call(dynamodb, "UpdateContinuousBackups", fields, of=f"{Table.name}.PointInTimeRecoverySpecification")
