"""One stack, deployed in-process, for the tests of resource types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

OWN_REGION = "eu-west-1"


class NoContainers:
    def start(self, *_: object, **__: object) -> None: ...

    def stop(self, *_: object, **__: object) -> None: ...


class Stack:
    """One stack, deployed again and again."""

    def __init__(self, cloudformation: Any) -> None:
        self._api = cloudformation
        self._exists = False

    def deploy(self, resources: dict[str, Any]) -> dict[str, str]:
        """Deploy the resources; answers with their physical ids."""
        act = self._api.update_stack if self._exists else self._api.create_stack
        act(StackName="s", TemplateBody=json.dumps({"Resources": resources}))
        self._exists = True
        status = self._api.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"]
        assert status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}, self.reasons()
        found = self._api.describe_stack_resources(StackName="s")["StackResources"]
        return {item["LogicalResourceId"]: item["PhysicalResourceId"] for item in found}

    def reasons(self) -> str:
        """Every reason of the stack's events."""
        events = self._api.describe_stack_events(StackName="s")["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)

    def failure(self, resources: dict[str, Any]) -> str:
        """Why the resources cannot be deployed."""
        with pytest.raises((AssertionError, ClientError)) as caught:
            self.deploy(resources)
        return str(caught.value)

    def delete(self) -> str:
        """Delete the stack; answers with the reasons where it fails."""
        self._api.delete_stack(StackName="s")
        try:
            return self.reasons() if self._api.describe_stacks(StackName="s") else ""
        except ClientError:
            return ""


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}
