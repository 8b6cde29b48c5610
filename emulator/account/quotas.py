"""Service Quotas: API Gateway's and SageMaker's endpoint quotas of an account, and its requests for more."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from emulator.account.requests import Account, Answer, Handler, ServiceError, ServiceRequest

# Amazon API Gateway Developer Guide, "Quotas for configuring and running a REST API": timeout in milliseconds,
# requests a second, and at once.
API_GATEWAY_DEFAULTS: Mapping[str, float] = {"L-E5AE38E3": 29_000, "L-8A5B8E43": 10_000, "L-CDF5615A": 5_000}
# An account that has been raised: AWS's default for most GPU types is 0.
ENDPOINT_INSTANCES = 64.0

_NONE = "The request failed because the specified quota does not exist."


def _get(request: ServiceRequest, account: Account) -> Answer:
    (service, code), quotas = _names(request), account.facts.quotas
    if code in quotas:
        value = quotas[code]
    else:
        # A quota that was never raised has a default alone.
        value = ENDPOINT_INSTANCES if service == "sagemaker" and code in account.aws.endpoint_quotas else None
    return _quota(account, service, code, value)


def _get_default(request: ServiceRequest, account: Account) -> Answer:
    (service, code), quotas = _names(request), account.facts.quotas
    is_gone = code in quotas and quotas[code] is None
    default = API_GATEWAY_DEFAULTS.get(code) if service == "apigateway" else None
    if service == "sagemaker" and code in account.aws.endpoint_quotas:
        default = 0
    return _quota(account, service, code, None if is_gone else default)


def _request(request: ServiceRequest, account: Account) -> Answer:
    service, code = _names(request)
    if any(open_["QuotaCode"] == code for open_ in account.book.requests(account.id, request.region)):
        raise ServiceError("ResourceAlreadyExistsException", "Only one open service quota increase request is allowed")
    requested = {
        "Id": uuid.uuid4().hex,
        "ServiceCode": service,
        "QuotaCode": code,
        "DesiredValue": float(request.parameters["DesiredValue"]),
        "Status": "PENDING",
        "Created": time.time(),
    }
    account.book.request(account.id, request.region, requested)
    return Answer({"RequestedQuota": requested})


def _history(request: ServiceRequest, account: Account) -> Answer:
    _service, code = _names(request)
    requested = account.book.requests(account.id, request.region)
    return Answer({"RequestedQuotas": [one for one in requested if one["QuotaCode"] == code]})


def _names(request: ServiceRequest) -> tuple[str, str]:
    return str(request.parameters.get("ServiceCode")), str(request.parameters.get("QuotaCode"))


def _quota(account: Account, service: str, code: str, value: float | None) -> Answer:
    if value is None:
        raise ServiceError("NoSuchResourceException", _NONE)
    quota: dict[str, Any] = {"ServiceCode": service, "QuotaCode": code, "Value": float(value), "Adjustable": True}
    if code in account.aws.endpoint_quotas:
        quota["QuotaName"] = f"{account.aws.endpoint_quotas[code]} for endpoint usage"
    return Answer({"Quota": quota})


HANDLERS: Mapping[str, Handler] = {
    "servicequotas:GetServiceQuota": _get,
    "servicequotas:GetAWSDefaultServiceQuota": _get_default,
    "servicequotas:RequestServiceQuotaIncrease": _request,
    "servicequotas:ListRequestedServiceQuotaChangeHistoryByQuota": _history,
}
