"""Drives every route by which a function uses a permission, and reports what the emulator saw its role use."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from typing import Any, Protocol

import httpx2
from deploy_harness import ROOT, Account
from PIL import Image

from stacks.environment import Environment

ENGINE = "v1/generation/stable-diffusion-xl-1024-v1-0"
_ROW = re.compile(r"\| `(?P<action>[\w:]+)` \|(?: `(?P<via>\w+)`)?")
Grant = tuple[str, str]
"""An action, and the service through which it is used, if not directly."""


class Deployed(Protocol):
    """Deployed environments of one account."""

    account: Account

    def client(self, service: str, environment: Environment) -> Any:
        """A boto3 client in an environment's region."""

    def outputs(self, environment: Environment) -> dict[str, str]:
        """The outputs of an environment's API."""

    def url(self, environment: Environment, path: str) -> str:
        """Where the emulator serves an environment's deployed stage."""

    def key(self, environment: Environment) -> str:
        """The first API key of an environment."""


def drive(deployed: Deployed, environment: Environment) -> None:
    """Health, an image by link that is followed, a JSON call that is repeated, one that fails, and a mask."""
    assert httpx2.get(deployed.url(environment, "health"), timeout=60).status_code == 200
    link = httpx2.post(
        deployed.url(environment, "v1/images/generations"),
        headers=_key(deployed, environment),
        json={"model": "sdxl", "prompt": "a puppy", "response_format": "url"},
        timeout=60,
    )
    assert link.status_code == 200, link.text
    assert httpx2.get(link.json()["data"][0]["url"], timeout=60).status_code == 200
    first, repeated = (draw(deployed, environment, idempotency_key="twice") for _ in range(2))
    assert first.json() == repeated.json()
    with failing_model(deployed):
        assert draw(deployed, environment, idempotency_key="fails").status_code == 502
    if environment.model.source == "bedrock":
        assert masked(deployed, environment).status_code == 200


def draw(deployed: Deployed, environment: Environment, *, idempotency_key: str = "") -> httpx2.Response:
    """Ask for an image."""
    repeatable = {"idempotency-key": idempotency_key} if idempotency_key else {}
    return httpx2.post(
        deployed.url(environment, f"{ENGINE}/text-to-image"),
        headers={**_key(deployed, environment), **repeatable},
        json={"text_prompts": [{"text": "a puppy"}], "seed": 7},
        timeout=60,
    )


@contextlib.contextmanager
def failing_model(deployed: Deployed) -> Iterator[None]:
    """The next call of a model fails."""
    address = f"{deployed.account.emulator.aws_endpoint_url}/_emulator/faults"
    httpx2.put(address, json={"fault": "server_error", "times": 1}).raise_for_status()
    yield
    httpx2.delete(address).raise_for_status()


def roles(deployed: Deployed, environment: Environment) -> list[dict[str, Any]]:
    """What is known of the roles of an environment's functions."""
    address = f"{deployed.account.emulator.aws_endpoint_url}/_emulator/iam"
    prefix = f":{environment.region}:{deployed.account.id}:function:sdxl-{environment.name}-Api-"
    found = httpx2.get(address).raise_for_status().json()["roles"]
    return [role for role in found if any(prefix in function for function in role["functions"])]


def denied(deployed: Deployed, environment: Environment) -> list[str]:
    """What an environment's functions were refused, and why."""
    return [
        f"{denial['action']} on {denial['resource']} {denial['because']}"
        for role in roles(deployed, environment)
        for denial in role["denied"]
    ]


def used(found: list[dict[str, Any]]) -> set[Grant]:
    """What roles used."""
    return {(use["action"], use["via"] or "") for role in found for use in role["used"]}


def documented_as_used(deployed: Deployed, environment: Environment) -> set[Grant]:
    """What docs/permissions.md says that the functions of an environment use."""
    function = deployed.outputs(environment)["FunctionName"]
    configuration = deployed.client("lambda", environment).get_function_configuration(FunctionName=function)
    is_bedrock = environment.model.source == "bedrock"
    # A model of Bedrock has no load of its own to read.
    other = ["sagemaker:", "dynamodb:GetItem"] if is_bedrock else ["bedrock:"]
    if not configuration.get("VpcConfig", {}).get("SubnetIds"):
        other.append("ec2:")
    return {grant for grant in _documented("used permissions") if not grant[0].startswith(tuple(other))}


def _documented(table: str) -> set[Grant]:
    page = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
    rows = page.partition(f"<!-- {table}: ")[2].partition(f"<!-- /{table} -->")[0]
    return {(found["action"], found["via"] or "") for found in _ROW.finditer(rows)}


@contextlib.contextmanager
def without_permission(deployed: Deployed, environment: Environment, action: str, via: str = "") -> Iterator[None]:
    """An environment's image function without one action, of the statement whose condition has `via` in it."""
    iam = deployed.client("iam", environment)
    function = deployed.outputs(environment)["FunctionName"]
    role = deployed.client("lambda", environment).get_function_configuration(FunctionName=function)["Role"]
    (attached,) = iam.list_attached_role_policies(RoleName=role.rpartition("/")[2])["AttachedPolicies"]
    arn = attached["PolicyArn"]
    before = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=before)["PolicyVersion"]["Document"]
    (statement,) = (
        found
        for found in document["Statement"]
        if action in found["Action"] and via in json.dumps(found.get("Condition", ""))
    )
    actions = [kept for kept in statement["Action"] if kept != action] if isinstance(statement["Action"], list) else []
    statement["Action"] = actions or "sts:GetCallerIdentity"
    version = iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True)
    try:
        yield
    finally:
        iam.set_default_policy_version(PolicyArn=arn, VersionId=before)
        iam.delete_policy_version(PolicyArn=arn, VersionId=version["PolicyVersion"]["VersionId"])


def masked(deployed: Deployed, environment: Environment) -> httpx2.Response:
    """Ask for a part of an image to be drawn anew."""
    return httpx2.post(
        deployed.url(environment, f"{ENGINE}/image-to-image/masking"),
        headers=_key(deployed, environment),
        files={"init_image": _picture("RGB"), "mask_image": _picture("L")},
        data={"text_prompts[0][text]": "a bow tie", "mask_source": "MASK_IMAGE_WHITE"},
        timeout=60,
    )


def _picture(mode: str) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (1024, 1024), "white").save(file, "PNG")
    return file.getvalue()


def _key(deployed: Deployed, environment: Environment) -> dict[str, str]:
    return {"x-api-key": deployed.key(environment)}
