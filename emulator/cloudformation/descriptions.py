"""CloudFormation's records in the form its API answers with."""

from __future__ import annotations

import json
from typing import Any

from emulator.cloudformation.evaluation import StackValues
from emulator.cloudformation.model import ChangeSet, Event, ResourceChange, Stack, Target
from emulator.cloudformation.parameters import described_values, resolved_values
from emulator.cloudformation.resource_type import ResourceType
from emulator.cloudformation.template import Template


def stack_description(stack: Stack, stack_values: StackValues) -> dict[str, Any]:
    """An entry of DescribeStacks."""
    target = stack.target
    description: dict[str, Any] = {
        "StackId": stack.id,
        "StackName": stack.name,
        "CreationTime": stack.created,
        "LastUpdatedTime": stack.updated,
        "DeletionTime": stack.deleted,
        "StackStatus": stack.status,
        "StackStatusReason": stack.status_reason,
        "DisableRollback": stack.disable_rollback,
        "EnableTerminationProtection": stack.termination_protection,
        "RollbackConfiguration": {},
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        "NotificationARNs": [],
        "Capabilities": [],
        "Tags": [],
        "Outputs": [
            {
                "OutputKey": output.key,
                "OutputValue": output.value,
                "Description": output.description,
                "ExportName": output.export_name,
            }
            for output in stack.outputs
        ],
    }
    if target is not None:
        description |= {
            "Description": target.template.description,
            "Parameters": _parameters(target, stack_values),
            "Capabilities": list(target.capabilities),
            "Tags": [{"Key": key, "Value": value} for key, value in target.tags.items()],
            "RoleARN": target.role_arn,
        }
    return _present(description)


