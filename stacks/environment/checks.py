"""Checks that need more than one section of an environment file. No section imports them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from stacks.environment.api import Api, default_domain_prefix_problem
from stacks.environment.bedrock import bedrock_problems
from stacks.environment.console import Console
from stacks.environment.endpoint import Endpoint, instance_count_problems, instance_type_problems
from stacks.environment.models import BedrockModel, EndpointModel
from stacks.environment.modes import mode_problems
from stacks.environment.network import Network
from stacks.environment.operations import Operations
from stacks.environment.organization import AllowedValues, Organization, boundary_problems
from stacks.environment.regions import model_problems, service_problems
from stacks.environment.scaling import Scaling
from stacks.environment.storage import Storage
from stacks.environment.values import ENVIRONMENT_TAG, Location, SettingProblem


@dataclass(frozen=True, kw_only=True)
class Sections:
    """The parts of an environment file that the checks compare; None is a part that is absent or has errors itself."""

    name: str | None = None
    account: str | None = None
    region: str | None = None
    tags: Mapping[str, str] | None = None
    model: EndpointModel | BedrockModel | None = None
    endpoint: Endpoint | None = None
    scaling: Scaling | None = None
    api: Api | None = None
    console: Console | None = None
    storage: Storage | None = None
    network: Network | None = None
    organization: Organization | None = None
    operations: Operations | None = None


def environment_problems(sections: Mapping[str, Any]) -> Iterator[SettingProblem]:
    """Problems between the `sections` of an environment, which are by name. A check leaves absent sections out."""
    file = Sections(**{field.name: sections[field.name] for field in fields(Sections) if field.name in sections})
    yield from _api_problems(file)
    yield from _console_problems(file)
    yield from _operations_problems(file)
    yield from _network_problems(file)
    yield from _organization_problems(file)
    yield from _storage_problems(file)
    yield from service_problems(file.region, file.model, file.endpoint, file.api, file.operations)
    if isinstance(file.model, BedrockModel):
        yield from bedrock_problems(file.region, file.model)
        yield from _settings_without_endpoint(file)
    else:
        yield from _endpoint_problems(file, file.model)


def _api_problems(file: Sections) -> Iterator[SettingProblem]:
    api = file.api
    if api is None:
        return
    if api.domain is not None:
        arn = api.domain.certificate_arn
        for what, found, wanted in _of_elsewhere(file, arn):
            yield SettingProblem(
                location=("api", "domain", "certificate_arn"),
                text=f"{arn!r} is of the {what} {found}, the environment of {wanted}",
                received=arn,
                allowed=f"a certificate of the {what} {wanted}",
                remedy="request a certificate there: a Regional API takes no certificate of another region"
                if what == "region"
                else "request a certificate in the environment's own account",
            )
    key_arn = None if api.content_credentials is None else api.content_credentials.key_arn
    for what, found, wanted in _of_elsewhere(file, key_arn) if key_arn is not None else ():
        yield SettingProblem(
            location=("api", "content_credentials", "key_arn"),
            text=f"{key_arn!r} is of the {what} {found}, the environment of {wanted}",
            received=key_arn,
            allowed=f"a key of the {what} {wanted}",
            remedy=f"use a key of that {what}, or remove it: the environment then makes its own",
        )
    if api.auth.mode == "cognito" and api.auth.domain_prefix is None and file.name is not None:
        problem = default_domain_prefix_problem(file.name)
        if problem is not None:
            yield problem


def _console_problems(file: Sections) -> Iterator[SettingProblem]:
    if file.api is None or file.console is None:
        return
    auth, enabled = file.api.auth, file.console.enabled
    if auth.mode == "iam" and enabled:
        yield SettingProblem(
            location=("console", "enabled"),
            text="the page is turned on, and api.auth.mode is 'iam': a page cannot sign requests with an AWS identity",
            received=enabled,
            allowed="true with api.auth.mode api_key or cognito only",
            remedy="remove it, or choose another api.auth.mode",
        )
    if auth.mode == "cognito" and enabled is False and not auth.callback_urls:
        yield SettingProblem(
            location=("api", "auth", "callback_urls"),
            text="missing, and the creators' page is turned off: people would have nowhere to sign in from",
            allowed="at least one address",
            remedy="add callback_urls: [...], or remove console.enabled",
        )


def _storage_problems(file: Sections) -> Iterator[SettingProblem]:
    arn = None if file.storage is None else file.storage.key_arn
    for what, found, wanted in _of_elsewhere(file, arn) if arn is not None else ():
        yield SettingProblem(
            location=("storage", "key_arn"),
            text=f"{arn!r} is of the {what} {found}, the environment of {wanted}",
            received=arn,
            allowed=f"a key of the {what} {wanted}",
            remedy=f"use a key of that {what}, or remove it: the environment then makes its own",
        )


def _of_elsewhere(file: Sections, arn: str) -> Iterator[tuple[str, str, str]]:
    """For region and account: what differs, the ARN's, and the environment's."""
    _, _, _, region, account, _ = arn.split(":", 5)
    for what, found, wanted in (("region", region, file.region), ("account", account, file.account)):
        if wanted is not None and found != wanted:
            yield what, found, wanted


def _operations_problems(file: Sections) -> Iterator[SettingProblem]:
    if file.api is None or file.operations is None:
        return
    seconds, timeout = file.operations.alarms.latency_p95_seconds, file.api.integration_timeout_seconds
    if seconds is not None and seconds >= timeout:
        yield SettingProblem(
            location=("operations", "alarms", "latency_p95_seconds"),
            text=f"{seconds:g} is not below api.integration_timeout_seconds, {timeout}: no answer takes longer than "
            "that, and the alarm would never be in ALARM state",
            received=seconds,
            allowed=f"less than {timeout}",
            remedy="lower it, or leave it out",
        )


def _network_problems(file: Sections) -> Iterator[SettingProblem]:
    network, model = file.network, file.model
    if network is None or model is None:
        return
    if isinstance(model, BedrockModel):
        if network.vpc_endpoints == "create" and model.region not in (None, file.region):
            yield SettingProblem(
                location=("model", "region"),
                text=f"{model.region!r}, and the VPC endpoints that network creates lead to {file.region} alone",
                received=model.region,
                allowed=f"{file.region}, or network.vpc_endpoints existing",
                remedy="remove model.region, or set network.vpc_endpoints to existing where the VPC has a way there",
            )
        return
    sources = {model.source}
    if file.endpoint is not None:
        sources |= {variant.model.source for variant in file.endpoint.variants}
        if file.endpoint.shadow is not None and file.endpoint.shadow.model is not None:
            sources.add(file.endpoint.shadow.model.source)
    if len(sources) > 1:
        yield SettingProblem(
            location=("network",),
            text=f"the endpoint's variants have the sources {' and '.join(sorted(sources))}: a Marketplace package "
            "stays in SageMaker's own network, and an endpoint's models are in one network",
            allowed="one source for all variants",
            remedy="give the variants one model source, or remove network",
        )


def _organization_problems(file: Sections) -> Iterator[SettingProblem]:
    organization = file.organization
    if organization is None:
        return
    for key, allowed in organization.required_tags.items():
        if key != ENVIRONMENT_TAG:
            yield from _required_tag_problems(file.tags or {}, key, allowed)
    if file.account is not None:
        yield from boundary_problems(organization.permissions_boundary, file.account)


def _required_tag_problems(tags: Mapping[str, str], key: str, allowed: AllowedValues) -> Iterator[SettingProblem]:
    words = "any value" if allowed == "any" else ", ".join(allowed)
    if key not in tags:
        close = [found for found in tags if found.lower() == key.lower()]
        missing = f"has no tag {key!r}, which organization.yaml demands"
        yield SettingProblem(
            location=("tags",),
            text=f"{missing}; {close[0]!r} differs in case" if close else missing,
            received=dict(tags),
            allowed=f"{key}: {words}",
            remedy=f"rename {close[0]} to {key}" if close else f"add {key} to tags",
        )
    elif allowed != "any" and tags[key] not in allowed:
        yield SettingProblem(
            location=("tags", key),
            text=f"{tags[key]!r} is not a value that organization.yaml allows",
            received=tags[key],
            allowed=words,
            remedy="use one of these, or add the value to organization.yaml",
        )


def _settings_without_endpoint(file: Sections) -> Iterator[SettingProblem]:
    """Settings of an endpoint in an environment that has no endpoint."""
    if file.scaling is not None:
        yield SettingProblem(
            location=("scaling",),
            text="has no effect with model.source bedrock, which has no endpoint to scale",
            allowed="nothing",
            remedy="remove the section; api.throttle limits how fast keys may call",
        )
    for name in sorted(file.endpoint.model_fields_set) if file.endpoint is not None else ():
        if name == "instance_count" and file.scaling is not None:
            # Perhaps not written by anyone: left out, it follows scaling.min_capacity.
            continue
        yield SettingProblem(
            location=("endpoint", name),
            text="has no effect with model.source bedrock, which has no endpoint",
            received=getattr(file.endpoint, name),
            allowed="nothing",
            remedy="remove the setting",
        )


def _endpoint_problems(file: Sections, model: EndpointModel | None) -> Iterator[SettingProblem]:
    region, endpoint, scaling = file.region, file.endpoint, file.scaling
    if region is not None and model is not None:
        yield from model_problems(region, model)
    if endpoint is None:
        return
    if model is not None:
        yield from instance_type_problems(model.source, endpoint.instance_types, ("endpoint",))
    if scaling is not None:
        yield from instance_count_problems(endpoint.instance_count, endpoint.model_fields_set, scaling, ("endpoint",))
    yield from mode_problems(region, model, endpoint, scaling)
    yield from _variant_problems(region, endpoint, scaling)
    if model is not None:
        yield from _shadow_problems(region, model, endpoint)
    if "update" in endpoint.model_fields_set:
        yield from _update_problems(model, endpoint, scaling)


def _variant_problems(region: str | None, endpoint: Endpoint, scaling: Scaling | None) -> Iterator[SettingProblem]:
    for index, variant in enumerate(endpoint.variants):
        location: Location = ("endpoint", "variants", index)
        if region is not None:
            yield from model_problems(region, variant.model, location)
        if (variant.scaling is None) != (scaling is None):
            # RetainAllVariantProperties and its exclusions are of the whole endpoint.
            have, lack = ("the first variant", "this one") if scaling else ("this variant", "the first one")
            yield SettingProblem(
                location=(*location, "scaling"),
                text=f"{have} is scaled and {lack} is not: an update keeps the instance counts of all variants, or of "
                "none",
                allowed="scaling for every variant, or for none",
                remedy="give the other one a scaling too; with min_capacity equal to max_capacity it stays as it is",
            )


def _shadow_problems(region: str | None, model: EndpointModel, endpoint: Endpoint) -> Iterator[SettingProblem]:
    shadow, location = endpoint.shadow, ("endpoint", "shadow")
    if shadow is None:
        return
    source = model.source if shadow.model is None else shadow.model.source
    if source != model.source:
        yield SettingProblem(
            location=(*location, "model", "source"),
            text=f"{source!r} does not read the requests of the first variant, {model.source!r}: they are copied as "
            "they are, and the two take different ones",
            received=source,
            allowed=model.source,
            remedy="compare model sources with endpoint.variants, where each gets requests in its own form",
        )
    elif region is not None and shadow.model is not None:
        yield from model_problems(region, shadow.model, location)
    yield from instance_type_problems(source, shadow.instance_types, location)


def _update_problems(
    model: EndpointModel | None, endpoint: Endpoint, scaling: Scaling | None
) -> Iterator[SettingProblem]:
    update, location = endpoint.update, ("endpoint", "update")
    if update.traffic == "unguarded":
        return
    marketplace = [f"the variant {one.name!r}" for one in endpoint.variants if one.model.source == "optimized"]
    if model is not None and model.source == "optimized":
        marketplace.insert(0, "the model")
    if marketplace:
        # Amazon SageMaker AI Developer Guide, "Deployment guardrails: Exclusions".
        yield SettingProblem(
            location=location,
            text=f"has no effect: {' and '.join(marketplace)} is a Marketplace model package, which SageMaker always "
            "replaces all at once, without watching it",
            allowed="nothing",
            remedy="remove the setting; rehearse a new package with endpoint.shadow, or in a separate environment",
        )
    counts = [(endpoint.instance_count, scaling), *((one.instance_count, one.scaling) for one in endpoint.variants)]
    fewest = min(count if scaled is None else scaled.fewest_instances for count, scaled in counts)
    if update.traffic != "all_at_once" and fewest < 2:
        yield SettingProblem(
            location=(*location, "traffic"),
            text=f"{update.traffic!r} moves at most half of a variant's instances at a time, and there may be "
            f"{fewest} only",
            received=update.traffic,
            allowed="all_at_once; canary or linear with 2 instances or more",
            remedy="use all_at_once, which watches the same alarms, or keep 2 instances "
            "(scaling.min_capacity, endpoint.instance_count, also of every variant)",
        )
