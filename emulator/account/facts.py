"""The facts of an account that no API of AWS sets, with those of one in which everything is as it should be."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

MISSING = ("artifact", "container_image", "model_package", "provisioned_throughput", "imported_model")
# What GetFoundationModelAvailability answers (Amazon Bedrock API Reference), and the lifecycle of GetFoundationModel.
MODEL_STATES: Mapping[str, tuple[str, ...]] = {
    "agreement": ("AVAILABLE", "PENDING", "NOT_AVAILABLE", "ERROR"),
    "authorization": ("AUTHORIZED", "NOT_AUTHORIZED"),
    "entitlement": ("AVAILABLE", "NOT_AVAILABLE"),
    "region": ("AVAILABLE", "NOT_AVAILABLE"),
    "lifecycle": ("ACTIVE", "LEGACY"),
}

_QUOTA_CODE = re.compile(r"L-[0-9A-F]{8}")
_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")


class FactsError(ValueError):
    """An account is described wrongly; the message says how to."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One account in every region. The defaults are those of a clean account.

    `quotas` are by quota code, None where Service Quotas has no such quota; others have the emulator's values.
    `bedrock_models` are, by model id, the states that differ from the usual ones (`MODEL_STATES`, `end_of_life`).
    `not_offered` are EC2 instance types by availability zone, or by `*` for all zones of a region. `denied` are IAM
    actions that are refused to everyone.
    """

    quotas: Mapping[str, float | None] = field(default_factory=dict)
    subscribed: bool = True
    missing: tuple[str, ...] = ()
    bedrock_models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    not_offered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    denied: tuple[str, ...] = ()


def parse_facts(described: object) -> Facts:
    """The facts that a JSON object describes; raises FactsError."""
    known = sorted(Facts.__dataclass_fields__)
    if not isinstance(described, dict):
        raise FactsError(f"an account is a JSON object with the fields {known}, not {described!r}")
    if unknown := sorted(set(described) - set(known)):
        raise FactsError(f"unknown fields {unknown}: allowed are {known}")
    return Facts(**{name: _PARSERS[name](value) for name, value in described.items()})


def _quotas(value: Any) -> dict[str, float | None]:
    for code, quota in _object("quotas", value).items():
        if not _QUOTA_CODE.fullmatch(code):
            raise FactsError(f"quotas has the key {code!r}: allowed are quota codes such as L-1928E07B")
        is_number = isinstance(quota, int | float) and not isinstance(quota, bool)
        if quota is not None and not (is_number and quota >= 0):
            raise FactsError(f"the quota {code} must be a number from 0, or null where there is none, not {quota!r}")
    return dict(value)


def _subscribed(value: Any) -> bool:
    if not isinstance(value, bool):
        raise FactsError(f"subscribed must be true or false, not {value!r}")
    return value


def _missing(value: Any) -> tuple[str, ...]:
    missing = _texts("missing", value)
    if unknown := [one for one in missing if one not in MISSING]:
        raise FactsError(f"missing has {unknown}: allowed are {list(MISSING)}")
    return missing


def _bedrock_models(value: Any) -> dict[str, Mapping[str, str]]:
    for model_id, states in _object("bedrock_models", value).items():
        for name, state in _object(f"the model {model_id}", states).items():
            if name == "end_of_life":
                _check_date(model_id, state)
            elif name not in MODEL_STATES:
                raise FactsError(
                    f"the model {model_id} has {name!r}: allowed are {sorted([*MODEL_STATES, 'end_of_life'])}"
                )
            elif state not in MODEL_STATES[name]:
                raise FactsError(
                    f"{name} of the model {model_id} is {state!r}: allowed are {', '.join(MODEL_STATES[name])}"
                )
    return dict(value)


def _check_date(model_id: str, value: Any) -> None:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError) as exc:
        raise FactsError(f"end_of_life of the model {model_id} is {value!r}: allowed is a date, YYYY-MM-DD") from exc


def _not_offered(value: Any) -> dict[str, tuple[str, ...]]:
    return {place: _texts(f"not_offered of {place}", types) for place, types in _object("not_offered", value).items()}


def _denied(value: Any) -> tuple[str, ...]:
    denied = _texts("denied", value)
    for action in denied:
        if not _ACTION.fullmatch(action):
            raise FactsError(f"denied has {action!r}: allowed are IAM actions such as sagemaker:ListEndpoints")
    return denied


def _object(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FactsError(f"{name} must be a JSON object, not {value!r}")
    return value


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise FactsError(f"{name} must be a list of texts, not {value!r}")
    return tuple(value)


_PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "quotas": _quotas,
    "subscribed": _subscribed,
    "missing": _missing,
    "bedrock_models": _bedrock_models,
    "not_offered": _not_offered,
    "denied": _denied,
}


class AccountBook:
    """The facts of every account, and its requests for more of a quota."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._facts: dict[str, Facts] = {}
        self._requests: dict[tuple[str, str], list[dict[str, Any]]] = {}

    @property
    def is_untouched(self) -> bool:
        """Whether all accounts are clean."""
        return not self._facts

    def facts(self, account: str) -> Facts:
        """An account's facts."""
        with self._lock:
            return self._facts.get(account, _CLEAN)

    def put(self, account: str, facts: Facts) -> None:
        """Set an account's facts, in place of all earlier ones."""
        with self._lock:
            self._facts[account] = facts

    def clear(self, account: str) -> None:
        """Make an account clean again. Its requests for quotas stay."""
        with self._lock:
            self._facts.pop(account, None)

    def request(self, account: str, region: str, request: dict[str, Any]) -> None:
        """Keep a request for more of a quota. Nobody grants it."""
        with self._lock:
            self._requests.setdefault((account, region), []).append(request)

    def requests(self, account: str, region: str) -> list[dict[str, Any]]:
        """An account's requests for more in a region, oldest first."""
        with self._lock:
            return list(self._requests.get((account, region), ()))


_CLEAN = Facts()
ACCOUNTS = AccountBook()
