"""Values of a template: intrinsic functions, conditions, rules and dynamic references, evaluated for one stack."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from emulator.cloudformation.errors import ValidationError
from emulator.cloudformation.template import SUBSTITUTION, Template

AVAILABILITY_ZONE_SUFFIXES = ("a", "b", "c")
KNOWN_AFTER_APPLY = "{{changeSet:KNOWN_AFTER_APPLY}}"
"""What AWS shows in a change set for a value that only the deployment will know."""

_DYNAMIC_REFERENCE = re.compile(r"\{\{resolve:(?P<service>[a-z-]+):(?P<name>[^{}:]+)(?::(?P<version>\d+))?\}\}")


class _NoValue:
    """The value of AWS::NoValue: the property that has it is left out."""


NO_VALUE = _NoValue()


class ValueSource(Protocol):
    """What a template's values refer to outside the template itself."""

    def reference(self, logical_id: str) -> Any:
        """The value of Ref for a resource."""

    def attribute(self, logical_id: str, name: str) -> Any:
        """The value of Fn::GetAtt for a resource."""

    def imported(self, export_name: str) -> str:
        """The value that another stack exports."""

    def ssm_parameter(self, name: str, version: str | None) -> str:
        """The value of an SSM parameter."""


class Evaluator:
    """Evaluates one template with given parameters."""

    def __init__(
        self,
        template: Template,
        *,
        parameters: Mapping[str, Any],
        pseudo_parameters: Mapping[str, Any],
        stack_values: ValueSource,
    ) -> None:
        self._template = template
        self._names = {**pseudo_parameters, **parameters}
        self._stack_values = stack_values
        self._conditions: dict[str, bool] = {}
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::FindInMap": self._find_in_map,
            "Fn::If": self._if,
            "Fn::ImportValue": lambda argument: self._stack_values.imported(self.value(argument)),
            "Fn::Base64": lambda argument: base64.b64encode(self.value(argument).encode()).decode(),
            "Fn::GetAZs": self._get_azs,
            "Fn::ToJsonString": lambda argument: json.dumps(self.value(argument), separators=(",", ":")),
            "Fn::Length": lambda argument: len(self.value(argument)),
            "Fn::Equals": lambda argument: self._equal(*argument),
            "Fn::And": lambda argument: all(self.truth(item) for item in argument),
            "Fn::Or": lambda argument: any(self.truth(item) for item in argument),
            "Fn::Not": lambda argument: not self.truth(argument[0]),
            "Fn::Contains": lambda argument: self.value(argument[1]) in self.value(argument[0]),
        }

    def value(self, node: Any) -> Any:
        """A node of the template with every function evaluated."""
        if isinstance(node, str):
            return _DYNAMIC_REFERENCE.sub(self._dynamic_reference, node)
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            name, argument = next(iter(node.items()))
            if name in self._functions:
                return self._functions[name](argument)
            if name.startswith("Fn::"):
                message = f"intrinsic function {name} is not emulated"
                raise ValidationError(message)
        evaluated = {key: self.value(value) for key, value in node.items()}
        return {key: value for key, value in evaluated.items() if value is not NO_VALUE}

    def condition(self, name: str) -> bool:
        """The truth of a named condition."""
        if name not in self._conditions:
            expressions = self._template.section("Conditions")
            if name not in expressions:
                message = f"Template format error: Unresolved condition dependency {name}"
                raise ValidationError(message)
            self._conditions[name] = self.truth(expressions[name])
        return self._conditions[name]

    def truth(self, node: Any) -> bool:
        """The truth of a condition expression."""
        if isinstance(node, dict) and set(node) == {"Condition"}:
            return self.condition(node["Condition"])
        value = self.value(node)
        return value if isinstance(value, bool) else str(value).lower() == "true"

    def active(self, logical_id: str) -> bool:
        """Whether a resource's condition lets it exist."""
        condition = self._template.resources[logical_id].condition
        return condition is None or self.condition(condition)

    def check_rules(self) -> None:
        """Raise ValidationError where an assertion of the template's Rules fails."""
        for name, rule in self._template.section("Rules").items():
            if "RuleCondition" in rule and not self.truth(rule["RuleCondition"]):
                continue
            for assertion in rule.get("Assertions", []):
                if not self.truth(assertion["Assert"]):
                    description = assertion.get("AssertDescription", "no description")
                    message = f"Template validation error: Rule {name} failed with error: {description}"
                    raise ValidationError(message)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        return self._names[name] if name in self._names else self._stack_values.reference(name)

    def _get_att(self, argument: Any) -> Any:
        logical_id, name = argument.split(".", 1) if isinstance(argument, str) else argument
        return self._stack_values.attribute(logical_id, self.value(name))

    def _sub(self, argument: Any) -> str:
        text, variables = (argument, {}) if isinstance(argument, str) else argument
        local = {name: self.value(value) for name, value in variables.items()}

        def replacement(match: re.Match[str]) -> str:
            name = match["name"]
            if match["literal"]:
                return f"${{{name}}}"
            if name in local:
                return str(local[name])
            return str(self._get_att(name) if "." in name else self._ref(name))

        return self.value(SUBSTITUTION.sub(replacement, text))  # type: ignore[no-any-return]

    def _join(self, argument: Any) -> str:
        delimiter, items = argument
        return str(delimiter).join(_text(item) for item in self.value(items))

    def _select(self, argument: Any) -> Any:
        index, items = int(self.value(argument[0])), self.value(argument[1])
        if isinstance(items, str) or KNOWN_AFTER_APPLY in items:
            return KNOWN_AFTER_APPLY
        if index >= len(items):
            message = f"Template error: Fn::Select cannot select nonexistent value at index {index}"
            raise ValidationError(message)
        return items[index]

    def _split(self, argument: Any) -> list[str]:
        delimiter, source = argument
        text = self.value(source)
        return [KNOWN_AFTER_APPLY] if KNOWN_AFTER_APPLY in text else text.split(delimiter)

    def _find_in_map(self, argument: Any) -> Any:
        map_name, top, second = (self.value(item) for item in argument[:3])
        try:
            return self._template.section("Mappings")[map_name][top][second]
        except KeyError as exc:
            if len(argument) > 3 and "DefaultValue" in argument[3]:
                return self.value(argument[3]["DefaultValue"])
            message = f"Template error: Unable to get mapping for {map_name}::{top}::{second}"
            raise ValidationError(message) from exc

    def _if(self, argument: Any) -> Any:
        name, when_true, when_false = argument
        return self.value(when_true if self.condition(name) else when_false)

    def _get_azs(self, argument: Any) -> list[str]:
        region = self.value(argument) or self._names["AWS::Region"]
        return [region + suffix for suffix in AVAILABILITY_ZONE_SUFFIXES]

    def _equal(self, left: Any, right: Any) -> bool:
        return _text(self.value(left)) == _text(self.value(right))

    def _dynamic_reference(self, match: re.Match[str]) -> str:
        if match["service"] != "ssm":
            message = f"dynamic reference {match.group()} is not emulated: only {{{{resolve:ssm:...}}}} is"
            raise ValidationError(message)
        return self._stack_values.ssm_parameter(match["name"], match["version"])


def _text(value: Any) -> str:
    """A scalar as CloudFormation writes it into text."""
    return str(value).lower() if isinstance(value, bool) else str(value)
