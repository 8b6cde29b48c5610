"""For every setting of an environment file, a change of a live environment: from which to which file, and how.

A `$name` in a value stands for something that the account holds: `test_every_setting` makes it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from certificates import chain_of, new_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Document = dict[str, Any]

ABSENT: Any = object()
"""In an overlay: the key is taken out of the file."""


@dataclass(frozen=True)
class Deploy:
    """A step: deploy the stacks of a file (`before`, `after`, or the overlay given), all or only some of them."""

    file: str | Mapping[str, Any] = "after"
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Destroy:
    """A step: delete one stack of the environment."""

    stack: str


Step = Deploy | Destroy


@dataclass(frozen=True)
class Direct:
    """The change deploys, and `sdxl diff` lets it pass."""


@dataclass(frozen=True)
class Intended:
    """The change deploys. `sdxl diff` refuses it until `--allow-replacement` names these types."""

    types: tuple[str, ...]


@dataclass(frozen=True)
class InSteps:
    """`sdxl diff` refuses the change with words that hold each of `says`, and CloudFormation does too.

    It deploys in `steps`. `fails` is False where CloudFormation takes the change and something else is lost.
    """

    says: tuple[str, ...]
    steps: tuple[Step, ...]
    fails: bool = True


@dataclass(frozen=True)
class Refused:
    """The change is another deployment and none of this one: `sdxl diff` refuses it."""

    says: tuple[str, ...]


Way = Direct | Intended | InSteps | Refused


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of the file `base` by an overlay, there and back. `settings` are the leaves of the schema it changes.

    What both files have besides `base` is in `besides`.
    """

    name: str
    settings: tuple[str, ...]
    base: str = "full"
    after: Mapping[str, Any]
    besides: Mapping[str, Any] | None = None
    there: Way = Direct()
    back: Way = Direct()

    def files(self) -> tuple[Document, Document]:
        """The file before and after."""
        before = overlaid(BASES[self.base], self.besides or {})
        return before, overlaid(before, self.after)


