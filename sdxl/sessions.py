"""AWS sessions: of the credentials that boto3 finds, or of a role that these assume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdxl.errors import SdxlError, UsageError

if TYPE_CHECKING:
    from boto3.session import Session

    from stacks.environment import Environment

SESSION_NAME = "sdxl"


def make_session(environment: Environment, role_arn: str | None = None) -> Session:
    """Return a session in the environment's region, as `role_arn` where one is given.

    Raises SdxlError where the profile is not there, or the role may not be assumed.
    """
    import boto3  # noqa: PLC0415 - half a second that `--help` need not wait for
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        session = boto3.Session(region_name=environment.region)
    except BotoCoreError as exc:
        raise SdxlError(f"No AWS session: {exc}. Choose another profile with AWS_PROFILE.") from exc
    if role_arn is None:
        return session
    try:
        answer = session.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=SESSION_NAME)
    except (BotoCoreError, ClientError) as exc:
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
    from stacks.catalog import partition_of  # noqa: PLC0415 - slow, and seldom needed

    account, region = environment.account, environment.region
    return f"arn:{partition_of(region)}:iam::{account}:role/cdk-hnb659fds-lookup-role-{account}-{region}"


def session_for(environment: Environment, role_arn_template: str | None = None) -> Session:
    """Return a session that can read the environment's account.

    Credentials of that account are used as they are. Others assume the CDK's lookup role there, or the role that
    `role_arn_template` names, in which {account}, {region} and {environment} are filled in.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see make_session

    own = make_session(environment)
    if role_arn_template is not None:
        return make_session(environment, filled(role_arn_template, environment))
    try:
        account = own.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as exc:
        raise SdxlError(f"No valid AWS credentials: {exc}. Choose a profile with AWS_PROFILE.") from exc
    return own if account == environment.account else make_session(environment, lookup_role_arn(environment))


def filled(template: str, environment: Environment) -> str:
    """Return the ARN that a template stands for. Raises UsageError for a placeholder that there is not."""
    try:
        return template.format(account=environment.account, region=environment.region, environment=environment.name)
    except (KeyError, IndexError, ValueError) as exc:
        raise UsageError(
            f"The role's template {template!r} cannot be filled in ({exc}). It may have {{account}}, {{region}} and "
            "{environment}."
        ) from exc
