"""What state an alarm is in, by the metrics that were published; evaluated when a request needs it.

Periods are as much shorter here as waits are (`clock`). Metric math is evaluated for what the stacks use: sums,
differences, products and quotients of metrics and numbers, `FILL(m, number)`, `MAX([..])`, `MIN([..])`, `SUM([..])` and
`IF(condition, then, otherwise)`. A composite alarm's rule may use `ALARM`, `OK` and `INSUFFICIENT_DATA`, joined by
`AND`, `OR` and `NOT`.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend, cloudwatch_backends

from emulator.monitoring import clock
from emulator.monitoring.clock import seconds_here
from emulator.monitoring.metrics import MetricKey, statistic, values_between

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_BINARY: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: left / right if right else float("nan"),
}
_COMPARE: dict[type, Callable[[float, float], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
}
_AGGREGATES: dict[str, Callable[[list[float]], float]] = {"MAX": max, "MIN": min, "SUM": sum}


class UnsupportedExpressionError(ValueError):
    """Metric math, or an alarm rule, of a kind that is not emulated."""


def in_alarm(account: str, region: str, names: list[str]) -> list[str]:
    """Which of the named alarms are in the state ALARM now; a name without an alarm is in none."""
    backend = cloudwatch_backends[account][region]
    return [name for name in names if name in backend.alarms and evaluate(backend, backend.alarms[name]) == "ALARM"]


def evaluate_all(backend: CloudWatchBackend) -> None:
    """Bring every alarm's state up to date."""
    for alarm in list(backend.alarms.values()):
        evaluate(backend, alarm)


def evaluate(backend: CloudWatchBackend, alarm: Alarm, now: datetime | None = None) -> str:
    """The alarm's state, which it is brought to."""
    state = _composite_state(backend, alarm.rule) if alarm.rule else _metric_state(backend, alarm, now or clock.now())
    if state != alarm.state_value:
        alarm.update_state(f"Evaluated by the emulator: {state}", "{}", state)
    return state


def _metric_state(backend: CloudWatchBackend, alarm: Alarm, now: datetime) -> str:
    breaches, found = [], 0
    missing = alarm.treat_missing_data or "missing"
    for number in range(int(alarm.evaluation_periods)):
        value = value_of(backend, alarm, now, number)
        if value is None:
            if missing in {"breaching", "notBreaching"}:
                breaches.append(missing == "breaching")
            continue
        found += 1
        breaches.append(_COMPARISONS[alarm.comparison_operator](value, float(alarm.threshold)))
    if not found and missing == "ignore":
        return str(alarm.state_value)
    if not breaches:
        return "INSUFFICIENT_DATA"
    wanted = int(alarm.datapoints_to_alarm or alarm.evaluation_periods)
    return "ALARM" if sum(breaches) >= wanted else "OK"


def value_of(backend: CloudWatchBackend, alarm: Alarm, now: datetime, number: int = 0) -> float | None:
    """The value of the alarm's metric, or metric math, in the period that ended `number` periods ago."""
    if not alarm.metric_data_queries:
        metric = MetricKey(alarm.namespace, alarm.metric_name, {item.name: item.value for item in alarm.dimensions})
        start, end = _period(now, int(alarm.period), number)
        wanted = str(alarm.extended_statistic or alarm.statistic)
        return statistic(values_between(backend, metric, start, end), wanted)
    expression, inputs = "", {}
    for query in alarm.metric_data_queries:
        if query.metric_stat is None:
            expression = str(query.expression)
            continue
        found = query.metric_stat.metric
        metric = MetricKey(found.namespace, found.metric_name, {item.name: item.value for item in found.dimensions})
        start, end = _period(now, int(query.metric_stat.period), number)
        inputs[query.id] = statistic(values_between(backend, metric, start, end), query.metric_stat.stat)
    return calculate(expression, inputs)


def _period(now: datetime, period_seconds: int, number: int) -> tuple[datetime, datetime]:
    length = timedelta(seconds=seconds_here(period_seconds))
    end = now - number * length
    return end - length, end


def calculate(expression: str, inputs: Mapping[str, float | None]) -> float | None:
    """The value of a metric math expression; None where data is missing that it does not fill.

    Raises UnsupportedExpressionError for what is not emulated.
    """
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError as exc:
        raise UnsupportedExpressionError(f"metric math {expression!r} cannot be read") from exc
    value = _node(tree, inputs, expression)
    return None if value is None or value != value else value  # noqa: PLR0124 - a quotient by zero is no data


def _node(node: ast.expr, inputs: Mapping[str, float | None], expression: str) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in inputs:
            return inputs[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            values = (_node(left, inputs, expression), _node(right, inputs, expression))
            return None if None in values else _BINARY[type(op)](*values)  # type: ignore[arg-type]
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            values = (_node(left, inputs, expression), _node(right, inputs, expression))
            return None if None in values else float(_COMPARE[type(op)](*values))  # type: ignore[arg-type]
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _call(name, arguments, inputs, expression)
    raise UnsupportedExpressionError(f"metric math {expression!r} is not emulated: {ast.unparse(node)}")


def _call(name: str, arguments: list[ast.expr], inputs: Mapping[str, float | None], expression: str) -> float | None:
    match name, arguments:
        case "FILL", [inner, ast.Constant(value=int() | float() as number)]:
            value = _node(inner, inputs, expression)
            return float(number) if value is None else value
        case (("MAX" | "MIN" | "SUM"), [ast.List(elts=items)]):
            values = [value for item in items if (value := _node(item, inputs, expression)) is not None]
            return _AGGREGATES[name](values) if values else None
        case "IF", [condition, then, otherwise]:
            return _node(then if _node(condition, inputs, expression) else otherwise, inputs, expression)
    raise UnsupportedExpressionError(f"metric math {expression!r} is not emulated: {name}")


_RULE_TERM = re.compile(r'\b(ALARM|OK|INSUFFICIENT_DATA)\(\s*"?([^")]+?)"?\s*\)')


def alarms_of_rule(rule: str) -> list[str]:
    """Names of the alarms in a composite alarm's rule, which may give their ARNs."""
    return [match[2].rpartition(":alarm:")[2] for match in _RULE_TERM.finditer(rule)]


def _composite_state(backend: CloudWatchBackend, rule: str) -> str:
    def term(match: re.Match[str]) -> str:
        alarm = backend.alarms.get(match[2].rpartition(":alarm:")[2])
        return str(alarm is not None and evaluate(backend, alarm) == match[1])

    words = _RULE_TERM.sub(term, rule)
    for word, python in (("AND", "and"), ("OR", "or"), ("NOT", "not"), ("TRUE", "True"), ("FALSE", "False")):
        words = re.sub(rf"\b{word}\b", python, words)
    return "ALARM" if _truth(words, rule) else "OK"


def _truth(words: str, rule: str) -> bool:
    def value(node: ast.expr) -> bool:
        match node:
            case ast.Constant(value=bool() as known):
                return known
            case ast.BoolOp(op=ast.And(), values=parts):
                return all(value(part) for part in parts)
            case ast.BoolOp(op=ast.Or(), values=parts):
                return any(value(part) for part in parts)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return not value(part)
        raise UnsupportedExpressionError(f"the alarm rule {rule!r} is not emulated: {ast.unparse(node)}")

    try:
        tree: Any = ast.parse(words.strip().replace("\n", " "), mode="eval")
    except SyntaxError as exc:
        raise UnsupportedExpressionError(f"the alarm rule {rule!r} cannot be read") from exc
    return value(tree.body)
