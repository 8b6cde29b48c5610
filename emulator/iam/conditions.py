"""The condition keys of a request, and the conditions of policies on them: operators, set operators, IfExists, Null.

Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Set operators for multivalued context
keys".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from emulator.iam.patterns import Lookup, PolicyError, filled, matches, matches_arn

Value = str | tuple[str, ...]
"""A condition key's value; a tuple where the key is multivalued."""


class Context:
    """Condition keys by name, in any case. What is neither here nor `absent` is an error, never a silent answer.

    A name in `absent` that ends in `/` or `:` stands for every key that begins with it.
    """

    def __init__(self, values: Mapping[str, Value], absent: Iterable[str] = ()) -> None:
        self._values = {key.lower(): value for key, value in values.items()}
        self._absent = frozenset(key.lower() for key in absent)
        self._prefixes = tuple(key for key in self._absent if key.endswith(("/", ":")))

    def get(self, key: str) -> Value | None:
        """The value of a key, None where the request has none; raises PolicyError for a key that is not emulated."""
        name = key.lower()
        value = self._values.get(name)
        if value is None and name not in self._absent and not name.startswith(self._prefixes):
            raise PolicyError(
                f"condition key {key!r} is not emulated for this request: it knows {sorted(self._values)}, and that "
                f"there is no {sorted(self._absent)}"
            )
        return value

    def single(self, key: str) -> str | None:
        """The value of a key for a policy variable, which takes no multivalued ones."""
        value = self.get(key)
        if isinstance(value, tuple):
            raise PolicyError(f"policy variable ${{{key}}} names a multivalued condition key")
        return value


_SET_OPERATORS = ("ForAllValues", "ForAnyValue")
Comparison = Callable[[str, str, Lookup], bool]


@dataclass(frozen=True)
class Condition:
    """One operator on one key. Several values are alternatives; of a negated operator, none of them may hold."""

    key: str
    values: tuple[str, ...]
    operator: str
    set_operator: str | None
    if_exists: bool

    def holds(self, context: Context) -> bool:
        """Whether a request meets it; raises PolicyError for a key that is not emulated and values of a wrong kind."""
        actual = context.get(self.key)
        if self.operator == "Null":
            return (actual is None) == (self.values[0].lower() == "true")
        if actual is None:
            return self.if_exists or self._negated() or self.set_operator == "ForAllValues"
        if self.set_operator is None and isinstance(actual, tuple):
            raise PolicyError(f"condition key {self.key!r} is multivalued: use ForAnyValue or ForAllValues")
        each = [self._fits(one, context.single) for one in ([actual] if isinstance(actual, str) else actual)]
        return all(each) if self.set_operator == "ForAllValues" else any(each)

    def _negated(self) -> bool:
        # A key that is missing is not equal to anything. With ForAnyValue there must be a value all the same.
        return self.operator in _NEGATIONS and self.set_operator is None

    def _fits(self, actual: str, lookup: Lookup) -> bool:
        negated_of = _NEGATIONS.get(self.operator)
        compare = _COMPARISONS[negated_of or self.operator]
        try:
            found = any(compare(actual, expected, lookup) for expected in self.values)
        except ValueError as exc:
            raise PolicyError(f"condition {self.operator} on {self.key!r}: {exc}") from exc
        return found != (negated_of is not None)


def parse_conditions(element: object) -> Iterator[Condition]:
    """The conditions of a statement's Condition element; raises PolicyError for anything else."""
    if not isinstance(element, Mapping):
        raise PolicyError(f"Condition must be an object, not {element!r}")
    for operator, keys in element.items():
        set_operator, if_exists, name = _operator(str(operator))
        if not isinstance(keys, Mapping):
            raise PolicyError(f"condition operator {operator} must have an object of keys, not {keys!r}")
        for key, values in keys.items():
            listed = tuple(_text(value) for value in (values if isinstance(values, list) else [values]))
            if name == "Null" and (len(listed) != 1 or listed[0].lower() not in {"true", "false"}):
                raise PolicyError(f"condition Null on {key!r} must have one value, true or false, not {values!r}")
            yield Condition(str(key), listed, name, set_operator, if_exists)


def _operator(written: str) -> tuple[str | None, bool, str]:
    set_operator, colon, name = written.rpartition(":")
    if colon and set_operator not in _SET_OPERATORS:
        allowed = ", ".join(_SET_OPERATORS)
        raise PolicyError(f"condition set operator {set_operator!r} is not known: allowed are {allowed}")
    base = name.removesuffix("IfExists")
    if base not in OPERATORS or (base == "Null" and base != written):
        raise PolicyError(f"condition operator {written!r} is not known: allowed are {', '.join(OPERATORS)}")
    return set_operator or None, name != base, base


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise PolicyError(f"a condition's value must be a string, a number or a boolean, not {value!r}")


def _moment(text: str) -> float:
    """Seconds since 1970 of a date in ISO 8601, or of a number of seconds."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _in_network(actual: str, expected: str, _: Lookup) -> bool:
    return ipaddress.ip_address(actual) in ipaddress.ip_network(expected, strict=False)


def _equal(actual: str, expected: str, lookup: Lookup) -> bool:
    return actual == filled(expected, lookup)


def _equal_in_any_case(actual: str, expected: str, lookup: Lookup) -> bool:
    value = filled(expected, lookup)
    return value is not None and actual.lower() == value.lower()


_COMPARISONS: dict[str, Comparison] = {
    "StringEquals": _equal,
    "StringEqualsIgnoreCase": _equal_in_any_case,
    "StringLike": lambda actual, expected, lookup: matches(expected, actual, lookup),
    "NumericEquals": lambda actual, expected, _: float(actual) == float(expected),
    "NumericLessThan": lambda actual, expected, _: float(actual) < float(expected),
    "NumericLessThanEquals": lambda actual, expected, _: float(actual) <= float(expected),
    "NumericGreaterThan": lambda actual, expected, _: float(actual) > float(expected),
    "NumericGreaterThanEquals": lambda actual, expected, _: float(actual) >= float(expected),
    "DateEquals": lambda actual, expected, _: _moment(actual) == _moment(expected),
    "DateLessThan": lambda actual, expected, _: _moment(actual) < _moment(expected),
    "DateLessThanEquals": lambda actual, expected, _: _moment(actual) <= _moment(expected),
    "DateGreaterThan": lambda actual, expected, _: _moment(actual) > _moment(expected),
    "DateGreaterThanEquals": lambda actual, expected, _: _moment(actual) >= _moment(expected),
    "Bool": lambda actual, expected, _: actual.lower() == expected.lower(),
    "IpAddress": _in_network,
    # ArnEquals takes wildcards as ArnLike does.
    "ArnEquals": lambda actual, expected, lookup: matches_arn(expected, actual, lookup),
    "ArnLike": lambda actual, expected, lookup: matches_arn(expected, actual, lookup),
}
_NEGATIONS = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}
OPERATORS = (*_COMPARISONS, *_NEGATIONS, "Null")
"""Every operator that is emulated. BinaryEquals is not: no request here has a binary key."""
