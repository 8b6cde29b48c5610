"""Service Quotas: what an account may have of each quota that the stacks meet, and its requests for more."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from emulator.account.answers import Answer, ServiceError
from emulator.account.asked import Asked
from emulator.account.facts import AccountBook, Facts
from stacks.catalog import load_catalog

# Amazon API Gateway Developer Guide, "Quotas for configuring and running a REST API": timeout in milliseconds,
# requests a second, and at once.
API_GATEWAY_DEFAULTS: Mapping[str, float] = {"L-E5AE38E3": 29_000, "L-8A5B8E43": 10_000, "L-CDF5615A": 5_000}
# An account that has been raised: AWS's default for most GPU types is 0.
ENDPOINT_INSTANCES = 64.0

_NONE = "The request failed because the specified quota does not exist."


def _get(asked: Asked, _: str, facts: Facts, __: AccountBook) -> Answer:
    service, code = _names(asked)
    if code in facts.quotas:
        value = facts.quotas[code]
    else:
        # A quota that was never raised has a default alone.
        value = ENDPOINT_INSTANCES if service == "sagemaker" and code in _instance_types() else None
    return _quota(service, code, value)


def _get_default(asked: Asked, _: str, facts: Facts, __: AccountBook) -> Answer:
    service, code = _names(asked)
    is_gone = code in facts.quotas and facts.quotas[code] is None
    default = API_GATEWAY_DEFAULTS.get(code) if service == "apigateway" else None
    if service == "sagemaker" and code in _instance_types():
        default = 0
    return _quota(service, code, None if is_gone else default)


def _request(asked: Asked, account: str, _: Facts, book: AccountBook) -> Answer:
    service, code = _names(asked)
    if any(open_["QuotaCode"] == code for open_ in book.requests(account, asked.region)):
        raise ServiceError("ResourceAlreadyExistsException", "Only one open service quota increase request is allowed")
    request = {
        "Id": uuid.uuid4().hex,
        "ServiceCode": service,
        "QuotaCode": code,
        "DesiredValue": float(asked.parameters["DesiredValue"]),
        "Status": "PENDING",
        "Created": time.time(),
    }
    book.request(account, asked.region, request)
    return Answer({"RequestedQuota": request})


def _history(asked: Asked, account: str, _: Facts, book: AccountBook) -> Answer:
    _service, code = _names(asked)
    return Answer(
        {"RequestedQuotas": [one for one in book.requests(account, asked.region) if one["QuotaCode"] == code]}
    )


def _names(asked: Asked) -> tuple[str, str]:
    return str(asked.parameters.get("ServiceCode")), str(asked.parameters.get("QuotaCode"))


def _instance_types() -> Mapping[str, str]:
    return {found.quota_code: name for name, found in load_catalog().instances.items() if found.quota_code}


def _quota(service: str, code: str, value: float | None) -> Answer:
    if value is None:
        raise ServiceError("NoSuchResourceException", _NONE)
    quota: dict[str, Any] = {"ServiceCode": service, "QuotaCode": code, "Value": float(value), "Adjustable": True}
    if code in _instance_types():
        quota["QuotaName"] = f"{_instance_types()[code]} for endpoint usage"
    return Answer({"Quota": quota})


HANDLERS: Mapping[str, Callable[[Asked, str, Facts, AccountBook], Answer | None]] = {
    "servicequotas:GetServiceQuota": _get,
    "servicequotas:GetAWSDefaultServiceQuota": _get_default,
    "servicequotas:RequestServiceQuotaIncrease": _request,
    "servicequotas:ListRequestedServiceQuotaChangeHistoryByQuota": _history,
}
