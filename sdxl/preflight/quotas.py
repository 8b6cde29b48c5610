"""Service quotas: how they are looked up and asked for, and what the API needs of API Gateway."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sdxl.preflight.account import Account, AwsError, Finding, Status

API_GATEWAY = "apigateway"
# Service Quotas' codes of "Maximum integration timeout in milliseconds", "Throttle rate" and "Throttle burst rate".
TIMEOUT_CODE = "L-E5AE38E3"
RATE_CODE = "L-8A5B8E43"
BURST_CODE = "L-CDF5615A"
DEFAULT_TIMEOUT_SECONDS = 29

_MISSING = "NoSuchResourceException"
_OPEN_REQUESTS = ("PENDING", "CASE_OPENED")


@dataclass(frozen=True, kw_only=True)
class Quota:
    """A quota as it applies to the account."""

    service: str
    code: str
    value: float
    is_adjustable: bool

    def command(self, wanted: float, region: str) -> str:
        """Return the command that asks for `wanted`."""
        return (
            f"aws service-quotas request-service-quota-increase --service-code {self.service} "
            f"--quota-code {self.code} --desired-value {wanted:g} --region {region}"
        )


def check_api_gateway(account: Account) -> Iterator[Finding]:
    """API Gateway waits as long, and lets through as much, as the environment says."""
    api = account.environment.api
    if api.integration_timeout_seconds > DEFAULT_TIMEOUT_SECONDS:
        yield from _at_least(
            account,
            TIMEOUT_CODE,
            api.integration_timeout_seconds * 1000,
            name="API Gateway timeout",
            unit=" ms",
            status="failed",
            remark=". The deployment is refused until it is raised, AWS may lower the account's throttle in return",
        )
    throttles = [key.throttle or api.throttle for key in api.keys] or [api.throttle]
    rate = sum(throttle.requests_per_second for throttle in throttles)
    burst = sum(throttle.burst for throttle in throttles)
    remark = ". All keys together get fewer requests than their throttles allow"
    yield from _at_least(
        account, RATE_CODE, rate, name="API Gateway throttle", unit="/s", status="warning", remark=remark
    )
    yield from _at_least(
        account, BURST_CODE, burst, name="API Gateway burst", unit=" at once", status="warning", remark=remark
    )


def _at_least(
    account: Account, code: str, wanted: float, *, name: str, unit: str, status: Status, remark: str
) -> Iterator[Finding]:
    try:
        quota = find_quota(account, API_GATEWAY, code)
    except AwsError as exc:
        yield exc.unknown(name)
        return
    if quota is None:
        yield Finding(
            name=name,
            status="unknown",
            found=f"Service Quotas knows no quota {code} in {account.environment.region}",
            remedy=f"Look in the Service Quotas console, under Amazon API Gateway: {wanted:g}{unit} wanted.",
            details={"quota_code": code, "wanted": wanted},
        )
        return
    text = f"{quota.value:g}{unit} ({code}); {wanted:g}{unit} wanted"
    if quota.value < wanted:
        yield short_quota(account, quota, wanted, name=name, status=status, text=text + remark, details={})
        return
    yield Finding(name=name, status="ok", found=text, details=quota_details(quota, wanted))


def find_quota(account: Account, service: str, code: str) -> Quota | None:
    """Return the quota that applies, or None if there is none of this code in the region."""
    for action in ("servicequotas:GetServiceQuota", "servicequotas:GetAWSDefaultServiceQuota"):
        try:
            found = account.call(action, ServiceCode=service, QuotaCode=code)["Quota"]
        except AwsError as exc:
            if exc.code == _MISSING:
                continue
            raise
        if "Value" not in found:
            raise AwsError(action, "", f"{code} has no value: {found.get('ErrorReason', {}).get('ErrorMessage', '?')}")
        return Quota(
            service=service, code=code, value=float(found["Value"]), is_adjustable=bool(found.get("Adjustable", True))
        )
    return None


def quota_details(quota: Quota, wanted: float) -> dict[str, Any]:
    """Return the figures of a quota, for scripts."""
    return {"service_code": quota.service, "quota_code": quota.code, "current": quota.value, "wanted": wanted}


def short_quota(
    account: Account, quota: Quota, wanted: float, *, name: str, status: Status, text: str, details: dict[str, Any]
) -> Finding:
    """A quota that is too small: with the command that asks for more, or the request that is open already."""
    wanted = math.ceil(wanted)
    command = quota.command(wanted, account.environment.region)
    details = {**details, **quota_details(quota, wanted), "adjustable": quota.is_adjustable, "command": command}
    if not quota.is_adjustable:
        return Finding(
            name=name,
            status=status,
            found=text,
            remedy="This quota is not raised on request: ask for less, or speak with AWS Support.",
            details={**details, "command": None},
        )
    remedy = f"Ask for more, or run this again with --request-quota: {command}"
    try:
        request = _open_request(account, quota)
    except AwsError as exc:
        # Not known: then a request may be open already, and another one is never made.
        details |= {"open_request": None, "requests_unknown": str(exc), "missing_permission": exc.action}
        remedy += f" (whether a request is open already is unknown: {exc.action} failed)"
        return Finding(name=name, status=status, found=text, remedy=remedy, details=details)
    if request is not None:
        details["open_request"] = request
        desired = request["desired_value"]
        remedy = f"A request for {desired:g} is open ({request['id']}, {request['status']}): wait until AWS grants it."
        if desired < wanted:
            remedy += f" It is for less than the {wanted:g} wanted; ask for the rest when it is closed."
    return Finding(name=name, status=status, found=text, remedy=remedy, details=details)


def _open_request(account: Account, quota: Quota) -> dict[str, Any] | None:
    history = account.pages(
        "servicequotas:ListRequestedServiceQuotaChangeHistoryByQuota",
        "RequestedQuotas",
        ServiceCode=quota.service,
        QuotaCode=quota.code,
    )
    for entry in history:
        if entry["Status"] in _OPEN_REQUESTS:
            return {"id": entry["Id"], "status": entry["Status"], "desired_value": float(entry["DesiredValue"])}
    return None


def request_increase(account: Account, finding: Finding) -> Finding:
    """Ask AWS for the quota that `finding` says is short. The one thing here that writes.

    Returned is the finding with what came of it; it stays failed, since nothing is raised yet. Nothing is asked for
    twice: where a request is open, or where that cannot be seen, there is none.
    """
    details = finding.details
    if not details.get("command") or details.get("open_request"):
        return finding
    if "requests_unknown" in details:
        return dataclasses.replace(
            finding,
            remedy="Not requested: whether a request is open already could not be seen. Allow "
            f"{details['missing_permission']} to these credentials, or: {details['command']}",
        )
    try:
        answer = account.call(
            "servicequotas:RequestServiceQuotaIncrease",
            ServiceCode=details["service_code"],
            QuotaCode=details["quota_code"],
            DesiredValue=float(details["wanted"]),
        )["RequestedQuota"]
    except AwsError as exc:
        return dataclasses.replace(
            finding, remedy=f"The request failed: {exc}. {details['command']}", details={**details, "request": None}
        )
    request = {"id": answer.get("Id", ""), "status": answer.get("Status", ""), "desired_value": details["wanted"]}
    return dataclasses.replace(
        finding,
        remedy=f"Requested {details['wanted']:g} just now ({request['id']}, {request['status']}): wait until AWS "
        "grants it.",
        details={**details, "request": request},
    )
