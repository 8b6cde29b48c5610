"""The facts of AWS that no API sets: those that the emulator is started with, and those of one account.

The first come from whoever starts the emulator (`--facts`), because it knows which models it deploys. The second are
changed while it runs (`PUT /_emulator/account`); by default an account has all that AWS offers.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

MISSING = ("artifact", "container_image", "model_package", "provisioned_throughput", "imported_model")
_LIFECYCLES = ("ACTIVE", "LEGACY")
# What GetFoundationModelAvailability answers (Amazon Bedrock API Reference), and the lifecycle of GetFoundationModel.
MODEL_STATES: Mapping[str, tuple[str, ...]] = {
    "agreement": ("AVAILABLE", "PENDING", "NOT_AVAILABLE", "ERROR"),
    "authorization": ("AUTHORIZED", "NOT_AUTHORIZED"),
    "entitlement": ("AVAILABLE", "NOT_AVAILABLE"),
    "region": ("AVAILABLE", "NOT_AVAILABLE"),
    "lifecycle": _LIFECYCLES,
}

_QUOTA_CODE = re.compile(r"L-[0-9A-F]{8}")
_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
_ARTIFACT = re.compile(r"s3://[^/]+/.+")
_IMAGE = re.compile(r"(?P<registry>\d{12})\.dkr\.ecr\.(?P<region>[^.]+)\.[^/]+/(?P<repository>[^:]+):(?P<tag>.+)")
_MODEL_PACKAGE = re.compile(r"arn:aws[^:]*:sagemaker:(?P<region>[^:]+):\d{12}:model-package/.+")


class FactsError(ValueError):
    """Facts are described wrongly; the message says what is allowed."""


@dataclass(frozen=True, kw_only=True)
class BedrockModel:
    """A foundation model in Bedrock's control plane. `lifecycle` is ACTIVE or LEGACY, `end_of_life` YYYY-MM-DD."""

    name: str
    lifecycle: str
    end_of_life: str | None = None


@dataclass(frozen=True, kw_only=True)
class AwsFacts:
    """What AWS offers to every account. The defaults offer nothing.

    `endpoint_quotas` are SageMaker's quotas for endpoint usage: quota code to instance type. `artifacts` are model
    artifacts (`s3://bucket/key`) and `container_images` inference containers (URIs with a tag) that belong to AWS.
    `model_packages` are subscribed to in the Marketplace: ARN to the instance types that the package supports.
    `bedrock_models` are by model id.
    """

    endpoint_quotas: Mapping[str, str] = field(default_factory=dict)
    artifacts: tuple[str, ...] = ()
    container_images: tuple[str, ...] = ()
    model_packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bedrock_models: Mapping[str, BedrockModel] = field(default_factory=dict)

    def image_tags(self, registry: str, region: str, repository: str) -> frozenset[str]:
        """The tags of a repository of AWS's."""
        images = (_IMAGE.fullmatch(uri) for uri in self.container_images)
        return frozenset(
            image["tag"]
            for image in images
            if image and (image["registry"], image["region"], image["repository"]) == (registry, region, repository)
        )


