"""Synthesizes stages for the tests: offline, with the flags of cdk.json and a layer that is only a stand-in."""

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
from stacks.sdxl_stage import SdxlStage

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
    return load_environments(ROOT / "environments")


@cache
def access_environments() -> tuple[Environment, ...]:
    """One environment for each kind of access: auth modes, firewall, private API, domain, VPC, organisation."""
    directories = (ROOT / "tests" / name for name in ("environments", "organization"))
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
            SdxlStage(app, f"sdxl-{environment.name}", environment=environment, layer_archive=archive)
        app.synth()
    return Synthesis(directory, {item.name: _templates(directory, item.name) for item in environments})


def _templates(directory: Path, environment: str) -> dict[str, Template]:
    assembly = directory / f"assembly-sdxl-{environment}"
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    found = {
        artifact["displayName"].rpartition("/")[2]: artifact["properties"]["templateFile"]
        for artifact in artifacts.values()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    return {name: json.loads((assembly / found[name]).read_text()) for name in STACKS if name in found}


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


def without_hashes(template: Template) -> Template:
    """The template as a snapshot keeps it: neither content of assets nor what is derived from it."""
    text = json.dumps(template)
    text = re.sub(r"[0-9a-f]{64}", "<asset hash>", text)
    text = re.sub(r"(ImageFunctionVersion[0-9A-F]{8})[0-9a-f]{16}", r"\1<content hash>", text)
    replaced: Template = json.loads(text)
    return replaced
