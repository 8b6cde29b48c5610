"""The web application firewall on the API's stage: rate limit by address, AWS's managed rules, log."""

from __future__ import annotations

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from stacks.constructs.arn import place_of
from stacks.constructs.encrypted_log_group import EncryptedLogGroup
from stacks.environment import Waf

# Prefix that AWS WAF demands of a log group.
LOG_GROUP_PREFIX = "aws-waf-logs-"
_SECRET_HEADERS = ("authorization", "x-api-key")
_MANAGED_RULES = ("AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet")
# The common rules refuse bodies above 8 KB; an init image takes megabytes. API Gateway's own limit of 10 MB holds.
_COUNTED_RULES = {"AWSManagedRulesCommonRuleSet": ("SizeRestrictions_BODY",)}


class Firewall(Construct):
    """Web ACL for one Regional stage: allows what no rule blocks."""

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, settings: Waf, log_group: EncryptedLogGroup
    ) -> None:
        super().__init__(scope, construct_id)
        self._place = place_of(scope)
        self.web_acl = wafv2.CfnWebACL(
            self,
            "WebAcl",
            name=name,
            description="SDXL image API",
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_visibility(name),
            rules=[_rate_rule(settings), *(_managed(group, 1 + index) for index, group in enumerate(_MANAGED_RULES))],
        )
        wafv2.CfnLoggingConfiguration(
            self,
            "Logging",
            resource_arn=self.web_acl.attr_arn,
            log_destination_configs=[log_group.arn],
            redacted_fields=[
                wafv2.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": header})
                for header in _SECRET_HEADERS
            ],
        ).node.add_dependency(log_group)

    def protect(self, stage: apigateway.CfnStage, *, rest_api_id: str) -> None:
        """Put the firewall before a stage. Called once."""
        wafv2.CfnWebACLAssociation(
            self,
            "Association",
            resource_arn=f"arn:{self._place.partition}:apigateway:{self._place.region}::/restapis/{rest_api_id}/stages/{stage.ref}",
            web_acl_arn=self.web_acl.attr_arn,
        )


def _rate_rule(settings: Waf) -> wafv2.CfnWebACL.RuleProperty:
    return wafv2.CfnWebACL.RuleProperty(
        name="RateByAddress",
        priority=0,
        action=wafv2.CfnWebACL.RuleActionProperty(block={}),
        statement=wafv2.CfnWebACL.StatementProperty(
            rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(
                aggregate_key_type="IP", limit=settings.requests_per_5_minutes, evaluation_window_sec=300
            )
        ),
        visibility_config=_visibility("RateByAddress"),
    )


def _managed(group: str, priority: int) -> wafv2.CfnWebACL.RuleProperty:
    counted = [
        wafv2.CfnWebACL.RuleActionOverrideProperty(
            name=rule, action_to_use=wafv2.CfnWebACL.RuleActionProperty(count={})
        )
        for rule in _COUNTED_RULES.get(group, ())
    ]
    return wafv2.CfnWebACL.RuleProperty(
        name=group,
        priority=priority,
        override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
        statement=wafv2.CfnWebACL.StatementProperty(
            managed_rule_group_statement=wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
                vendor_name="AWS", name=group, rule_action_overrides=counted or None
            )
        ),
        visibility_config=_visibility(group),
    )


def _visibility(metric: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        # Samples would hold prompts.
        cloud_watch_metrics_enabled=True,
        metric_name=metric,
        sampled_requests_enabled=False,
    )