@dataclass(frozen=True, kw_only=True)
class AccountFacts:
    """One account in every region. The defaults are those of an account that has everything.

    `quotas` are by quota code, None where Service Quotas does not have the quota; others have the emulator's values.
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


def read_aws_facts(path: Path) -> AwsFacts:
    """Read a file of facts.

    Raises:
        FactsError: the file cannot be read, is not JSON, or describes something else.
    """
    try:
        described = json.loads(path.read_text())
    except OSError as exc:
        raise FactsError(f"{path} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise FactsError(f"{path} is not JSON: {exc}") from exc
    return AwsFacts(**_fields("the facts of AWS", described, _AWS_PARSERS))


def parse_account_facts(described: object) -> AccountFacts:
    """Return the facts that a JSON object describes; raises FactsError."""
    return AccountFacts(**_fields("an account", described, _ACCOUNT_PARSERS))


def _fields(name: str, described: object, parsers: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    known = sorted(parsers)
    if not isinstance(described, dict):
        raise FactsError(f"{name} is a JSON object with the fields {known}, not {described!r}")
    if unknown := sorted(set(described) - set(known)):
        raise FactsError(f"unknown fields {unknown}: allowed are {known}")
    return {field_name: parsers[field_name](value) for field_name, value in described.items()}


def _endpoint_quotas(value: Any) -> dict[str, str]:
    for code, instance_type in _object("endpoint_quotas", value).items():
        _check_quota_code("endpoint_quotas", code)
        if not isinstance(instance_type, str) or not instance_type.startswith("ml."):
            raise FactsError(
                f"the quota {code} is of {instance_type!r}: allowed are instance types such as ml.g5.xlarge"
            )
    return dict(value)


def _matching(name: str, pattern: re.Pattern[str], example: str) -> Callable[[Any], tuple[str, ...]]:
    def parse(value: Any) -> tuple[str, ...]:
        texts = _texts(name, value)
        for text in texts:
            if not pattern.fullmatch(text):
                raise FactsError(f"{name} has {text!r}: allowed is the form {example}")
        return texts

    return parse


def _model_packages(value: Any) -> dict[str, tuple[str, ...]]:
    for arn in _object("model_packages", value):
        if not _MODEL_PACKAGE.fullmatch(arn):
            raise FactsError(f"model_packages has the key {arn!r}: allowed are ARNs of model packages")
    return {arn: _texts(f"model_packages of {arn}", types) for arn, types in value.items()}


def _aws_bedrock_models(value: Any) -> dict[str, BedrockModel]:
    return {model_id: _bedrock_model(model_id, model) for model_id, model in _object("bedrock_models", value).items()}


def _bedrock_model(model_id: str, value: Any) -> BedrockModel:
    model = _object(f"the model {model_id}", value)
    if set(model) - {"name", "lifecycle", "end_of_life"} or not {"name", "lifecycle"} <= set(model):
        raise FactsError(
            f"the model {model_id} has {sorted(model)}: it needs name and lifecycle, and may have end_of_life"
        )
    if not isinstance(model["name"], str) or not model["name"]:
        raise FactsError(f"name of the model {model_id} must be a text, not {model['name']!r}")
    _check_state(model_id, "lifecycle", model["lifecycle"], _LIFECYCLES)
    if model.get("end_of_life") is not None:
        _check_date(model_id, model["end_of_life"])
    return BedrockModel(**model)


def _quotas(value: Any) -> dict[str, float | None]:
    for code, quota in _object("quotas", value).items():
        _check_quota_code("quotas", code)
        is_number = isinstance(quota, int | float) and not isinstance(quota, bool)
        if quota is not None and not (is_number and quota >= 0):
            raise FactsError(f"the quota {code} must be a number from 0, or null where there is none, not {quota!r}")
    return dict(value)


def _check_quota_code(name: str, code: str) -> None:
    if not _QUOTA_CODE.fullmatch(code):
        raise FactsError(f"{name} has the key {code!r}: allowed are quota codes such as L-1928E07B")


def _subscribed(value: Any) -> bool:
    if not isinstance(value, bool):
        raise FactsError(f"subscribed must be true or false, not {value!r}")
    return value


def _missing(value: Any) -> tuple[str, ...]:
    missing = _texts("missing", value)
    if unknown := [one for one in missing if one not in MISSING]:
        raise FactsError(f"missing has {unknown}: allowed are {list(MISSING)}")
    return missing


def _model_states(value: Any) -> dict[str, Mapping[str, str]]:
    for model_id, states in _object("bedrock_models", value).items():
        for name, state in _object(f"the model {model_id}", states).items():
            if name == "end_of_life":
                _check_date(model_id, state)
            elif name not in MODEL_STATES:
                allowed = sorted([*MODEL_STATES, "end_of_life"])
                raise FactsError(f"the model {model_id} has {name!r}: allowed are {allowed}")
            else:
                _check_state(model_id, name, state, MODEL_STATES[name])
    return dict(value)


def _check_state(model_id: str, name: str, state: Any, allowed: tuple[str, ...]) -> None:
    if state not in allowed:
        raise FactsError(f"{name} of the model {model_id} is {state!r}: allowed are {', '.join(allowed)}")


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


_AWS_PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "endpoint_quotas": _endpoint_quotas,
    "artifacts": _matching("artifacts", _ARTIFACT, "s3://bucket/key"),
    "container_images": _matching(
        "container_images", _IMAGE, "123456789012.dkr.ecr.us-east-1.amazonaws.com/repository:tag"
    ),
    "model_packages": _model_packages,
    "bedrock_models": _aws_bedrock_models,
}
_ACCOUNT_PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "quotas": _quotas,
    "subscribed": _subscribed,
    "missing": _missing,
    "bedrock_models": _model_states,
    "not_offered": _not_offered,
    "denied": _denied,
}


class AccountBook:
    """The facts of every account, and its requests for more of a quota."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._facts: dict[str, AccountFacts] = {}
        self._requests: dict[tuple[str, str], list[dict[str, Any]]] = {}

    @property
    def is_untouched(self) -> bool:
        """Whether all accounts have the default facts."""
        return not self._facts

    def facts(self, account: str) -> AccountFacts:
        """An account's facts."""
        with self._lock:
            return self._facts.get(account, _CLEAN)

    def put(self, account: str, facts: AccountFacts) -> None:
        """Set an account's facts, in place of all earlier ones."""
        with self._lock:
            self._facts[account] = facts

    def clear(self, account: str) -> None:
        """Give an account the default facts again. Its requests for quotas stay."""
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


_CLEAN = AccountFacts()
ACCOUNTS = AccountBook()
