"""What works today and needs attention. `sdxl environments check` prints it, and no template depends on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

from stacks.catalog import Provenance, load_catalog
from stacks.catalog.bedrock import load_bedrock_catalog
from stacks.catalog.service_regions import load_service_regions
from stacks.environment.bedrock import bedrock_warnings
from stacks.environment.model import Environment
from stacks.environment.models import BedrockModel

_YEAR_DAYS = 365
# How long before a certificate expires it is time to renew it.
CERTIFICATE_WARNING_DAYS = 60
# RFC 2606 and RFC 6761: names for documentation and tests, to which no mail is ever delivered.
_RESERVED_DOMAINS = ("example.com", "example.net", "example.org", "example", "invalid", "localhost", "test")
# By model source: the facts on which a deployment depends. Prices are not among them.
_FACTS = {
    "open": ("open.containers", "open.artifact", "open.instance_types"),
    "optimized": ("optimized.model_packages", "optimized.instance_types"),
}
_BEDROCK_FACTS = ("bedrock.models", "bedrock.inference_profiles")


def environment_warnings(environment: Environment, today: date | None = None) -> tuple[str, ...]:
    """Return what works today and needs attention, each in one sentence.

    `today` (default: the day in UTC) is compared with the days of the catalog's facts.
    """
    day = datetime.now(UTC).date() if today is None else today
    model = environment.model
    return (
        *(bedrock_warnings(model) if isinstance(model, BedrockModel) else ()),
        *_mail_warnings(environment),
        *_mode_warnings(environment),
        *_log_role_warnings(environment),
        *_signing_warnings(environment, day),
        *_old_fact_warnings(environment, day),
    )


def _mail_warnings(environment: Environment) -> Iterator[str]:
    for email in environment.operations.emails if environment.operations is not None else ():
        domain = email.rpartition("@")[2].lower()
        if domain.endswith(tuple(f".{name}" for name in _RESERVED_DOMAINS)) or domain in _RESERVED_DOMAINS:
            yield f"operations.emails: {email} is an address of documentation: nobody gets its mail; write your own"


def _mode_warnings(environment: Environment) -> Iterator[str]:
    if environment.endpoint.mode == "asynchronous" and not isinstance(environment.model, BedrockModel):
        yield (
            "endpoint.mode: the image API does not call an asynchronous endpoint: its requests for images fail; call "
            "the endpoint yourself (InvokeEndpointAsync), or choose real-time or components"
        )


def _log_role_warnings(environment: Environment) -> Iterator[str]:
    if environment.storage.on_destroy == "delete" and environment.api.gateway_log_role == "create":
        yield (
            "api.gateway_log_role: the environment is to be deleted without a trace, and the role that it makes for "
            "API Gateway's logs stays in the account; with `existing` it makes none"
        )


def _signing_warnings(environment: Environment, today: date) -> Iterator[str]:
    credentials = environment.api.content_credentials
    if credentials is None:
        return
    if credentials.chain_file is None:
        yield (
            "api.content_credentials: nothing is signed yet, there is no certificate_chain; deploy, then "
            "`sdxl signing request` prints what an authority needs to issue it"
        )
        return
    # As in `marks.py`: a tenth of a second, for environments that sign.
    from stacks.environment.certificates import valid_until  # noqa: PLC0415

    last = valid_until(credentials.chain_file)
    if (last - today).days < CERTIFICATE_WARNING_DAYS:
        yield f"api.content_credentials: the certificates expire on {last}: no image can be signed after it; renew them"


def _old_fact_warnings(environment: Environment, today: date) -> Iterator[str]:
    for name, fact in _facts(environment).items():
        if (today - _first_day(fact.as_of)).days > _YEAR_DAYS:
            yield (
                f"the catalog's {name} is of {fact.as_of}, more than a year old: look it up again ({fact.source}), and "
                "renew the catalog"
            )


def _facts(environment: Environment) -> Mapping[str, Provenance]:
    """The groups of facts on which the environment depends, by name."""
    services = {
        f"service_regions.{name}": service.provenance
        for name, service in load_service_regions().items()
        if name == "instance_pools" and any(len(one.instance_types) > 1 for one in environment.all_variants)
    }
    if isinstance(environment.model, BedrockModel):
        bedrock = load_bedrock_catalog().provenance
        return {name: bedrock[name] for name in _BEDROCK_FACTS}
    known = load_catalog().provenance
    sources = dict.fromkeys(variant.model.source for variant in environment.all_variants)
    return {**{name: known[name] for source in sources for name in _FACTS[source]}, **services}


def _first_day(as_of: str) -> date:
    """The first day that `YYYY-MM-DD` or `YYYY-MM` can mean."""
    return date.fromisoformat(as_of if as_of.count("-") == 2 else f"{as_of}-01")