def stack_summary(stack: Stack) -> dict[str, Any]:
    """An entry of ListStacks."""
    return _present(
        {
            "StackId": stack.id,
            "StackName": stack.name,
            "TemplateDescription": stack.target.template.description if stack.target else None,
            "CreationTime": stack.created,
            "LastUpdatedTime": stack.updated,
            "DeletionTime": stack.deleted,
            "StackStatus": stack.status,
            "StackStatusReason": stack.status_reason,
            "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        }
    )


def event_description(stack: Stack, event: Event) -> dict[str, Any]:
    """An entry of DescribeStackEvents."""
    return _present(
        {
            "StackId": stack.id,
            "StackName": stack.name,
            "EventId": event.event_id,
            "OperationId": event.operation_id,
            "LogicalResourceId": event.logical_id,
            "PhysicalResourceId": event.physical_id,
            "ResourceType": event.type,
            "ResourceStatus": event.status,
            "ResourceStatusReason": event.reason,
            "Timestamp": event.timestamp,
            "ClientRequestToken": event.client_request_token,
        }
    )


def resource_descriptions(stack: Stack, logical_id: str | None = None) -> list[dict[str, Any]]:
    """The entries of DescribeStackResources; those of ListStackResources and DescribeStackResource are alike."""
    described = []
    for name, status in stack.resource_statuses.items():
        resource = stack.resources.get(name)
        if logical_id not in {None, name} or (
            resource is None and stack.deleted is None and not _failed(status.status)
        ):
            continue
        described.append(
            _present(
                {
                    "StackId": stack.id,
                    "StackName": stack.name,
                    "LogicalResourceId": name,
                    "PhysicalResourceId": resource.physical_id if resource else status.physical_id or None,
                    "ResourceType": status.type,
                    "ResourceStatus": status.status,
                    "ResourceStatusReason": status.reason,
                    "Timestamp": status.timestamp,
                    "LastUpdatedTimestamp": status.timestamp,
                    "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
                    "Metadata": json.dumps(dict(resource.metadata)) if resource and resource.metadata else None,
                }
            )
        )
    return described


def change_set_description(
    stack: Stack, change_set: ChangeSet, stack_values: StackValues, *, property_values: bool
) -> dict[str, Any]:
    """The answer of DescribeChangeSet."""
    target = change_set.target
    return _present(
        {
            **change_set_summary(stack, change_set),
            "Parameters": _parameters(target, stack_values),
            "NotificationARNs": [],
            "Capabilities": list(target.capabilities),
            "Tags": [{"Key": key, "Value": value} for key, value in target.tags.items()],
            "RollbackConfiguration": {},
            "DeploymentConfig": change_set.deployment_config,
            "Changes": [
                {"Type": "Resource", "ResourceChange": _change(item, property_values)} for item in change_set.changes
            ],
        }
    )


def change_set_summary(stack: Stack, change_set: ChangeSet) -> dict[str, Any]:
    """An entry of ListChangeSets."""
    return _present(
        {
            "StackId": stack.id,
            "StackName": stack.name,
            "ChangeSetId": change_set.id,
            "ChangeSetName": change_set.name,
            "Description": change_set.description,
            "CreationTime": change_set.created,
            "Status": change_set.status,
            "StatusReason": change_set.status_reason,
            "ExecutionStatus": change_set.execution_status,
            "IncludeNestedStacks": False,
        }
    )


def template_summary(template: Template, region: str) -> dict[str, Any]:
    """The answer of GetTemplateSummary."""
    kinds = [definition.type for definition in template.resources.values()]
    iam = any(kind.startswith("AWS::IAM::") for kind in kinds)
    metadata = template.section("Metadata")
    return _present(
        {
            "Description": template.description,
            "Parameters": [_parameter(name, item) for name, item in template.section("Parameters").items()],
            "Capabilities": ["CAPABILITY_NAMED_IAM"] if iam else [],
            "CapabilitiesReason": "The template contains IAM resources." if iam else None,
            "ResourceTypes": kinds,
            "Version": template.document.get("AWSTemplateFormatVersion"),
            "Metadata": json.dumps(metadata) if metadata else None,
            "ResourceIdentifierSummaries": _import_identifiers(template, region),
        }
    )


def _import_identifiers(template: Template, region: str) -> list[dict[str, Any]]:
    """For each type that can be imported: its logical ids, and the property that identifies an existing resource."""
    by_type: dict[str, list[str]] = {}
    for definition in template.resources.values():
        by_type.setdefault(definition.type, []).append(definition.logical_id)
    summaries: list[dict[str, Any]] = []
    for kind, ids in by_type.items():
        known = ResourceType.registry.get(kind)
        if known is not None and known.importable:
            identifiers = list(known.schema(region).primary_identifier)
            summaries.append({"ResourceType": kind, "LogicalResourceIds": ids, "ResourceIdentifiers": identifiers})
    return summaries


def _parameters(target: Target, stack_values: StackValues) -> list[dict[str, str]]:
    resolved = resolved_values(target.template, target.parameters, stack_values.ssm_parameter)
    return described_values(target.template, target.parameters, resolved)


def _parameter(name: str, definition: dict[str, Any]) -> dict[str, Any]:
    default = definition.get("Default")
    return _present(
        {
            "ParameterKey": name,
            "DefaultValue": None if default is None else str(default),
            "ParameterType": definition["Type"],
            "NoEcho": str(definition.get("NoEcho", False)).lower() == "true",
            "Description": definition.get("Description"),
            "ParameterConstraints": {"AllowedValues": [str(item) for item in definition.get("AllowedValues", [])]},
        }
    )


def _change(change: ResourceChange, property_values: bool) -> dict[str, Any]:
    details = []
    for detail in change.details:
        target: dict[str, Any] = {
            "Attribute": "Properties",
            "Name": detail.name,
            "RequiresRecreation": detail.requires_recreation,
        }
        if property_values:
            target |= _present(
                {
                    "Path": f"/Properties/{detail.name}",
                    "BeforeValue": _value_text(detail.before),
                    "AfterValue": _value_text(detail.after),
                    "AttributeChangeType": _change_type(detail.before, detail.after),
                }
            )
        entry: dict[str, Any] = {"Target": target, "Evaluation": "Static", "ChangeSource": detail.source}
        if detail.source != "DirectModification":
            entry |= {"Evaluation": "Dynamic", "CausingEntity": detail.causing_entity}
        details.append(entry)
    details += [
        {"Target": {"Attribute": name, "RequiresRecreation": "Never"}, "Evaluation": "Static"}
        for name in change.scope
        if name != "Properties"
    ]
    return _present(
        {
            "Action": change.action,
            "LogicalResourceId": change.logical_id,
            "PhysicalResourceId": change.physical_id,
            "ResourceType": change.type,
            "Replacement": change.replacement,
            "PolicyAction": change.policy_action,
            "Scope": list(change.scope),
            "Details": details,
            "BeforeContext": json.dumps(change.before) if property_values and change.before else None,
            "AfterContext": json.dumps(change.after) if property_values and change.after else None,
        }
    )


def _value_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _change_type(before: Any, after: Any) -> str:
    if before is None:
        return "Add"
    return "Remove" if after is None else "Modify"


def _failed(status: str) -> bool:
    return status.endswith("_FAILED")


def _present(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None}
