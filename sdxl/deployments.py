"""Which deployment a command talks to: the one on this machine, one in an AWS account, or an address that was given."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sdxl.errors import NotDeployedError, UsageError
from sdxl.project import ENVIRONMENTS, LOCAL

if TYPE_CHECKING:
    from boto3.session import Session

    from stacks.environment import Environment

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_EXECUTE_API"
_EXECUTE_API = re.compile(r"https://(?P<api>[a-z0-9]+)\.execute-api\.[^/]+/(?P<stage>[^/]+)")
DEPLOYMENT_FILE = LOCAL / "deployment.json"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A deployed image API and the key to it."""

    kind: Literal["local", "aws", "address"]
    api_url: str
    api_key: str
    environment: str | None = None
    account: str | None = None
    region: str | None = None

    def describe(self) -> str:
        """Return one phrase that tells this deployment from every other."""
        if self.kind == "local":
            return f"{self.environment} on this machine, {self.api_url}"
        if self.kind == "aws":
            return f"{self.environment} in AWS account {self.account}, {self.region}, {self.api_url}"
        return self.api_url

    def to_json(self) -> dict[str, Any]:
        """Return what the local deployment file holds."""
        return {"api_url": self.api_url, "api_key": self.api_key, "environment": self.environment}


def read_local_deployment(path: Path = DEPLOYMENT_FILE) -> Deployment | None:
    """Return the deployment on this machine, or None if there is none. Whether it answers is for the caller to ask."""
    try:
        content = json.loads(path.read_text())
        return Deployment(
            kind="local",
            api_url=str(content["api_url"]),
            api_key=str(content["api_key"]),
            environment=str(content["environment"]),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as exc:
        raise NotDeployedError(f"{path} cannot be read ({exc!r}). `make up` writes it anew.") from exc


def load_named_environment(name: str, directory: Path = ENVIRONMENTS) -> Environment:
    """Return the environment that `environments/<name>.yaml` describes. Raises UsageError with the file's own error."""
    from stacks.environment import EnvironmentFileError, find_environment  # noqa: PLC0415 - slow, and seldom needed

    try:
        return find_environment(directory, name)
    except EnvironmentFileError as exc:
        raise UsageError(str(exc)) from exc


def find_aws_deployment(environment: Environment, session: Session | None = None) -> Deployment:
    """Look an environment's deployment up through its stack's outputs, with the credentials that boto3 finds.

    Raises NotDeployedError if the credentials are missing or another account's, or the stack or its key is not there.
    """
    import boto3  # noqa: PLC0415 - half a second that calls to a local deployment need not pay
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    session = session or boto3.Session(region_name=environment.region)
    place = f"account {environment.account}, {environment.region}"
    try:
        _check_account(session, environment)
        outputs = stack_outputs(session, f"sdxl-{environment.name}-Api")
        _check_takes_keys(environment, outputs)
        key = session.client("apigateway").get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)
    except ClientError as exc:
        if _is_missing_stack(exc):
            raise NotDeployedError(
                f"Environment {environment.name!r} is not deployed in {place}: it has no stack "
                f"sdxl-{environment.name}-Api. Deploy it: npx cdk deploy 'sdxl-{environment.name}/*'"
            ) from exc
        raise NotDeployedError(f"Looking for {environment.name!r} in {place} failed: {exc}") from exc
    except BotoCoreError as exc:
        raise NotDeployedError(
            f"Looking for {environment.name!r} in {place} failed: {exc}. "
            "(A deployment on this machine needs no credentials: `make up`.)"
        ) from exc
    except KeyError as exc:
        raise NotDeployedError(
            f"The stack sdxl-{environment.name}-Api in {place} has no output {exc}. Deploy it again with this version."
        ) from exc
    return Deployment(
        kind="aws",
        api_url=reachable(outputs["ApiUrl"]),
        api_key=key["value"],
        environment=environment.name,
        account=environment.account,
        region=environment.region,
    )


def find_api(environment: Environment, session: Session) -> Deployment:
    """Look up where an environment's API is, without a key to it: enough for its health, in every auth mode.

    Raises NotDeployedError if the stack is not there or may not be looked at.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see find_aws_deployment

    try:
        url = reachable(stack_outputs(session, f"sdxl-{environment.name}-Api")["ApiUrl"])
    except (BotoCoreError, ClientError, KeyError) as exc:
        raise NotDeployedError(
            f"Looking for the API of {environment.name!r} in account {environment.account}, {environment.region} "
            f"failed: {exc}"
        ) from exc
    return Deployment(
        kind="aws",
        api_url=url,
        api_key="",
        environment=environment.name,
        account=environment.account,
        region=environment.region,
    )


def reachable(url: str, variables: Mapping[str, str] = os.environ) -> str:
    """Return where an API's address answers: itself, but below `AWS_ENDPOINT_URL_EXECUTE_API` where that is set.

    Of the services, this is the one whose endpoint variable no SDK knows; the emulator's gateway has such addresses.
    """
    endpoint, found = variables.get(ENDPOINT_VARIABLE), _EXECUTE_API.fullmatch(url.rstrip("/"))
    return f"{endpoint.rstrip('/')}/_aws/execute-api/{found['api']}/{found['stage']}" if endpoint and found else url


def stack_outputs(session: Session, stack_name: str) -> Mapping[str, str]:
    """Return a CloudFormation stack's outputs by logical id."""
    stack = session.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _check_takes_keys(environment: Environment, outputs: Mapping[str, str]) -> None:
    mode = outputs.get("AuthMode", "api_key")
    if mode != "api_key":
        raise NotDeployedError(
            f"Environment {environment.name!r} takes no API keys: its api.auth.mode is {mode}, and this command sends "
            f"nothing else. Its API is at {outputs['ApiUrl']}; from Python call it with Client(..., auth=...), as "
            "docs/developers.md shows, or set api.auth.mode to api_key."
        )


def _check_account(session: Session, environment: Environment) -> None:
    account = session.client("sts").get_caller_identity()["Account"]
    if account != environment.account:
        raise NotDeployedError(
            f"Your AWS credentials are for account {account}; environment {environment.name!r} is in "
            f"{environment.account}. Choose its credentials, for example with AWS_PROFILE."
        )


def _is_missing_stack(error: Any) -> bool:
    details = error.response.get("Error", {})
    return details.get("Code") == "ValidationError" and "does not exist" in details.get("Message", "")