def overlaid(document: Mapping[str, Any], overlay: Mapping[str, Any]) -> Document:
    """A document with the values of an overlay, key by key; a value that is no mapping is replaced whole."""
    result = copy.deepcopy(dict(document))
    for key, value in overlay.items():
        if value is ABSENT:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), dict):
            result[key] = overlaid(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


_OWN = {"account": "$account", "region": "us-west-2"}
_UPDATE = {"traffic": "all_at_once", "bake_seconds": 60}
_SCHEDULES = [
    {"name": "night", "schedule": "cron(0 20 * * ? *)", "timezone": "UTC", "min_capacity": 2, "max_capacity": 3},
    {"name": "gone", "schedule": "cron(0 8 * * ? *)", "max_capacity": 4},
]
_SCALING = {
    "min_capacity": 2,
    "max_capacity": 4,
    "target": {"metric": "concurrent_requests", "target": 1},
    "schedules": _SCHEDULES,
}
_CHALLENGER = {
    "name": "challenger",
    "model": {"source": "optimized"},
    "weight": 1,
    "scaling": _SCALING,
}
_NETWORK = {
    "vpc_id": "$vpc",
    "subnet_ids": ["$subnet", "$subnet2"],
    "vpc_endpoints": "create",
    "route_table_ids": ["$route_table"],
}
_BEDROCK = {"source": "bedrock", "model_id": "stability.stable-image-core-v1:1"}
_COGNITO = {"mode": "cognito", "callback_urls": ["https://a.example.com/back"]}
_CHAIN = {"certificate_chain": "$chain_file", "public_key": "$public_key_file"}
_PACKAGE = "arn:aws:sagemaker:us-west-2:594846645681:model-package/other"
_CERTIFICATE = "arn:aws:acm:us-west-2:$account:certificate/12345678-1234-1234-1234-12345678901"

BASES: dict[str, Document] = {
    "full": {
        **_OWN,
        "model": {"source": "open"},
        "tags": {"team": "images", "stage": "test"},
        "endpoint": {"update": _UPDATE},
        "scaling": _SCALING,
        "api": {
            "keys": [
                {
                    "name": "website",
                    "throttle": {"requests_per_second": 2, "burst": 4},
                    "quota": {"requests": 10, "period": "day"},
                },
                {"name": "batch"},
            ],
            "waf": {"requests_per_5_minutes": 500},
            "moderation": {"refused_terms": ["nude"]},
            "cors": {"allow_origins": ["https://a.example.com"]},
        },
        "operations": {
            "emails": ["a@example.com"],
            "slack": {"workspace_id": "T0EXAMPLE", "channel_id": "C0EXAMPLE"},
            "budget": {"monthly_usd": 100, "action": {"at_percent": 100, "approval": "manual"}},
        },
    },
    "plain": {**_OWN, "model": {"source": "open"}, "endpoint": {"update": _UPDATE}},
    "optimized": {**_OWN, "model": {"source": "optimized"}},
    "bedrock": {**_OWN, "model": _BEDROCK},
    "variants": {
        **_OWN,
        "model": {"source": "optimized"},
        "endpoint": {"variants": [_CHALLENGER]},
        "scaling": _SCALING,
    },
    "shadow": {**_OWN, "model": {"source": "open"}, "endpoint": {"update": _UPDATE, "shadow": {"instance_count": 1}}},
    "network": {**_OWN, "model": {"source": "open"}, "endpoint": {"update": _UPDATE}, "network": _NETWORK},
}

_CONSUMERS = ("Network", "Inference", "Api", "Operations")


def _rollback(traffic: str) -> tuple[str, ...]:
    update = f"endpoint.update[{traffic}]"
    return (
        f"{update}.bake_seconds",
        f"{update}.termination_wait_seconds",
        f"{update}.max_duration_seconds",
        f"{update}.rollback.server_errors",
        f"{update}.rollback.latency_p95_seconds",
        f"{update}.rollback.container_crashes",
    )


_OTHER_UPDATE = {
    "bake_seconds": 61,
    "termination_wait_seconds": 1,
    "max_duration_seconds": 1200,
    "rollback": {"server_errors": 2, "latency_p95_seconds": 30, "container_crashes": 2},
}


def _variant(**values: Any) -> Document:
    """An overlay that changes the further variant."""
    return {"endpoint": {"variants": [overlaid(_CHALLENGER, values)]}}


def _scaling_changes(prefix: str, base: str, overlay: Any) -> list[Change]:
    """Changes of the scaling of a variant, which `overlay` puts into its place in the file."""
    night, gone = _SCHEDULES
    return [
        Change(
            name=f"{prefix}capacity",
            base=base,
            settings=(
                f"{prefix}scaling.min_capacity",
                f"{prefix}scaling.max_capacity",
                f"{prefix}scaling.scale_in_cooldown_seconds",
                f"{prefix}scaling.scale_out_cooldown_seconds",
                f"{prefix}scaling.target[concurrent_requests].target",
            ),
            after=overlay(
                scaling={
                    "min_capacity": 3,
                    "max_capacity": 5,
                    "scale_in_cooldown_seconds": 301,
                    "scale_out_cooldown_seconds": 0,
                    "target": {"target": 2},
                    "schedules": ABSENT,
                }
            ),
            besides=overlay(scaling={"schedules": ABSENT}),
        ),
        Change(
            name=f"{prefix}metric",
            base=base,
            settings=(
                f"{prefix}scaling.target.metric=concurrent_requests",
                f"{prefix}scaling.target.metric=invocations_per_instance",
            ),
            after=overlay(scaling={"target": {"metric": "invocations_per_instance", "target": 3}}),
        ),
        Change(
            name=f"{prefix}target",
            base=base,
            besides=overlay(scaling={"target": {"metric": "invocations_per_instance", "target": 3}}),
            settings=(f"{prefix}scaling.target[invocations_per_instance].target",),
            after=overlay(scaling={"target": {"metric": "invocations_per_instance", "target": 4}}),
        ),
        Change(
            name=f"{prefix}schedules",
            base=base,
            settings=(
                f"{prefix}scaling.schedules[]",
                f"{prefix}scaling.schedules[].name",
                f"{prefix}scaling.schedules[].schedule",
                f"{prefix}scaling.schedules[].timezone",
                f"{prefix}scaling.schedules[].min_capacity",
                f"{prefix}scaling.schedules[].max_capacity",
            ),
            after=overlay(
                scaling={
                    "schedules": [
                        {
                            **night,
                            "schedule": "cron(0 21 * * ? *)",
                            "timezone": "Europe/Berlin",
                            "min_capacity": 3,
                            "max_capacity": 4,
                        },
                        {**gone, "name": "new"},
                        {**gone, "name": "newer"},
                    ]
                }
            ),
        ),
        Change(
            name=f"{prefix}detached",
            base=base,
            settings=(f"{prefix}scaling.detached",),
            after=overlay(scaling={"detached": True}),
        ),
    ]


_ENVIRONMENT = [
    Change(name="tags", settings=("tags",), after={"tags": {"team": "other", "stage": ABSENT, "cost": "1"}}),
    Change(name="description", settings=("description",), after={"description": "for a test"}),
    Change(
        name="account",
        settings=("account",),
        base="plain",
        after={"account": "999999999999"},
        there=Refused(("moves", "999999999999")),
        back=Refused(("moves",)),
    ),
    Change(
        name="region",
        settings=("region",),
        base="plain",
        after={"region": "us-east-1"},
        there=Refused(("moves", "us-east-1")),
        back=Refused(("moves", "us-west-2")),
    ),
    Change(
        name="optimized",
        settings=("model.source=open", "model.source=optimized"),
        base="plain",
        besides={"endpoint": {"update": ABSENT}},
        after={"model": {"source": "optimized"}},
    ),
    Change(
        name="model package",
        settings=("model[optimized].model_package_arn",),
        base="optimized",
        after={"model": {"model_package_arn": _PACKAGE}},
    ),
    Change(
        name="bedrock",
        settings=("model.source=bedrock",),
        base="plain",
        besides={"endpoint": ABSENT},
        after={"model": _BEDROCK},
        there=InSteps(("sdxl-every-Inference", "go on being billed"), (Deploy(), Destroy("Inference")), fails=False),
    ),
    Change(name="masks", settings=("model[open].masks",), base="plain", after={"model": {"masks": "refuse"}}),
    Change(name="page", settings=("console.enabled",), base="plain", after={"console": {"enabled": False}}),
    Change(
        name="bedrock models",
        base="bedrock",
        settings=("model[bedrock].model_id", "model[bedrock].inpaint_model_id", "model[bedrock].region"),
        after={
            "model": {
                "model_id": "stability.stable-image-ultra-v1:1",
                "inpaint_model_id": "stability.stable-image-inpaint-v1:0",
                "region": "us-west-2",
            }
        },
    ),
    Change(
        name="provisioned model",
        base="bedrock",
        settings=("model[bedrock].provisioned_model_arn",),
        after={
            "model": {
                "provisioned_model_arn": "arn:aws:bedrock:us-west-2:$account:provisioned-model/abcdefghijkl",
            }
        },
    ),
    Change(
        name="imported model",
        base="bedrock",
        settings=("model[bedrock].imported_model_arn",),
        after={"model": {"imported_model_arn": "arn:aws:bedrock:us-west-2:$account:imported-model/abcdefghijkl"}},
    ),
]

_SCALED_TYPES = ("while it is registered for autoscaling", "detached: true")
_ENDPOINT = [
    Change(
        name="instance types",
        base="plain",
        settings=("endpoint.instance_types", "endpoint.instance_count"),
        after={"endpoint": {"instance_types": ["ml.g5.8xlarge", "ml.g5.16xlarge"], "instance_count": 3}},
    ),
    Change(
        name="instance types of a scaled variant",
        settings=("endpoint.instance_types",),
        after={"endpoint": {"instance_types": ["ml.g5.8xlarge"]}},
        there=InSteps(_SCALED_TYPES, (Deploy({"scaling": {"detached": True}}), Deploy())),
        back=InSteps(
            _SCALED_TYPES,
            (
                Deploy({"endpoint": {"instance_types": ["ml.g5.8xlarge"]}, "scaling": {"detached": True}}),
                Deploy("before"),
            ),
        ),
    ),
    Change(name="no scaling", settings=("scaling=null",), after={"scaling": None}),
    Change(
        name="start",
        base="plain",
        settings=(
            "endpoint.model_download_timeout_seconds",
            "endpoint.health_check_timeout_seconds",
            "endpoint.variant_weight",
            "endpoint.detailed_metrics",
        ),
        after={
            "endpoint": {
                "model_download_timeout_seconds": 1201,
                "health_check_timeout_seconds": 601,
                "variant_weight": 2,
                "detailed_metrics": True,
            }
        },
    ),
    Change(
        name="update",
        settings=_rollback("all_at_once"),
        after={"endpoint": {"update": _OTHER_UPDATE}},
    ),
    Change(
        name="canary",
        settings=("endpoint.update.traffic=all_at_once", "endpoint.update.traffic=canary"),
        after={"endpoint": {"update": {"traffic": "canary"}}},
    ),
    Change(
        name="canary update",
        besides={"endpoint": {"update": {"traffic": "canary"}}},
        settings=(*_rollback("canary"), "endpoint.update[canary].canary_percent"),
        after={"endpoint": {"update": {**_OTHER_UPDATE, "canary_percent": 20}}},
    ),
    Change(
        name="linear",
        settings=("endpoint.update.traffic=linear",),
        after={"endpoint": {"update": {"traffic": "linear"}}},
    ),
    Change(
        name="linear update",
        besides={"endpoint": {"update": {"traffic": "linear"}}},
        settings=(*_rollback("linear"), "endpoint.update[linear].step_percent"),
        after={"endpoint": {"update": {**_OTHER_UPDATE, "step_percent": 50}}},
    ),
    Change(
        name="unguarded",
        settings=("endpoint.update.traffic=unguarded",),
        after={"endpoint": {"update": {"traffic": "unguarded", "bake_seconds": ABSENT}}},
    ),
    *_scaling_changes("", "full", lambda **values: values),
]


def _mode(mode: str, metric: str, target: float = 5) -> Document:
    """An overlay of an endpoint of another mode, which scales on its metric."""
    scaling = {"min_capacity": 0, "max_capacity": 4, "target": {"metric": metric, "target": target}}
    return {"endpoint": {"mode": mode, "update": ABSENT}, "scaling": scaling}


_MODES = [
    Change(
        name="asynchronous",
        base="plain",
        settings=("endpoint.mode",),
        after={"endpoint": {"mode": "asynchronous"}},
        back=Intended(("AWS::SNS::Topic",)),
    ),
    Change(
        name="asynchronous and scaled",
        settings=("scaling.target.metric=backlog_per_instance",),
        base="plain",
        besides={"scaling": {"max_capacity": 4, "target": {"metric": "concurrent_requests", "target": 1}}},
        after={"endpoint": {"mode": "asynchronous"}, "scaling": {"target": {"metric": "backlog_per_instance"}}},
        back=Intended(("AWS::SNS::Topic",)),
    ),
    Change(
        name="asynchronous requests",
        base="plain",
        besides=_mode("asynchronous", "backlog_per_instance"),
        settings=(
            "endpoint.concurrent_invocations",
            "scaling.target[backlog_per_instance].target",
            "operations.alarms.no_capacity_minutes",
            "operations.alarms.oldest_request_minutes",
        ),
        after={
            "endpoint": {"concurrent_invocations": 2},
            "scaling": {"target": {"target": 6}},
            "operations": {"alarms": {"no_capacity_minutes": 31, "oldest_request_minutes": 61}},
        },
    ),
    Change(
        name="metric of copies",
        base="plain",
        besides=_mode("components", "concurrent_requests_per_copy"),
        settings=(
            "scaling.target.metric=concurrent_requests_per_copy",
            "scaling.target.metric=invocations_per_copy",
        ),
        after={"scaling": {"target": {"metric": "invocations_per_copy"}}},
    ),
    Change(
        name="requests to a copy",
        base="plain",
        besides=_mode("components", "concurrent_requests_per_copy"),
        settings=("scaling.target[concurrent_requests_per_copy].target",),
        after={"scaling": {"target": {"target": 6}}},
    ),
    Change(
        name="invocations of a copy",
        base="plain",
        besides=_mode("components", "invocations_per_copy"),
        settings=("scaling.target[invocations_per_copy].target",),
        after={"scaling": {"target": {"target": 6}}},
    ),
]

_VARIANTS = [
    Change(
        name="further variant",
        base="variants",
        settings=("endpoint.variants[].weight", "endpoint.variants[].model[optimized].model_package_arn"),
        after=_variant(weight=2, model={"model_package_arn": _PACKAGE}),
    ),
    Change(
        name="no variant",
        base="variants",
        settings=("endpoint.variants[]",),
        after={"endpoint": {"variants": []}},
        there=InSteps(_SCALED_TYPES, (Deploy(_variant(scaling={"detached": True})), Deploy())),
    ),
    Change(
        name="no scaling of variants",
        base="variants",
        settings=("endpoint.variants[].scaling=null",),
        after=overlaid(_variant(scaling=None), {"scaling": None}),
    ),
    Change(
        name="variant's name",
        base="variants",
        settings=("endpoint.variants[].name",),
        after=_variant(name="other"),
        there=InSteps(_SCALED_TYPES, (Deploy(_variant(scaling={"detached": True})), Deploy())),
        back=InSteps(_SCALED_TYPES, (Deploy(_variant(name="other", scaling={"detached": True})), Deploy("before"))),
    ),
    Change(
        name="variant's instances",
        base="plain",
        besides={"endpoint": {"update": ABSENT, "variants": [{"name": "b", "model": {"source": "open"}, "weight": 1}]}},
        settings=("endpoint.variants[].instance_types", "endpoint.variants[].instance_count"),
        after={
            "endpoint": {
                "variants": [
                    {
                        "name": "b",
                        "model": {"source": "open"},
                        "weight": 1,
                        "instance_types": ["ml.g5.8xlarge"],
                        "instance_count": 2,
                    }
                ]
            }
        },
    ),
    Change(
        name="variant's model",
        base="optimized",
        besides={"endpoint": {"variants": [{"name": "b", "model": {"source": "optimized"}, "weight": 1}]}},
        settings=("endpoint.variants[].model.source=open", "endpoint.variants[].model.source=optimized"),
        after={"endpoint": {"variants": [{"name": "b", "model": {"source": "open"}, "weight": 1}]}},
    ),
    Change(
        name="variants of a guarded endpoint",
        base="plain",
        settings=("endpoint.variants[]",),
        after={"endpoint": {"variants": [{"name": "b", "model": {"source": "open"}, "weight": 1}]}},
        there=InSteps(
            ("unguarded",),
            (
                Deploy(
                    {
                        "endpoint": {
                            "update": {"traffic": "unguarded", "bake_seconds": ABSENT},
                            "variants": [{"name": "b", "model": {"source": "open"}, "weight": 1}],
                        }
                    }
                ),
                Deploy(),
            ),
        ),
        back=InSteps(
            ("unguarded",),
            (Deploy({"endpoint": {"update": {"traffic": "unguarded", "bake_seconds": ABSENT}}}), Deploy("before")),
        ),
    ),
    *_scaling_changes("endpoint.variants[].", "variants", _variant),
]

_SHADOW = [
    Change(
        name="shadow",
        base="shadow",
        settings=(
            "endpoint.shadow.instance_types",
            "endpoint.shadow.instance_count",
            "endpoint.shadow.sampling_percent",
        ),
        after={
            "endpoint": {"shadow": {"instance_types": ["ml.g5.8xlarge"], "instance_count": 2, "sampling_percent": 50}}
        },
    ),
    Change(
        name="shadow's model",
        base="shadow",
        settings=("endpoint.shadow.model.source=open", "endpoint.shadow.model=null"),
        after={"endpoint": {"shadow": {"model": {"source": "open"}}}},
    ),
    Change(
        name="shadow's package",
        base="optimized",
        besides={"endpoint": {"shadow": {"instance_count": 1}}},
        settings=(
            "endpoint.shadow.model.source=optimized",
            "endpoint.shadow.model[optimized].model_package_arn",
        ),
        after={"endpoint": {"shadow": {"model": {"source": "optimized", "model_package_arn": _PACKAGE}}}},
    ),
    Change(name="no shadow", base="shadow", settings=("endpoint.shadow=null",), after={"endpoint": {"shadow": None}}),
]

_API = [
    Change(
        name="sign-in",
        base="plain",
        settings=("api.auth.mode=api_key", "api.auth.mode=cognito"),
        after={"api": {"auth": _COGNITO}},
        there=Intended(("AWS::ApiGateway::ApiKey", "AWS::Logs::LogGroup")),
        back=Intended(("AWS::Cognito::UserPoolDomain",)),
    ),
    Change(
        name="user pool",
        base="plain",
        besides={"api": {"auth": _COGNITO}},
        settings=(
            "api.auth[cognito].callback_urls",
            "api.auth[cognito].logout_urls",
        ),
        after={
            "api": {
                "auth": {
                    "callback_urls": ["https://b.example.com/back"],
                    "logout_urls": ["https://b.example.com/"],
                }
            }
        },
    ),
    Change(
        name="sign-in page",
        base="plain",
        besides={"api": {"auth": _COGNITO}},
        settings=("api.auth[cognito].domain_prefix",),
        after={"api": {"auth": {"domain_prefix": "images-of-a-team"}}},
        there=Intended(("AWS::Cognito::UserPoolDomain",)),
        back=Intended(("AWS::Cognito::UserPoolDomain",)),
    ),
    Change(
        name="AWS identities",
        base="plain",
        settings=("api.auth.mode=iam",),
        after={"api": {"auth": {"mode": "iam"}}},
        there=Intended(("AWS::ApiGateway::ApiKey", "AWS::Logs::LogGroup")),
    ),
    Change(
        name="keys",
        settings=(
            "api.keys[]",
            "api.keys[].name",
            "api.keys[].throttle.requests_per_second",
            "api.keys[].throttle.burst",
            "api.keys[].quota.requests",
            "api.keys[].quota.period",
        ),
        after={
            "api": {
                "keys": [
                    {
                        "name": "website",
                        "throttle": {"requests_per_second": 3, "burst": 5},
                        "quota": {"requests": 11, "period": "week"},
                    },
                    {"name": "other"},
                    {"name": "third"},
                ]
            }
        },
        there=Intended(("AWS::ApiGateway::ApiKey",)),
        back=Intended(("AWS::ApiGateway::ApiKey",)),
    ),
    Change(
        name="limits of a key",
        settings=("api.keys[].throttle=null", "api.keys[].quota=null"),
        after={"api": {"keys": [{"name": "website", "quota": None}, {"name": "batch"}]}},
    ),
    Change(
        name="limits",
        settings=(
            "api.throttle.requests_per_second",
            "api.throttle.burst",
            "api.quota.requests",
            "api.quota.period",
        ),
        after={
            "api": {
                "throttle": {"requests_per_second": 6, "burst": 11},
                "quota": {"requests": 11, "period": "month"},
            }
        },
    ),
    Change(
        name="the account's role for logs",
        base="plain",
        settings=("api.gateway_log_role",),
        after={"api": {"gateway_log_role": "existing"}},
    ),
    Change(
        name="metadata",
        base="plain",
        settings=("api.metadata.parameters", "api.metadata.declaration"),
        after={"api": {"metadata": {"parameters": False, "declaration": False}}},
    ),
    Change(
        name="content credentials",
        base="plain",
        settings=("api.content_credentials=null",),
        after={"api": {"content_credentials": {}}},
    ),
    Change(
        name="certificates",
        base="plain",
        besides={"api": {"content_credentials": {}}},
        settings=("api.content_credentials.certificate_chain", "api.content_credentials.public_key"),
        after={"api": {"content_credentials": _CHAIN}},
    ),
    Change(
        name="failed signatures",
        base="plain",
        besides={"api": {"content_credentials": _CHAIN}},
        settings=("api.content_credentials.on_failure",),
        after={"api": {"content_credentials": {"on_failure": "unsigned"}}},
    ),
    Change(
        name="signing key",
        base="plain",
        besides={"api": {"content_credentials": {}}},
        settings=("api.content_credentials.key_arn",),
        after={"api": {"content_credentials": {"key_arn": "$signing_key"}}},
    ),
    Change(name="no quota", settings=("api.quota=null",), after={"api": {"quota": None}}),
    Change(
        name="firewall",
        settings=("api.waf.requests_per_5_minutes",),
        after={"api": {"waf": {"requests_per_5_minutes": 501}}},
    ),
    Change(
        name="no firewall",
        settings=("api.waf=null",),
        after={"api": {"waf": None}},
        there=Intended(("AWS::Logs::LogGroup",)),
    ),
    Change(
        name="private",
        base="plain",
        settings=("api.private=null",),
        after={"api": {"private": {"vpc_endpoint_ids": ["$vpc_endpoint"]}}},
    ),
    Change(
        name="private endpoints",
        base="plain",
        besides={"api": {"private": {"vpc_endpoint_ids": ["$vpc_endpoint"]}}},
        settings=("api.private.vpc_endpoint_ids",),
        after={"api": {"private": {"vpc_endpoint_ids": ["$vpc_endpoint2"]}}},
    ),
    Change(
        name="domain",
        base="plain",
        settings=("api.domain=null",),
        after={"api": {"domain": {"name": "a.example.com", "certificate_arn": f"{_CERTIFICATE}1"}}},
        back=Intended(("AWS::ApiGateway::DomainName",)),
    ),
    Change(
        name="domain's name",
        base="plain",
        besides={"api": {"domain": {"name": "a.example.com", "certificate_arn": f"{_CERTIFICATE}1"}}},
        settings=("api.domain.name",),
        after={"api": {"domain": {"name": "b.example.com"}}},
        there=Intended(("AWS::ApiGateway::DomainName",)),
        back=Intended(("AWS::ApiGateway::DomainName",)),
    ),
    Change(
        name="certificate",
        base="plain",
        besides={"api": {"domain": {"name": "a.example.com", "certificate_arn": f"{_CERTIFICATE}1"}}},
        settings=("api.domain.certificate_arn",),
        after={"api": {"domain": {"certificate_arn": f"{_CERTIFICATE}2"}}},
    ),
    Change(
        name="function",
        settings=(
            "api.moderation.refused_terms",
            "api.cors.allow_origins",
            "api.integration_timeout_seconds",
            "api.function_memory_mb",
            "api.image_link_ttl_seconds",
        ),
        after={
            "api": {
                "moderation": {"refused_terms": ["gore"]},
                "cors": {"allow_origins": ["https://b.example.com"]},
                "integration_timeout_seconds": 28,
                "function_memory_mb": 1770,
                "image_link_ttl_seconds": 3601,
            }
        },
    ),
]

_STORAGE = [
    Change(
        name="expiration",
        settings=("storage.image_expiration_days", "storage.log_retention_days"),
        after={"storage": {"image_expiration_days": 31, "log_retention_days": 30}},
    ),
    Change(name="kept or deleted", settings=("storage.on_destroy",), after={"storage": {"on_destroy": "delete"}}),
    Change(
        name="key",
        settings=("storage.key_arn",),
        after={"storage": {"key_arn": "$key"}},
        there=InSteps(("--exclusively",), (Deploy(only=_CONSUMERS), Deploy())),
    ),
    Change(
        name="another key",
        besides={"storage": {"key_arn": "$key"}},
        settings=("storage.key_arn",),
        after={"storage": {"key_arn": "$key2"}},
    ),
]

_NETWORK_CHANGES = [
    Change(
        name="no network",
        base="network",
        settings=("network=null",),
        after={"network": None},
        there=InSteps(
            ("sdxl-every-Network leaves the app", "its VPC endpoints go on being billed"),
            (Deploy(), Destroy("Network")),
            fails=False,
        ),
    ),
    Change(
        name="subnets",
        base="network",
        settings=("network.subnet_ids", "network.route_table_ids"),
        after={"network": {"subnet_ids": ["$subnet", "$subnet3"], "route_table_ids": ["$route_table2"]}},
    ),
    Change(
        name="prefix lists",
        base="network",
        settings=("network.prefix_list_ids",),
        after={"network": {"prefix_list_ids": ["pl-0123456789abcdef0"]}},
    ),
    Change(
        name="given security groups",
        base="network",
        settings=("network.security_group_ids",),
        after={"network": {"security_group_ids": ["$group"]}},
        there=InSteps(("--exclusively",), (Deploy(only=("Inference", "Api", "Operations")), Deploy())),
    ),
    Change(
        name="existing endpoints",
        base="network",
        settings=("network.vpc_endpoints",),
        after={"network": {"vpc_endpoints": "existing", "route_table_ids": ABSENT}},
    ),
    Change(
        name="another VPC",
        base="network",
        settings=("network.vpc_id",),
        after={
            "network": {
                "vpc_id": "$other_vpc",
                "subnet_ids": ["$other_subnet", "$other_subnet2"],
                "route_table_ids": ["$other_route_table"],
            }
        },
        there=InSteps(("leave network out",), (Deploy({"network": None}), Deploy())),
        back=InSteps(("leave network out",), (Deploy({"network": None}), Deploy("before"))),
    ),
]

_OPERATIONS = [
    Change(
        name="alarms",
        settings=(
            "operations.emails",
            "operations.slack.channel_id",
            "operations.slack.workspace_id",
            "operations.alarms.api_errors",
            "operations.alarms.latency_p95_seconds",
            "operations.alarms.throttled_requests",
            "operations.alarms.at_max_capacity_minutes",
            "operations.alarms.gpu_memory_percent",
            "operations.alarms.gpu_utilization_percent",
            "operations.alarms.disk_percent",
            "operations.dashboard",
        ),
        after={
            "operations": {
                "emails": ["b@example.com"],
                "slack": {"workspace_id": "T1EXAMPLE", "channel_id": "C1EXAMPLE"},
                "alarms": {
                    "api_errors": 6,
                    "latency_p95_seconds": 20,
                    "throttled_requests": 21,
                    "at_max_capacity_minutes": 16,
                    "gpu_memory_percent": 94,
                    "gpu_utilization_percent": 94,
                    "disk_percent": 81,
                },
                "dashboard": False,
            }
        },
    ),
    Change(name="no chat", settings=("operations.slack=null",), after={"operations": {"slack": None}}),
    Change(
        name="budget",
        settings=(
            "operations.budget.monthly_usd",
            "operations.budget.actual_percent",
            "operations.budget.forecast_percent",
            "operations.budget.action.at_percent",
            "operations.budget.action.approval",
        ),
        after={
            "operations": {
                "budget": {
                    "monthly_usd": 101,
                    "actual_percent": 81,
                    "forecast_percent": 101,
                    "action": {"at_percent": 99, "approval": "automatic"},
                }
            }
        },
    ),
    Change(
        name="no action",
        settings=("operations.budget.action=null",),
        after={"operations": {"budget": {"action": None}}},
    ),
    Change(
        name="no budget",
        settings=("operations.budget=null",),
        after={"operations": {"budget": None}},
    ),
    Change(
        name="no operations",
        settings=("operations=null",),
        after={"operations": None},
        there=InSteps(("delete-stack", "sdxl-every-Operations"), (Deploy(), Destroy("Operations")), fails=False),
    ),
]

GROUPS: dict[str, Sequence[Change]] = {
    "environment": _ENVIRONMENT,
    "endpoint": _ENDPOINT,
    "modes": _MODES,
    "variants": [*_VARIANTS, *_SHADOW],
    "api": _API,
    "storage and network": [*_STORAGE, *_NETWORK_CHANGES],
    "operations": _OPERATIONS,
}
"""All changes. Those of a group are tested in one worker."""
CHANGES = [(group, change) for group, changes in GROUPS.items() for change in changes]
NAME, REGION = "every", "us-west-2"


def filled(value: Any, names: Mapping[str, str]) -> Any:
    """A document with each `$name` replaced by what the account holds under it."""
    if isinstance(value, str):
        return re.sub(r"\$(\w+)", lambda match: names[match[1]], value)
    if isinstance(value, Mapping):
        return {key: filled(item, names) for key, item in value.items()}
    return [filled(item, names) for item in value] if isinstance(value, list | tuple) else value


def write_chain(folder: Path) -> dict[str, str]:
    """Write a certificate chain and the public half of its key; return what the files name them."""
    key = new_key()
    public_key = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    names = {"chain_file": folder / "chain.pem", "public_key_file": folder / "key.pem"}
    names["chain_file"].write_text(chain_of(key))
    names["public_key_file"].write_bytes(public_key)
    return {name: str(path) for name, path in names.items()}
