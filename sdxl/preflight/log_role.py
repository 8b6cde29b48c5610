"""The account's role for API Gateway's logs: that it is there, or that the environment does not take it away."""

from __future__ import annotations

from collections.abc import Iterator

from sdxl.preflight.account import Account, AwsError, Finding

LOG_ROLE = "API Gateway's role for logs"


def check_log_role(account: Account) -> Iterator[Finding]:
    """The account has the role that `existing` needs; with `create`, no other role loses the account's setting."""
    environment = account.environment
    try:
        used = str(account.call("apigateway:GET").get("cloudwatchRoleArn", ""))
    except AwsError as exc:
        yield exc.unknown(LOG_ROLE)
        return
    details = {"role": used or None, "gateway_log_role": environment.api.gateway_log_role}
    if environment.api.gateway_log_role == "existing":
        yield Finding(
            name=LOG_ROLE,
            status="ok" if used else "failed",
            found=f"the account uses {used}" if used else f"the account uses none in {environment.region}",
            remedy="" if used else "Set one (docs/organization.md), or set api.gateway_log_role to create.",
            details=details,
        )
    elif used and f":role/sdxl-{environment.name}-Api-" not in used:
        yield Finding(
            name=LOG_ROLE,
            status="warning",
            found=f"the account uses {used}: the first deployment of this environment sets another one in its place",
            remedy="Set api.gateway_log_role to existing.",
            details=details,
        )
    else:
        found = "the account uses the environment's own" if used else "the environment makes it"
        yield Finding(name=LOG_ROLE, status="ok", found=found, details=details)
