"""Checks of the access settings that need more than one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from stacks.environment.access_values import RESERVED_WORDS
from stacks.environment.problems import SettingProblem

if TYPE_CHECKING:
    from stacks.environment.access import Domain
    from stacks.environment.api import Api


def api_problems(api: Api) -> Iterator[SettingProblem]:
    """Problems within the section `api`."""
    mode = api.auth.mode
    if mode != "api_key":
        if api.keys:
            yield SettingProblem(
                location=("keys",),
                text=f"keys are given, and api.auth.mode is {mode!r}, which takes none",
                received=[key.name for key in api.keys],
                allowed="keys with api.auth.mode api_key only",
                remedy="remove api.keys, or set api.auth.mode to api_key",
            )
        if "quota" in api.model_fields_set and api.quota is not None:
            yield SettingProblem(
                location=("quota",),
                text=f"a quota is given, and api.auth.mode is {mode!r}: only API keys are counted",
                received=api.quota.requests,
                allowed="a quota with api.auth.mode api_key only",
                remedy="remove api.quota; api.throttle then limits all callers together",
            )
    if api.private is not None and api.domain is not None:
        yield SettingProblem(
            location=("domain",),
            text="a domain is given for a private API, which a public domain name cannot lead to",
            received=api.domain.name,
            allowed="api.domain or api.private, not both",
            remedy="remove one of the two; inside the VPC, a private hosted zone can name the VPC endpoint",
        )


def access_problems(sections: Mapping[str, Any]) -> Iterator[SettingProblem]:
    """Problems between the section `api` and the environment's name, account and region."""
    api: Api | None = sections.get("api")
    if api is not None and api.domain is not None:
        yield from _certificate_problems(api.domain, sections)
    if api is not None and api.auth.mode == "cognito" and api.auth.domain_prefix is None:
        yield from _prefix_problems(str(sections.get("name", "")))


def _prefix_problems(name: str) -> Iterator[SettingProblem]:
    for word in RESERVED_WORDS:
        if word in name:
            yield SettingProblem(
                location=("api", "auth", "domain_prefix"),
                text=f"missing, and the environment's name {name!r} holds {word!r}, which Cognito refuses in one",
                allowed="1 to 63 lower-case letters, digits and hyphens, no hyphen first or last",
                remedy="add domain_prefix: ...",
            )


def _certificate_problems(domain: Domain, sections: Mapping[str, Any]) -> Iterator[SettingProblem]:
    parts = domain.certificate_arn.split(":")
    for what, found, remedy in (
        ("region", parts[3], "request a certificate there: a Regional API takes none of another region"),
        ("account", parts[4], "request a certificate in the environment's own account"),
    ):
        wanted = sections.get(what)
        if wanted is not None and found != wanted:
            yield SettingProblem(
                location=("api", "domain", "certificate_arn"),
                text=f"{domain.certificate_arn!r} is of the {what} {found}, the environment of {wanted}",
                received=domain.certificate_arn,
                allowed=f"a certificate of the {what} {wanted}",
                remedy=remedy,
            )
