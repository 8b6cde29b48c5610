"""Whether these credentials reach the right account, and whether the CDK can deploy to it."""

from __future__ import annotations

from collections.abc import Iterator

from sdxl.preflight.account import Account, AwsError, Finding
from stacks.bootstrap import Bootstrap, read_bootstrap

# What the assemblies of the installed aws-cdk-lib require (`requiresBootstrapStackVersion`).
BOOTSTRAP_REQUIRED = 6
# From here on the roles publish only to buckets of their own account, so that nobody can sit on the bucket's name.
BOOTSTRAP_RECENT = 21

CREDENTIALS = "credentials"
BOOTSTRAP = "CDK bootstrap"


def check_credentials(account: Account) -> Finding:
    """Credentials are there, valid, and the environment's account's."""
    wanted = account.environment.account
    try:
        identity = account.call("sts:GetCallerIdentity")
    except AwsError as exc:
        return Finding(
            name=CREDENTIALS,
            status="failed",
            found=exc.message,
            remedy=f"Give credentials of account {wanted}, for example with AWS_PROFILE or `aws sso login`. In a "
            "region that is off by default, valid credentials are refused too, until the region is enabled.",
            details={"code": exc.code},
        )
    details = {"account": identity["Account"], "arn": identity.get("Arn", ""), "wanted": wanted}
    if identity["Account"] != wanted:
        return Finding(
            name=CREDENTIALS,
            status="failed",
            found=f"they are for account {identity['Account']}; {account.environment.name!r} is in {wanted}",
            remedy=f"Choose credentials of {wanted}, for example with AWS_PROFILE, or correct `account` in the file.",
            details=details,
        )
    return Finding(
        name=CREDENTIALS, status="ok", found=f"account {wanted}, as {identity.get('Arn', 'unknown')}", details=details
    )


def check_bootstrap(account: Account) -> Iterator[Finding]:
    """The CDK is bootstrapped, recently enough for the templates of this repository."""
    environment, bootstrap = account.environment, read_bootstrap()
    command = f"npx cdk bootstrap aws://{environment.account}/{environment.region}{bootstrap.options}"
    try:
        status = account.stack_status(bootstrap.stack_name)
    except AwsError as exc:
        status = ""
        yield exc.unknown(f"{BOOTSTRAP}: stack")
    if status is None:
        # A bootstrap under another stack name is as good: the version parameter decides.
        missing = f"there is no stack {bootstrap.stack_name}"
    else:
        missing = f"the stack {bootstrap.stack_name} is there, but"
        if status.endswith("_FAILED") or status in ("ROLLBACK_COMPLETE", "DELETE_IN_PROGRESS"):
            yield Finding(
                name=f"{BOOTSTRAP}: stack",
                status="failed",
                found=f"{bootstrap.stack_name} is in {status}",
                remedy=f"Look at the stack's events, repair or delete it, then: {command}",
                details={"stack_status": status},
            )
    try:
        value = account.call("ssm:GetParameter", Name=bootstrap.version_parameter)["Parameter"]["Value"]
    except AwsError as exc:
        if exc.code != "ParameterNotFound":
            yield exc.unknown(BOOTSTRAP)
            return
        yield Finding(
            name=BOOTSTRAP,
            status="failed",
            found=f"not bootstrapped: {missing}{' and' if status is None else ''} no parameter "
            f"{bootstrap.version_parameter}",
            remedy=command,
            details={"stack_status": status, "version": None, "required": BOOTSTRAP_REQUIRED},
        )
        return
    yield _bootstrap_version(bootstrap, value, command)


def _bootstrap_version(bootstrap: Bootstrap, value: str, command: str) -> Finding:
    version = int(value) if value.isascii() and value.isdigit() else None
    details = {"version": version, "required": BOOTSTRAP_REQUIRED, "recent": BOOTSTRAP_RECENT}
    if version is None:
        found = f"{bootstrap.version_parameter} holds {value!r}, which is no version"
        return Finding(name=BOOTSTRAP, status="failed", found=found, remedy=f"Renew it: {command}", details=details)
    if version < BOOTSTRAP_REQUIRED:
        return Finding(
            name=BOOTSTRAP,
            status="failed",
            found=f"version {version}; the templates require {BOOTSTRAP_REQUIRED}",
            remedy=f"Renew it: {command}",
            details=details,
        )
    if version < BOOTSTRAP_RECENT:
        return Finding(
            name=BOOTSTRAP,
            status="warning",
            found=f"version {version}, older than {BOOTSTRAP_RECENT}: it may publish to a bucket of another account",
            remedy=f"Renew it: {command}",
            details=details,
        )
    return Finding(name=BOOTSTRAP, status="ok", found=f"version {version}", details=details)
