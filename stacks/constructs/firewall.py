"""AWS WAF in front of the API's stage: rate limit by address, AWS's managed rules, log. It has no L2 construct."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_kms as kms
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from stacks.constructs.log_group import encrypted_log_group
from stacks.constructs.template_metadata import keep_logical_id
from stacks.environment import Waf

# Prefix that AWS WAF demands of a log group's name.
_LOG_GROUP_PREFIX = "aws-waf-logs-"
_SECRET_HEADERS = ("authorization", "x-api-key")
_MANAGED_RULES = ("AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet")
# The common rules refuse bodies above 8 KB; an init image takes megabytes. API Gateway's own limit of 10 MB holds.
_COUNTED_RULES = {"AWSManagedRulesCommonRuleSet": ("SizeRestrictions_BODY",)}


class Firewall(Construct):
    """Web ACL for one Regional stage: allows what no rule blocks."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        settings: Waf,
        key: kms.IKey,
        log_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        log_group = encrypted_log_group(
            self, "Log", name=f"{_LOG_GROUP_PREFIX}{name}", key=key, retention_days=log_retention_days
        )
        keep_logical_id(log_group, "FirewallLog")
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
            # Without the `:*` that CloudFormation appends to a log group's ARN, which WAF refuses.
            log_destination_configs=[
                cdk.Stack.of(self).format_arn(
                    service="logs",
                    resource="log-group",
                    resource_name=f"{_LOG_GROUP_PREFIX}{name}",
                    arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                )
            ],
            redacted_fields=[
                wafv2.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": header})
                for header in _SECRET_HEADERS
            ],
        ).node.add_dependency(log_group)

    def protect(self, stage: apigateway.Stage) -> None:
        """Put the firewall in front of a stage. Called once."""
        wafv2.CfnWebACLAssociation(self, "Association", resource_arn=stage.stage_arn, web_acl_arn=self.web_acl.attr_arn)


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
