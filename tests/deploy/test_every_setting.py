"""Every setting of an environment file, changed once after a deployment, and back: it deploys, or is refused before.

The templates are those of the toolkit; CloudFormation and the services are the emulator's, in this process.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from changed_settings import GROUPS, Change, Destroy, Direct, Document, Intended, Refused, Step, Way, overlaid
from in_process_account import DeploymentFailedError, InProcessAccount, in_process_clients
from moto.iam import models as iam

from emulator.cloudformation.clients import Clients
from emulator.monitoring.clock import SPEED_VARIABLE
from sdxl.diff.assemblies import Place
from sdxl.diff.changes import changes_between
from sdxl.diff.rules import Refusal, move_refusals, refusals
from stacks.environment import Environment
from stacks.environment.schema import SettingsSchema, environment_schema

pytestmark = pytest.mark.disable_socket

NAME, REGION = "every", "us-west-2"
# The managed policies of AWS that templates name.
AWS_POLICIES = ("AmazonAPIGatewayPushToCloudWatchLogs",)
CHANGES = [(group, change) for group, changes in GROUPS.items() for change in changes]
_STEP = re.compile(r"(?P<name>\w+)(\[(?P<choice>\w*)\])?(=(?P<value>\w+))?")
_DISCRIMINATORS = ("source", "traffic", "mode", "metric")

Templates = dict[str, dict[str, Any]]


def settings_of_the_schema() -> Iterator[str]:
    """Every setting: `a.b`; in a list `a[].b`; of a choice `a[choice].b`; the choice itself `a.key=choice`.

    A section that may be left out is `a=null`, and the length of a list of sections `a[]`.
    """
    schema = SettingsSchema(environment_schema())
    yield from _settings(schema, schema.root, "")


def _settings(schema: SettingsSchema, setting: dict[str, Any], path: str) -> Iterator[str]:
    node = schema.resolve(setting)
    by_choice = schema.choices(node)
    key = node["discriminator"]["propertyName"] if by_choice else ""
    item = schema.resolve(node.get("items", {}))
    if (by_choice or "properties" in node) and {"type": "null"} in setting.get("anyOf", ()):
        yield f"{path}=null"
    for choice, option in by_choice.items():
        yield f"{path}.{key}={choice}"
        for name, one in option["properties"].items():
            if name != key:
                yield from _settings(schema, one, f"{path}[{choice}].{name}")
    if by_choice:
        return
    if "properties" in node:
        for name, one in node["properties"].items():
            yield from _settings(schema, one, f"{path}.{name}" if path else name)
    elif "properties" in item:
        yield f"{path}[]"
        yield from _settings(schema, item, f"{path}[]")
    else:
        yield path


def value_of(settings: Any, path: str) -> list[Any]:
    """The values of a setting in an environment: one in every entry of the lists on its way."""
    found = [settings]
    for step in path.split("."):
        match = _STEP.fullmatch(step)
        assert match is not None, step
        values = [getattr(one, match["name"]) for one in found]
        if match["value"] == "null":
            return [value is None for value in values]
        found = [value for value in values if value is not None]
        if match["choice"] == "":
            if path.endswith(step):
                return [len(value) for value in found]
            found = [entry for value in found for entry in value]
        elif match["choice"]:
            found = [one for one in found if match["choice"] in [getattr(one, key, None) for key in _DISCRIMINATORS]]
    return found


def test_every_setting_of_the_schema_is_changed_by_an_entry() -> None:
    settings = set(settings_of_the_schema())
    changed = {setting for _, change in CHANGES for setting in change.settings}

    assert sorted(settings - changed) == [], "add a change of these settings to changed_settings.py"
    assert sorted(changed - settings) == [], "changed_settings.py names settings that are no more"


@pytest.mark.parametrize("change", [change for _, change in CHANGES], ids=lambda change: change.name)
def test_an_entry_changes_the_settings_that_it_names(change: Change) -> None:
    before, after = (
        Environment.model_validate({"name": NAME, **filled(document, _EXAMPLES)}) for document in change.files()
    )

    for setting in change.settings:
        old, new = value_of(before, setting), value_of(after, setting)
        assert old != new, setting
        _, is_choice, choice = setting.partition("=")
        assert not is_choice or choice == "null" or choice in old + new, setting


class _Examples(dict[str, str]):
    """What stands for the ids that an account gives, where nothing is deployed."""

    def __missing__(self, name: str) -> str:
        kinds = {"vpc_endpoint": "vpce", "route_table": "rtb", "subnet": "subnet", "group": "sg", "vpc": "vpc"}
        kind = next((kind for word, kind in kinds.items() if word in name), "")
        number = name.encode().hex()[-17:].zfill(17)
        return f"{kind}-{number}" if kind else f"arn:aws:kms:{REGION}:111122223333:key/{number}"


_EXAMPLES = _Examples(account="111122223333")


def filled(value: Any, names: Mapping[str, str]) -> Any:
    """A document with each `$name` replaced by what the account holds under it."""
    if isinstance(value, str):
        return re.sub(r"\$(\w+)", lambda match: names[match[1]], value)
    if isinstance(value, Mapping):
        return {key: filled(item, names) for key, item in value.items()}
    return [filled(item, names) for item in value] if isinstance(value, list | tuple) else value


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
        found = Live(account, _names(account), tmp_path_factory.mktemp("assemblies"))
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
