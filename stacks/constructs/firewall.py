"""AWS WAF in front of the API's stage: rate limit by address, AWS's managed rules, log. It has no L2 construct."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_kms as kms
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from stacks.constructs.log_group import encrypted_log_group
from stacks.constructs.template_metadata import keep_logical_id
from stacks.environment import API_STAGE, Waf

# Prefix that AWS WAF demands of a log group's name.
_LOG_GROUP_PREFIX = "aws-waf-logs-"
_SECRET_HEADERS = ("authorization", "x-api-key")
_COMMON_RULES = "AWSManagedRulesCommonRuleSet"
# The common rules refuse bodies above 8 KB; an init image takes megabytes. API Gateway's own limit of 10 MB holds.
_SIZE_RULE = "SizeRestrictions_BODY"
# Rules that find scripts, paths and addresses in the bytes of a picture, such as the XML of its XMP metadata, by the
# label that they put on a request when they only count. AWS WAF Developer Guide, "Core rule set (CRS) managed rule
# group".
_CONTENT_RULES = {
    "CrossSiteScripting_BODY": "CrossSiteScripting_Body",
    "EC2MetaDataSSRF_BODY": "EC2MetaDataSSRF_Body",
    "GenericLFI_BODY": "GenericLFI_Body",
    "GenericRFI_BODY": "GenericRFI_Body",
}
_BAD_INPUT_RULES = "AWSManagedRulesKnownBadInputsRuleSet"
_LABELS = "awswaf:managed:aws:core-rule-set:"
_COUNTED_RULES = {_COMMON_RULES: (_SIZE_RULE, *_CONTENT_RULES)}
# Paths whose bodies have pictures, below the stage and at a domain of the API's own. A test compares them with the
# OpenAPI document.
PICTURE_PATHS = rf"^(/{API_STAGE})?/v1/(generation/[^/]+/image-to-image(/masking)?|images/(edits|variations)|marks)/?$"


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
            rules=[_rate_rule(settings), _managed(_COMMON_RULES, 1), _managed(_BAD_INPUT_RULES, 2), _content_rule(3)],
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


def _content_rule(priority: int) -> wafv2.CfnWebACL.RuleProperty:
    """Block what the content rules have counted, on every path that takes no pictures."""
    statement = wafv2.CfnWebACL.StatementProperty
    labels = [
        statement(
            label_match_statement=wafv2.CfnWebACL.LabelMatchStatementProperty(scope="LABEL", key=f"{_LABELS}{label}")
        )
        for label in _CONTENT_RULES.values()
    ]
    takes_pictures = statement(
        regex_match_statement=wafv2.CfnWebACL.RegexMatchStatementProperty(
            regex_string=PICTURE_PATHS,
            field_to_match=wafv2.CfnWebACL.FieldToMatchProperty(uri_path={}),
            text_transformations=[wafv2.CfnWebACL.TextTransformationProperty(priority=0, type="NONE")],
        )
    )
    return wafv2.CfnWebACL.RuleProperty(
        name="ContentWithoutPictures",
        priority=priority,
        action=wafv2.CfnWebACL.RuleActionProperty(block={}),
        statement=statement(
            and_statement=wafv2.CfnWebACL.AndStatementProperty(
                statements=[
                    statement(or_statement=wafv2.CfnWebACL.OrStatementProperty(statements=labels)),
                    statement(not_statement=wafv2.CfnWebACL.NotStatementProperty(statement=takes_pictures)),
                ]
            )
        ),
        visibility_config=_visibility("ContentWithoutPictures"),
    )


def _visibility(metric: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        # Samples would hold prompts.
        cloud_watch_metrics_enabled=True,
        metric_name=metric,
        sampled_requests_enabled=False,
    )
