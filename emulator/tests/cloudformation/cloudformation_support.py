"""Short ways to deploy templates in-process, and what stands behind endpoints there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [TRUST]}},
}


class FakeContainers:
    """Remembers what runs; a model named in `broken` does not start."""

    def __init__(self) -> None:
        self.running: dict[tuple[str, str], str] = {}
        self.broken: set[str] = set()
        self.shares: list[float] = []

    def start(self, endpoint_key: tuple[str, str, str], model: Mapping[str, Any], *, production_variant: str) -> None:
        image = model["PrimaryContainer"].get("Image", "package")
        if image in self.broken:
            raise RuntimeError(f"{image} did not pass the ping health check")
        self.running[endpoint_key[2], production_variant] = image

    def stage(self, endpoint_key: tuple[str, str, str], model: Mapping[str, Any], *, production_variant: str) -> None:
        self.start((*endpoint_key[:2], f"{endpoint_key[2]}/staged"), model, production_variant=production_variant)

    def shift(self, endpoint_key: tuple[str, str, str], share: float) -> None:
        self.shares.append(share)

    def promote(self, endpoint_key: tuple[str, str, str]) -> None:
        for (endpoint, variant), image in list(self.running.items()):
            if endpoint == f"{endpoint_key[2]}/staged":
                self.running[endpoint_key[2], variant] = image
        self.discard(endpoint_key)

    def discard(self, endpoint_key: tuple[str, str, str]) -> None:
        self.stop((*endpoint_key[:2], f"{endpoint_key[2]}/staged"))

    def variants(self, endpoint_key: tuple[str, str, str]) -> list[str]:
        return [variant for endpoint, variant in self.running if endpoint == endpoint_key[2]]

    def stop(self, endpoint_key: tuple[str, str, str], *, production_variant: str | None = None) -> None:
        for key in [key for key in self.running if key[0] == endpoint_key[2] and production_variant in {None, key[1]}]:
            del self.running[key]


class Stacks:
    """Deploys templates as the CDK CLI does, through change sets."""

    def __init__(self, cloudformation: Any) -> None:
        self.api = cloudformation

    def change_set(
        self, resources: Mapping[str, Any], name: str = "stack", kind: str | None = None, **settings: Any
    ) -> dict[str, Any]:
        """Create a change set and describe it."""
        sections = {key: settings.pop(key) for key in list(settings) if key in SECTIONS}
        exists = any(item["StackName"] == name for item in self.api.describe_stacks()["Stacks"])
        answer = self.api.create_change_set(
            StackName=name,
            ChangeSetName="change",
            ChangeSetType=kind or ("UPDATE" if exists else "CREATE"),
            TemplateBody=template(resources, **sections),
            Capabilities=settings.pop("Capabilities", CAPABILITIES),
            **settings,
        )
        return self.api.describe_change_set(ChangeSetName=answer["Id"], IncludePropertyValues=True)

    def deploy(self, resources: Mapping[str, Any], name: str = "stack", **settings: Any) -> str:
        """Create and execute a change set; answers with the stack's status."""
        execution = {key: settings.pop(key) for key in ("DisableRollback",) if key in settings}
        described = self.change_set(resources, name, **settings)
        assert described["Status"] == "CREATE_COMPLETE", described
        self.api.execute_change_set(StackName=name, ChangeSetName="change", **execution)
        return self.status(name)

    def describe(self, name: str = "stack") -> dict[str, Any]:
        """A stack."""
        return self.api.describe_stacks(StackName=name)["Stacks"][0]

    def status(self, name: str = "stack") -> str:
        """A stack's status."""
        return str(self.describe(name)["StackStatus"])

    def outputs(self, name: str = "stack") -> dict[str, str]:
        """A stack's outputs."""
        return {item["OutputKey"]: item["OutputValue"] for item in self.describe(name).get("Outputs", [])}

    def physical_id(self, logical_id: str, name: str = "stack") -> str:
        """The physical id of a resource."""
        detail = self.api.describe_stack_resource(StackName=name, LogicalResourceId=logical_id)
        return str(detail["StackResourceDetail"]["PhysicalResourceId"])

    def history(self, name: str = "stack") -> list[str]:
        """The stack's events, oldest first, as "logical id STATUS"."""
        events = self.api.describe_stack_events(StackName=name)["StackEvents"]
        return [f"{event['LogicalResourceId']} {event['ResourceStatus']}" for event in reversed(events)]

    def reasons(self, name: str = "stack") -> str:
        """Every reason that the stack's events give."""
        events = self.api.describe_stack_events(StackName=name)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)


SECTIONS = {"Conditions", "Mappings", "Outputs", "Parameters_", "Rules"}


def template(resources: Mapping[str, Any], **sections: Any) -> str:
    """A template of resources and other sections; `Parameters_` is the template's own Parameters."""
    return json.dumps({"Resources": resources, **{key.rstrip("_"): value for key, value in sections.items()}})


def parameter(value: object = "v", **others: Any) -> dict[str, Any]:
    """An SSM parameter: the cheapest resource that there is."""
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}, **others}


def named_parameter(name: str, value: object = "v", **others: Any) -> dict[str, Any]:
    """An SSM parameter with a name; changing the name replaces it."""
    return {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Name": name, "Type": "String", "Value": value},
        **others,
    }


def broken(**others: Any) -> dict[str, Any]:
    """A resource that cannot be made: SSM keeps names that begin with aws to itself."""
    return named_parameter("/aws/taken", **others)
