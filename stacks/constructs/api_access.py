"""Who may call the API, and how much: an API key and the usage plan that limits it."""

from __future__ import annotations

from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from stacks.environment import Quota, Throttle


class ApiAccess(Construct):
    """One API key, with a generated name and value, on a usage plan for one deployed stage."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: apigateway.CfnStage,
        rest_api_id: str,
        throttle: Throttle,
        quota: Quota | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.plan = apigateway.CfnUsagePlan(
            self,
            "UsagePlan",
            description="Limits for each API key",
            api_stages=[apigateway.CfnUsagePlan.ApiStageProperty(api_id=rest_api_id, stage=stage.ref)],
            throttle=apigateway.CfnUsagePlan.ThrottleSettingsProperty(
                rate_limit=throttle.requests_per_second, burst_limit=throttle.burst
            ),
            quota=None
            if quota is None
            else apigateway.CfnUsagePlan.QuotaSettingsProperty(limit=quota.requests, period=quota.period.upper()),
        )
        self.key = apigateway.CfnApiKey(self, "ApiKey", description="Key of the SDXL image API", enabled=True)
        apigateway.CfnUsagePlanKey(
            self, "UsagePlanKey", key_id=self.key.ref, key_type="API_KEY", usage_plan_id=self.plan.ref
        )
