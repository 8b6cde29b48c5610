"""Decides which deployment a command calls. What a person asked for is never quietly replaced by something else."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sdxl.client import Client
from sdxl.deployment.record import Deployment, read_local_deployment
from sdxl.errors import NotDeployedError, SdxlError, UsageError
from sdxl.project import require_clone

DEFAULT_ENVIRONMENT = "dev"
URL_VARIABLE = "SDXL_API_URL"
KEY_VARIABLE = "SDXL_API_KEY"


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the command line says about where to go. `place` None leaves the choice between this machine and AWS."""

    environment: str | None = None
    place: Literal["local", "aws"] | None = None
    url: str | None = None
    api_key: str | None = None


def choose_deployment(target: Target, note: Callable[[str], None]) -> Deployment:
    """Return the deployment to call; `note` gets the reason where it is not plain.

    In order: an address given with --url; --local or --aws; an address in SDXL_API_URL; the deployment on this machine
    if it is of the wanted environment; the environment's own account. Raises NotDeployedError or UsageError.
    """
    named = target.environment is not None or target.place is not None
    if target.url is not None:
        if named:
            raise UsageError("--url says where to go: leave out --env, --local and --aws.")
        return _at_address(target.url, target.api_key or os.environ.get(KEY_VARIABLE), "--url")
    address = os.environ.get(URL_VARIABLE)
    if address and not named:
        return _at_address(address, target.api_key or os.environ.get(KEY_VARIABLE), URL_VARIABLE)
    if address:
        note(f"{URL_VARIABLE} is not used: the command line names a deployment.")
    if target.api_key is not None:
        raise UsageError("--api-key goes with --url: a named environment's key is looked up.")
    require_clone("Without --url or SDXL_API_URL, this command")
    if target.place == "aws":
        return _in_aws(target.environment or DEFAULT_ENVIRONMENT)
    local = read_local_deployment()
    if local is not None and target.environment in (None, local.environment):
        return _answering(local)
    if target.place == "local":
        raise NotDeployedError(_no_local(target.environment or DEFAULT_ENVIRONMENT, local))
    name = target.environment or DEFAULT_ENVIRONMENT
    return _in_aws(name, lambda account: note(f"{_no_local(name, local)} Looking in AWS account {account}."))


def _in_aws(name: str, note: Callable[[str], None] = lambda _: None) -> Deployment:
    """Look an environment's deployment up; `note` gets the account's id first."""
    from sdxl.deployment import aws  # noqa: PLC0415 - a second, and the clone's packages, that a call to an API saves

    environment = aws.load_named_environment(name)
    note(environment.account)
    return aws.find_aws_deployment(environment)


def _at_address(url: str, api_key: str | None, source: str) -> Deployment:
    if not api_key:
        raise UsageError(f"{source} needs the deployment's API key too: --api-key or {KEY_VARIABLE}.")
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{source} is {url!r}. It must start with https:// or http://.")
    return Deployment(kind="address", api_url=url.rstrip("/"), api_key=api_key)


def _answering(local: Deployment) -> Deployment:
    try:
        with Client(local.api_url, local.api_key) as client:
            client.health()
    except SdxlError as exc:
        raise NotDeployedError(
            f"The local deployment of {local.environment!r} at {local.api_url} does not answer. Start it again with "
            f"`make up`, or call the one in AWS with --aws."
        ) from exc
    return local


def _no_local(wanted: str, local: Deployment | None) -> str:
    if local is None:
        return f"Environment {wanted!r} does not run on this machine (`sdxl local up --env {wanted}` starts it)."
    return f"This machine runs environment {local.environment!r}, not {wanted!r}."
