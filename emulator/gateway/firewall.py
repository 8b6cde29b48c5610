"""A stage's web ACL: rate rules by address, the content rules of AWS's common group, and rules on their labels.

The content rules stand for AWS's own, whose exact patterns AWS does not publish: each finds in the first 16 KB of a
body what its description names (AWS WAF Developer Guide, "Core rule set (CRS) managed rule group"). Other managed
groups, and statements that are not named here, let everything through.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from moto.wafv2.models import wafv2_backends

from emulator.gateway import errors
from emulator.gateway.context import RequestContext

DEFAULT_WINDOW_SECONDS = 300
# AWS WAF quotas: the body that WAF inspects in front of API Gateway, by default.
INSPECTED_BYTES = 16 * 1024
SIZE_LIMIT_BYTES = 8 * 1024
COMMON_RULES = "AWSManagedRulesCommonRuleSet"
LABELS = "awswaf:managed:aws:core-rule-set:"
# By rule: its label, and what a body has that it finds.
_CONTENT = {
    "CrossSiteScripting_BODY": ("CrossSiteScripting_Body", re.compile(rb"<\?|<script|javascript:", re.IGNORECASE)),
    "EC2MetaDataSSRF_BODY": ("EC2MetaDataSSRF_Body", re.compile(rb"169\.254\.169\.254")),
    "GenericLFI_BODY": ("GenericLFI_Body", re.compile(rb"\.\./")),
    "GenericRFI_BODY": ("GenericRFI_Body", re.compile(rb"https?://\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}")),
}
_SIZE = ("SizeRestrictions_BODY", "SizeRestrictions_Body")


class Firewall:
    """The requests of every address within each rule's window; `clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[Hashable, deque[float]] = {}

    def admit(self, context: RequestContext) -> None:
        """Evaluate the rules by priority; raises GatewayError WAF_FILTERED where one blocks the request."""
        api = context.api
        acl = wafv2_backends[api.account][api.region].wacls.get(api.stage.web_acl_arn)
        if acl is None:
            return
        address = context.request.remote_addr or ""
        labels: set[str] = set()
        for rule in sorted(acl.rules, key=lambda rule: int(rule.priority)):
            limit = _limit(rule)
            if limit and self._count((acl.arn, rule.name, address), limit[1]) > limit[0]:
                raise errors.filtered()
            group = rule.statement.get("ManagedRuleGroupStatement") or {}
            if group.get("Name") == COMMON_RULES and _common_rules_block(group, context.body, labels):
                raise errors.filtered()
            if "Block" in (rule.action or {}) and _matches(rule.statement, context, labels):
                raise errors.filtered()

    def _count(self, key: Hashable, window_seconds: int) -> int:
        now = self._clock()
        with self._lock:
            seen = self._seen.setdefault(key, deque())
            seen.append(now)
            while seen[0] <= now - window_seconds:
                seen.popleft()
            return len(seen)


def _limit(rule: Any) -> tuple[int, int] | None:
    """The requests and seconds of a rule that blocks addresses by their rate, or None for any other rule."""
    rate = rule.statement.get("RateBasedStatement") or {}
    blocks = "Block" in (rule.action or {}) and "ScopeDownStatement" not in rate
    if not blocks or rate.get("AggregateKeyType") != "IP":
        return None
    return int(rate["Limit"]), int(rate.get("EvaluationWindowSec") or DEFAULT_WINDOW_SECONDS)


def _common_rules_block(group: Mapping[str, Any], body: bytes, labels: set[str]) -> bool:
    """Whether a content rule of the group blocks the body. Rules that only count put their labels on the request."""
    counted = {
        override["Name"]
        for override in group.get("RuleActionOverrides") or ()
        if "Count" in (override.get("ActionToUse") or {})
    }
    inspected = body[:INSPECTED_BYTES]
    found = [(rule, label) for rule, (label, pattern) in _CONTENT.items() if pattern.search(inspected)]
    if len(body) > SIZE_LIMIT_BYTES:
        found.append(_SIZE)
    labels.update(f"{LABELS}{label}" for _, label in found)
    return any(rule not in counted for rule, _ in found)


def _matches(statement: Mapping[str, Any], context: RequestContext, labels: set[str]) -> bool:
    """Whether a statement of labels and paths matches. Any other one matches nothing."""
    for kind, content in statement.items():
        match kind:
            case "AndStatement":
                return all(_matches(one, context, labels) for one in content["Statements"])
            case "OrStatement":
                return any(_matches(one, context, labels) for one in content["Statements"])
            case "NotStatement":
                return not _matches(content["Statement"], context, labels)
            case "LabelMatchStatement":
                return content["Scope"] == "LABEL" and content["Key"] in labels
            case "RegexMatchStatement" if "UriPath" in content["FieldToMatch"]:
                return re.search(content["RegexString"], context.path_as_called()) is not None
    return False
