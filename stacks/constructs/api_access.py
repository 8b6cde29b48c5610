"""API keys, and the usage plan that limits each."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from stacks.environment import Api, Quota, Throttle

DEFAULT_KEY = "default"


@dataclass(frozen=True, kw_only=True)
class KeyLimits:
    """One key to make: its name, and what its usage plan allows."""

    name: str
    throttle: Throttle
    quota: Quota | None


def keys_of(settings: Api) -> tuple[KeyLimits, ...]:
    """The keys of an environment: those named, each with the API's own limits where it names none; else one."""
    if not settings.keys:
        return (KeyLimits(name=DEFAULT_KEY, throttle=settings.throttle, quota=settings.quota),)
    return tuple(
        KeyLimits(
            name=key.name,
            throttle=settings.throttle if key.throttle is None else key.throttle,
            # A quota that is left out is the API's; `null` is none.
            quota=key.quota if "quota" in key.model_fields_set else settings.quota,
        )
        for key in settings.keys
    )


class ApiAccess(Construct):
    """API keys with generated values, each on a usage plan of its own for one deployed stage."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        stage: apigateway.CfnStage,
        rest_api_id: str,
        keys: tuple[KeyLimits, ...],
    ) -> None:
        super().__init__(scope, construct_id)
        stages = [apigateway.CfnUsagePlan.ApiStageProperty(api_id=rest_api_id, stage=stage.ref)]
        self.key_ids: dict[str, str] = {}
        for key in keys:
            # By name: the key of one caller must not change when another's is added or removed.
            plan = apigateway.CfnUsagePlan(
                self,
                f"UsagePlan-{key.name}",
                usage_plan_name=f"{name}-{key.name}",
                description="Limits of one API key",
                api_stages=stages,
                throttle=apigateway.CfnUsagePlan.ThrottleSettingsProperty(
                    rate_limit=key.throttle.requests_per_second, burst_limit=key.throttle.burst
                ),
                quota=None
                if key.quota is None
                else apigateway.CfnUsagePlan.QuotaSettingsProperty(
                    limit=key.quota.requests, period=key.quota.period.upper()
                ),
            )
            api_key = apigateway.CfnApiKey(
                self,
                f"ApiKey-{key.name}",
                name=f"{name}-{key.name}",
                description="Key of the SDXL image API",
                enabled=True,
            )
            self.key_ids[key.name] = key_id = api_key.ref
            apigateway.CfnUsagePlanKey(
                self,
                f"UsagePlanKey-{key.name}",
                key_id=key_id,
                key_type="API_KEY",
                usage_plan_id=plan.ref,
            )
