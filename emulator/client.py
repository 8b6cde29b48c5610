"""How a process reaches the emulator: the environment variables for the CDK CLI, boto3 and the functions."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

ACCESS_KEY_PREFIX = "AKIALOCAL"
DUMMY_SECRET = "emulator-needs-no-secret"  # noqa: S105 - the emulator checks no signatures

_ACCOUNT = re.compile(r"\d{12}")


def access_key_id(account: str) -> str:
    """The dummy access key id that acts in an account: the prefix and the account's 12 digits.

    Raises ValueError where the account is not 12 digits.
    """
    if not _ACCOUNT.fullmatch(account):
        message = f"account {account!r} is not an AWS account id: it must be 12 digits"
        raise ValueError(message)
    return ACCESS_KEY_PREFIX + account


def account_of(access_key: str) -> str | None:
    """The account that one of the project's dummy access keys acts in, or None for any other key."""
    account = access_key.removeprefix(ACCESS_KEY_PREFIX)
    return account if access_key.startswith(ACCESS_KEY_PREFIX) and _ACCOUNT.fullmatch(account) else None


def aws_environment(aws_endpoint_url: str, account: str, region: str) -> dict[str, str]:
    """The environment variables that send the AWS calls of a child process to the emulator, in an account and region.

    The keys carry the account. They are the project's own because the CDK CLI remembers the account of an access key
    in the home folder. Configuration files are pointed at nothing so that a developer's own cannot leak in; for the
    same reason start a child with `child_environment`, which leaves the parent's `AWS_*` variables out.
    """
    return {
        "AWS_ENDPOINT_URL": aws_endpoint_url,
        # The CLI uploads large templates and hands their address to CloudFormation. Path-style addresses are read
        # only from a host named localhost.
        "AWS_ENDPOINT_URL_S3_FOR_CLOUDFORMATION": f"http://localhost:{urlsplit(aws_endpoint_url).port}",
        "AWS_ACCESS_KEY_ID": access_key_id(account),
        "AWS_SECRET_ACCESS_KEY": DUMMY_SECRET,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "CDK_DISABLE_VERSION_CHECK": "1",
    }


def child_environment(inherited: Mapping[str, str], aws_endpoint_url: str, account: str, region: str) -> dict[str, str]:
    """A child process's whole environment: what it inherits, less every `AWS_*` variable, plus `aws_environment`.

    A named profile or session token of the caller would win over the dummy keys and reach the real AWS.
    """
    kept = {name: value for name, value in inherited.items() if not name.startswith("AWS_")}
    return kept | aws_environment(aws_endpoint_url, account, region)
