"""AWS accounts: sessions on them, and the deployments that their stacks' outputs name."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from boto3.session import Session
from botocore.exceptions import BotoCoreError, ClientError

from sdxl.deployment.record import Deployment
from sdxl.errors import NotDeployedError, SdxlError, UsageError
from sdxl.project import ENVIRONMENTS
from stacks.bootstrap import read_bootstrap
from stacks.environment import Environment, EnvironmentFileError, find_environment

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_EXECUTE_API"
SESSION_NAME = "sdxl"

_ROLE_ARN = re.compile(r"arn:[a-z-]+:iam::\d{12}:role/[\w+=,.@/-]+")
_EXECUTE_API = re.compile(r"https://(?P<api>[a-z0-9]+)\.execute-api\.[^/]+/(?P<stage>[^/]+)")


def load_named_environment(name: str, directory: Path = ENVIRONMENTS) -> Environment:
    """Return the environment that `environments/<name>.yaml` describes. Raises UsageError with the file's own error."""
    try:
        return find_environment(directory, name)
    except EnvironmentFileError as exc:
        raise UsageError(str(exc)) from exc


def make_session(environment: Environment, role_arn: str | None = None) -> Session:
    """Return a session in the environment's region, as `role_arn` where one is given.

    Raises UsageError for what is not the ARN of a role, and SdxlError where the profile is not there or the role may
    not be assumed.
    """
    try:
        session = boto3.Session(region_name=environment.region)
    except BotoCoreError as exc:
        raise SdxlError(f"No AWS session: {exc}. Choose another profile with AWS_PROFILE.") from exc
    if role_arn is None:
        return session
    if not _ROLE_ARN.fullmatch(role_arn):
        raise UsageError(
            f"{role_arn!r} is not the ARN of a role. Allowed is arn:<partition>:iam::<account>:role/<name>; the CDK's "
            f"lookup role is {lookup_role_arn(environment)}."
        )
    try:
        answer = session.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=SESSION_NAME)
    except BotoCoreError as exc:
        raise SdxlError(
            f"The role {role_arn} could not be assumed: {exc}. Choose a profile with AWS_PROFILE, or sign in."
        ) from exc
    except ClientError as exc:
        raise SdxlError(
            f"The role {role_arn} could not be assumed: {exc}. It must trust these credentials' account: bootstrap "
            f"{environment.account} with --trust and --trust-for-lookup (`sdxl pipeline bootstrap-commands`)."
        ) from exc
    credentials = answer["Credentials"]
    return boto3.Session(
        region_name=environment.region,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def lookup_role_arn(environment: Environment) -> str:
    """Return the ARN of the CDK's role for reading the environment's account, which `cdk bootstrap` makes."""
    return read_bootstrap().lookup_role_arn(environment.account, environment.region)


def session_for(environment: Environment, role_arn_template: str | None = None) -> Session:
    """Return a session that can read the environment's account.

    Credentials of that account are used as they are. Others assume the CDK's lookup role there, or the role that
    `role_arn_template` names, in which {account}, {region} and {environment} are filled in.
    """
    own = make_session(environment)
    if role_arn_template is not None:
        return make_session(environment, filled(role_arn_template, environment))
    try:
        account = own.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as exc:
        raise SdxlError(f"No valid AWS credentials: {exc}. Choose a profile with AWS_PROFILE.") from exc
    return own if account == environment.account else make_session(environment, lookup_role_arn(environment))


def filled(template: str, environment: Environment) -> str:
    """Return the ARN that a template stands for. Raises UsageError for an unknown placeholder."""
    try:
        return template.format(account=environment.account, region=environment.region, environment=environment.name)
    except (KeyError, IndexError, ValueError) as exc:
        raise UsageError(
            f"The role's template {template!r} cannot be filled in ({exc}). It may have {{account}}, {{region}} and "
            "{environment}."
        ) from exc


def find_aws_deployment(environment: Environment, session: Session | None = None) -> Deployment:
    """Look an environment's deployment up through its stack's outputs, with the credentials that boto3 finds.

    Raises NotDeployedError if the credentials are missing or another account's, or the stack or its key is not there.
    """
    session = session or make_session(environment)
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
