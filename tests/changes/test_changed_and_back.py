"""Every setting of an environment file, changed once after a deployment, and back: it deploys, or is refused before.

The templates are those of the toolkit; CloudFormation and the services are the emulator's, in this process.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from changed_settings import (
    CHANGES,
    NAME,
    REGION,
    Change,
    Destroy,
    Direct,
    Document,
    Intended,
    Refused,
    Step,
    Way,
    filled,
    overlaid,
    write_chain,
)
from in_process_account import DeploymentFailedError, InProcessAccount, in_process_clients
from moto.iam import models as iam

from emulator.cloudformation.clients import Clients
from emulator.monitoring.clock import SPEED_VARIABLE
from sdxl.diff.assemblies import Place
from sdxl.diff.changes import changes_between
from sdxl.diff.rules import Refusal, move_refusals, refusals
from stacks.environment import Environment

pytestmark = pytest.mark.disable_socket

# The managed policies of AWS that templates name.
AWS_POLICIES = ("AmazonAPIGatewayPushToCloudWatchLogs",)

Templates = dict[str, dict[str, Any]]


@dataclass
class Live:
    """An account with the environment, and the ids of what it holds besides."""

    account: InProcessAccount
    names: Mapping[str, str]
    folder: Path
    _templates: dict[str, Templates] = field(default_factory=dict)

    def templates(self, document: Document) -> Templates:
        """The templates of a file by stack."""
        from quick_synthesis import templates_of  # noqa: PLC0415 - only where it runs, see there

        settings = filled(document, self.names)
        content = json.dumps(settings)
        if content not in self._templates:
            environment = Environment.model_validate({"name": NAME, **settings})
            self._templates[content] = templates_of(environment, self.folder / str(len(self._templates)))
        return self._templates[content]

    def deploy(self, document: Document, **only: Any) -> None:
        """Deploy a file."""
        self.account.deploy(NAME, self.templates(document), **only)

    def carry_out(self, step: Step, change: Change) -> None:
        """Take a step of a change."""
        if isinstance(step, Destroy):
            self.account.destroy(NAME, step.stack)
            return
        before, after = change.files()
        files = {"before": before, "after": after}
        document = files[step.file] if isinstance(step.file, str) else overlaid(before, step.file)
        self.deploy(document, **({"only": step.only} if step.only else {}))

    def refused(self, before: Document, after: Document) -> tuple[Refusal, ...]:
        """What `sdxl diff` refuses of a change."""
        old, new = {NAME: self.templates(before)}, {NAME: self.templates(after)}
        moves = (*move_refusals({NAME: _place(before)}, {NAME: _place(after)}),)
        return moves or refusals(old, new, changes_between(old, new))

    def go(self, way: Way, change: Change, before: Document, after: Document) -> None:
        """Change the deployed environment, as it is expected to go."""
        found = self.refused(before, after)
        said = "\n".join(f"{refusal.what}: {refusal.why}. {refusal.remedy}" for refusal in found)
        if isinstance(way, Direct):
            assert not found, said
            self.deploy(after)
        elif isinstance(way, Intended):
            assert {name for refusal in found for name in refusal.names if "::" in name} == set(way.types), said
            self.deploy(after)
        else:
            assert [word for word in way.says if word not in said] == [], said
            if isinstance(way, Refused):
                return
            if way.fails:
                with pytest.raises(DeploymentFailedError):
                    self.deploy(after)
            for step in way.steps:
                self.carry_out(step, change)
        assert {status for status in self.account.statuses(NAME).values() if not status.endswith("_COMPLETE")} == set()


def _place(document: Document) -> Place:
    return Place(document["account"], document["region"])


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    with pytest.MonkeyPatch.context() as patch:
        # An hour of watching an update is a second.
        patch.setenv(SPEED_VARIABLE, "3600")
        # Loading all of AWS's managed policies takes a second in every account.
        known = json.loads(iam.aws_managed_policies_data)
        patch.setattr(iam, "aws_managed_policies_data", json.dumps({name: known[name] for name in AWS_POLICIES}))
        yield in_process_clients("111122223333", tmp_path_factory.mktemp("facts"))


@pytest.fixture(scope="module")
def live(clients: Clients, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Document], Live]:
    """An account in which a file is deployed; one for all changes of the same file."""
    accounts = itertools.count(500_000_000_000)

    @cache
    def deployed(content: str) -> Live:
        account = InProcessAccount(clients, str(next(accounts)), REGION)
        account.bootstrap()
        names = {**_names(account), **write_chain(tmp_path_factory.mktemp("chain"))}
        found = Live(account, names, tmp_path_factory.mktemp("assemblies"))
        found.deploy(json.loads(content))
        return found

    return lambda document: deployed(json.dumps(document))


def _names(account: InProcessAccount) -> dict[str, str]:
    """What the files name of the account, made by hand as an organization makes it."""
    ec2, kms = account.client("ec2"), account.client("kms")
    names = {"account": account.id}
    for prefix, network in (("", "10.0"), ("other_", "10.1")):
        vpc = ec2.create_vpc(CidrBlock=f"{network}.0.0/16")["Vpc"]["VpcId"]
        names[f"{prefix}vpc"] = vpc
        for number, zone in (("", "a"), ("2", "b"), ("3", "c")):
            subnet = ec2.create_subnet(
                VpcId=vpc, CidrBlock=f"{network}.{ord(zone)}.0/24", AvailabilityZone=f"{REGION}{zone}"
            )["Subnet"]
            names[f"{prefix}subnet{number}"] = subnet["SubnetId"]
            table = ec2.create_route_table(VpcId=vpc)["RouteTable"]
            names[f"{prefix}route_table{number}"] = table["RouteTableId"]
            group = ec2.create_security_group(GroupName=f"own{number}", Description="own", VpcId=vpc)
            names[f"{prefix}group{number}"] = group["GroupId"]
    service = f"com.amazonaws.{REGION}.execute-api"
    for number in ("", "2"):
        endpoint = ec2.create_vpc_endpoint(VpcId=names["vpc"], ServiceName=service, VpcEndpointType="Interface")
        names[f"vpc_endpoint{number}"] = endpoint["VpcEndpoint"]["VpcEndpointId"]
        names[f"key{number}"] = kms.create_key()["KeyMetadata"]["Arn"]
    names["signing_key"] = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    return names


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(change, id=f"{group}: {change.name}", marks=pytest.mark.xdist_group(f"every setting, {group}"))
        for group, change in CHANGES
    ],
)
def test_a_changed_setting_deploys_there_and_back_or_is_refused_before(
    change: Change, live: Callable[[Document], Live]
) -> None:
    before, after = change.files()
    deployed = live(before)

    deployed.go(change.there, change, before, after)
    deployed.go(change.back, change, after, before)
