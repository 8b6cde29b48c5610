"""Synthesizes stacks for the tests: offline, with the flags of cdk.json and a layer that is only a stand-in."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest_socket

from stacks.environment import Environment, load_environments
from stacks.inference_stack import InferenceStack
from stacks.sdxl_stage import SdxlStage
from stacks.storage_stack import StorageStack

ROOT = Path(__file__).resolve().parents[2]
STACKS = ("Storage", "Network", "Inference", "Api", "Operations")
ACCOUNT = "111122223333"

Template = dict[str, Any]


@dataclass(frozen=True)
class Synthesis:
    """A synthesized app: its folder, and the templates by environment and stack."""

    directory: Path
    templates: Mapping[str, Mapping[str, Template]]


@cache
def cdk_context() -> dict[str, Any]:
    context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
    return context


@cache
def example_environments() -> tuple[Environment, ...]:
    """Three environments of three accounts, in two regions: dev, staging and prod."""
    return load_environments(ROOT / "tests" / "three_accounts")


@cache
def access_environments() -> tuple[Environment, ...]:
    """One environment for each kind of access (auth modes, firewall, private API, domain, VPC, organisation), and one
    that signs its images.
    """
    directories = (ROOT / "tests" / name for name in ("environments", "organization", "signing"))
    return tuple(environment for directory in directories for environment in load_environments(directory))


def make_environment(**settings: Any) -> Environment:
    """An environment on open weights, with `settings` in place of the defaults."""
    base = {"name": "test", "account": ACCOUNT, "region": "us-east-1", "model": {"source": "open"}}
    return Environment.model_validate({**base, **settings})


def make_layer(directory: Path, content: str = "a layer") -> Path:
    archive = directory / "layer.zip"
    with zipfile.ZipFile(archive, "w") as layer:
        layer.writestr(zipfile.ZipInfo("python/layer.txt"), content)
    return archive


@contextmanager
def no_network() -> Iterator[None]:
    pytest_socket.disable_socket(allow_unix_socket=True)
    try:
        yield
    finally:
        pytest_socket.enable_socket()


def make_app(directory: Path | None = None) -> cdk.App:
    return cdk.App(
        outdir=None if directory is None else str(directory),
        context=cdk_context(),
        analytics_reporting=False,
        builtin_cloud_formation_validation=False,
    )


def synthesize(directory: Path, *environments: Environment, layer: Path | None = None) -> Synthesis:
    """Synthesize one stage for each environment into `directory`, which must be empty."""
    directory.mkdir(parents=True, exist_ok=True)
    archive = make_layer(directory.parent) if layer is None else layer
    app = make_app(directory)
    with no_network():
        for environment in environments:
            SdxlStage(
                app,
                f"sdxl-{environment.name}",
                environment=environment,
                layer_archive=archive,
                signing_layer_archive=archive,
            )
        app.synth()
    return Synthesis(directory, {item.name: read_templates(directory, item.name) for item in environments})


def read_templates(directory: Path, environment: str) -> dict[str, Template]:
    assembly = directory / f"assembly-sdxl-{environment}"
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    found = {
        artifact["displayName"].rpartition("/")[2]: artifact["properties"]["templateFile"]
        for artifact in artifacts.values()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    return {name: json.loads((assembly / found[name]).read_text()) for name in STACKS if name in found}


class LazyTemplates(Mapping[str, Mapping[str, Template]]):
    """Templates by environment and stack. Each environment is synthesized when somebody looks at it."""

    def __init__(self, directory: Path, environments: tuple[Environment, ...]) -> None:
        self._directory = directory
        self._environments = {environment.name: environment for environment in environments}
        self._found: dict[str, Mapping[str, Template]] = {}

    def __getitem__(self, name: str) -> Mapping[str, Template]:
        if name not in self._found:
            synthesis = synthesize(self._directory / name / "cdk.out", self._environments[name])
            self._found[name] = synthesis.templates[name]
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environments)

    def __len__(self) -> int:
        return len(self._environments)


class OneStack(Mapping[str, Template]):
    """Templates of one environment by stack. Storage and inference are synthesized without the stacks above them."""

    def __init__(self, directory: Path, environment: Environment) -> None:
        self._directory = directory
        self._environment = environment
        self._found: dict[str, Template] = {}
        self._all: Mapping[str, Template] | None = None

    def __getitem__(self, stack: str) -> Template:
        if stack not in self._found:
            alone = stack == "Storage" or (stack == "Inference" and self._environment.network is None)
            self._found[stack] = self._lower()[stack] if alone else self._whole()[stack]
        return self._found[stack]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole())

    def __len__(self) -> int:
        return len(self._whole())

    def _whole(self) -> Mapping[str, Template]:
        if self._all is None:
            name = self._environment.name
            self._all = synthesize(self._directory / "whole" / "cdk.out", self._environment).templates[name]
        return self._all

    def _lower(self) -> dict[str, Template]:
        environment, directory = self._environment, self._directory / "lower"
        app = make_app(directory)
        place = cdk.Environment(account=environment.account, region=environment.region)
        stage = cdk.Stage(app, f"sdxl-{environment.name}", env=place)
        has_alarms = environment.operations is not None
        storage = StorageStack(
            stage,
            "Storage",
            storage=environment.storage,
            has_alarms=has_alarms,
            content_credentials=environment.api.content_credentials,
        )
        role = storage.execution_role
        if environment.all_variants:
            InferenceStack(
                stage,
                "Inference",
                environment=environment,
                key=storage.key,
                images=storage.images,
                execution_role=role,
            )
        with no_network():
            app.synth()
        return read_templates(directory, environment.name)


def contents(directory: Path) -> dict[str, bytes]:
    """What is in every file below a folder, by relative path."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def resources(template: Template, kind: str) -> dict[str, Any]:
    """Resources of a type, by logical id."""
    return {name: found for name, found in template["Resources"].items() if found["Type"] == kind}


def the(template: Template, kind: str) -> dict[str, Any]:
    """Properties of the only resource of a type."""
    found = list(resources(template, kind).values())
    assert len(found) == 1, f"{len(found)} resources of type {kind}"
    properties: dict[str, Any] = found[0]["Properties"]
    return properties


def logical_id(template: Template, kind: str) -> str:
    """Logical id of the only resource of a type."""
    (found,) = resources(template, kind)
    return found


def with_names(template: Template, value: Any) -> Any:
    """`value` with each reference to an alarm or log group of the template in place of its name or ARN."""
    text = json.dumps(value)
    for name, found in template["Resources"].items():
        properties = found.get("Properties", {})
        named = properties.get("AlarmName") or properties.get("LogGroupName")
        if isinstance(named, str):
            text = text.replace(json.dumps({"Ref": name}), json.dumps(named))
            text = text.replace(json.dumps({"Fn::GetAtt": [name, "Arn"]}), json.dumps(f"<ARN of {named}>"))
    return json.loads(text)


def without_hashes(template: Template) -> Template:
    """The template as a snapshot keeps it: neither content of assets nor what is derived from it."""
    text = json.dumps(template)
    text = re.sub(r"[0-9a-f]{64}", "<asset hash>", text)
    text = re.sub(r"((?:CurrentVersion|Deployment)[0-9A-F]{8})[0-9a-f]{32}", r"\1<content hash>", text)
    replaced: Template = json.loads(text)
    return replaced
