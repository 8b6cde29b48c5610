"""An account of the emulator in this process, to which synthesized environments are deployed without the CDK CLI."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.account.facts import read_aws_facts
from emulator.aws import AwsApplication
from emulator.cloudformation.clients import Clients
from sdxl.local import emulator_facts

# The order in which the stacks of an environment are deployed: each after those that it needs.
STACKS = ("Storage", "Network", "Inference", "Api", "Operations")
_QUALIFIER = "hnb659fds"

Templates = Mapping[str, Mapping[str, Any]]


class DeploymentFailedError(Exception):
    """A stack did not reach its target; the message is what its events say."""


class InstantContainers:
    """Behind every endpoint, a model that starts at once and is never called."""

    def __init__(self) -> None:
        self._variants: dict[tuple[str, str, str], set[str]] = {}

    def start(self, endpoint_key: tuple[str, str, str], _: Mapping[str, Any], *, production_variant: str) -> None:
        self._variants.setdefault(endpoint_key, set()).add(production_variant)

    def stage(self, endpoint_key: tuple[str, str, str], _: Mapping[str, Any], *, production_variant: str) -> None: ...

    def shift(self, endpoint_key: tuple[str, str, str], share: float) -> None: ...

    def promote(self, endpoint_key: tuple[str, str, str]) -> None: ...

    def discard(self, endpoint_key: tuple[str, str, str]) -> None: ...

    def variants(self, endpoint_key: tuple[str, str, str]) -> list[str]:
        return sorted(self._variants.get(endpoint_key, ()))

    def stop(self, endpoint_key: tuple[str, str, str], *, production_variant: str | None = None) -> None:
        variants = self._variants.get(endpoint_key, set())
        variants -= variants.copy() if production_variant is None else {production_variant}


def in_process_clients(default_account: str, folder: Path) -> Clients:
    """boto3 clients of an emulator without sockets that has what the catalog says AWS has."""
    facts = folder / "facts.json"
    emulator_facts.write(facts)
    return Clients(AwsApplication(default_account, read_aws_facts(facts), InstantContainers()))


@dataclass(frozen=True)
class InProcessAccount:
    """One account and region after `cdk bootstrap`."""

    clients: Clients
    id: str
    region: str

    def client(self, service: str) -> Any:
        """A boto3 client."""
        return self.clients.client(service, self.id, self.region)

    def bootstrap(self) -> None:
        """Make what synthesized templates refer to."""
        location = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        self.client("s3").create_bucket(Bucket=self._assets, **location)
        self.client("ssm").put_parameter(Name=f"/cdk-bootstrap/{_QUALIFIER}/version", Value="30", Type="String")

    def deploy(self, environment: str, templates: Templates, *, only: Sequence[str] = STACKS) -> None:
        """Deploy the environment's stacks in their order; stacks that the templates lack stay as they are.

        Raises:
            DeploymentFailedError: a stack was rolled back, or its change set was refused.
        """
        for part in STACKS:
            if part in templates and part in only:
                self._upload_assets(templates[part])
                self._deploy_stack(f"sdxl-{environment}-{part}", templates[part])

    def destroy(self, environment: str, part: str) -> None:
        """Delete one stack."""
        name = f"sdxl-{environment}-{part}"
        stack_id = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        self.client("cloudformation").delete_stack(StackName=name)
        self._require(stack_id, "DELETE_COMPLETE")

    def statuses(self, environment: str) -> dict[str, str]:
        """The status of each of the environment's stacks."""
        prefix = f"sdxl-{environment}-"
        return {
            stack["StackName"].removeprefix(prefix): stack["StackStatus"]
            for stack in self.client("cloudformation").describe_stacks()["Stacks"]
            if stack["StackName"].startswith(prefix)
        }

    @property
    def _assets(self) -> str:
        return f"cdk-{_QUALIFIER}-assets-{self.id}-{self.region}"

    def _upload_assets(self, template: Mapping[str, Any]) -> None:
        """Put an archive under each key that the functions and layers of a template name; its content is never run."""
        for resource in template["Resources"].values():
            for name in ("Code", "Content"):
                key = resource.get("Properties", {}).get(name, {})
                if isinstance(key, dict) and "S3Key" in key:
                    self.client("s3").put_object(Bucket=self._assets, Key=key["S3Key"], Body=_ARCHIVE)

    def _deploy_stack(self, name: str, template: Mapping[str, Any]) -> None:
        api = self.client("cloudformation")
        stacks = [stack for stack in api.describe_stacks()["Stacks"] if stack["StackName"] == name]
        answer = api.create_change_set(
            StackName=name,
            ChangeSetName="change",
            ChangeSetType="UPDATE" if stacks else "CREATE",
            TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        planned = api.describe_change_set(ChangeSetName=answer["Id"])
        if planned["Status"] == "FAILED":
            assert "didn't contain changes" in planned["StatusReason"], planned["StatusReason"]
            api.delete_change_set(StackName=name, ChangeSetName="change")
            return
        api.execute_change_set(StackName=name, ChangeSetName="change")
        self._require(name, "UPDATE_COMPLETE" if stacks else "CREATE_COMPLETE")

    def _require(self, name: str, status: str) -> None:
        api = self.client("cloudformation")
        (stack,) = api.describe_stacks(StackName=name)["Stacks"]
        if stack["StackStatus"] != status:
            events = api.describe_stack_events(StackName=name)["StackEvents"]
            reasons = [
                f"{event['LogicalResourceId']} {event['ResourceStatus']}: {event['ResourceStatusReason']}"
                for event in events[:40]
                if "FAILED" in event["ResourceStatus"] or "ROLLBACK" in event["ResourceStatus"]
                if "ResourceStatusReason" in event
            ]
            raise DeploymentFailedError(f"{name} is in {stack['StackStatus']}\n" + "\n".join(reversed(reasons)))


def _archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        packed.writestr(zipfile.ZipInfo("nothing.py"), "")
    return content.getvalue()


_ARCHIVE = _archive()
