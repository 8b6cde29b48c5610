"""Condition elements, operator by operator, as IAM's guide describes them."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.iam.conditions import Context, parse_conditions
from emulator.iam.patterns import PolicyError

CONTEXT = Context(
    {
        "aws:PrincipalArn": "arn:aws:iam::111122223333:role/path/image-api",
        "aws:SecureTransport": "true",
        "aws:CurrentTime": "2026-11-26T12:00:00+00:00",
        "aws:PrincipalTag/team": "imaging",
        "cloudwatch:namespace": "AWS/SageMaker",
        "dynamodb:Attributes": ("id", "status"),
        "s3:max-keys": "10",
        "vpc:address": "10.0.3.7",
        "empty": (),
    },
    absent=("s3:prefix", "aws:RequestTag/"),
)


def holds(operator: str, key: str, values: Any, context: Context = CONTEXT) -> bool:
    return all(condition.holds(context) for condition in parse_conditions({operator: {key: values}}))


@pytest.mark.parametrize(
    ("operator", "key", "values", "expected"),
    [
        ("StringEquals", "cloudwatch:namespace", "AWS/SageMaker", True),
        ("StringEquals", "CloudWatch:Namespace", ["other", "AWS/SageMaker"], True),
        ("StringEquals", "cloudwatch:namespace", "aws/sagemaker", False),
        ("StringEquals", "cloudwatch:namespace", "AWS/*", False),
        ("StringEquals", "aws:PrincipalTag/team", "imaging", True),
        ("StringNotEquals", "cloudwatch:namespace", ["a", "b"], True),
        ("StringNotEquals", "cloudwatch:namespace", ["a", "AWS/SageMaker"], False),
        ("StringEqualsIgnoreCase", "cloudwatch:namespace", "aws/sagemaker", True),
        ("StringNotEqualsIgnoreCase", "cloudwatch:namespace", "aws/sagemaker", False),
        ("StringLike", "cloudwatch:namespace", "AWS/*", True),
        ("StringLike", "cloudwatch:namespace", "AWS/SageMake?", True),
        ("StringLike", "cloudwatch:namespace", "?", False),
        ("StringNotLike", "cloudwatch:namespace", "AWS/*", False),
        ("NumericEquals", "s3:max-keys", 10, True),
        ("NumericNotEquals", "s3:max-keys", "10.0", False),
        ("NumericLessThan", "s3:max-keys", "10", False),
        ("NumericLessThanEquals", "s3:max-keys", "10", True),
        ("NumericGreaterThan", "s3:max-keys", 9, True),
        ("NumericGreaterThanEquals", "s3:max-keys", 11, False),
        ("DateLessThan", "aws:CurrentTime", "2026-12-01T00:00:00Z", True),
        ("DateLessThanEquals", "aws:CurrentTime", "2026-11-26T12:00:00Z", True),
        ("DateGreaterThan", "aws:CurrentTime", "2026-11-26T12:00:00Z", False),
        ("DateGreaterThanEquals", "aws:CurrentTime", "1795694400", True),
        ("DateEquals", "aws:CurrentTime", "2026-11-26T13:00:00+01:00", True),
        ("DateNotEquals", "aws:CurrentTime", "2026-11-26", True),
        ("Bool", "aws:SecureTransport", True, True),
        ("Bool", "aws:SecureTransport", "false", False),
        ("IpAddress", "vpc:address", ["192.168.0.0/16", "10.0.0.0/16"], True),
        ("NotIpAddress", "vpc:address", "10.0.0.0/16", False),
        ("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::111122223333:role/path/*", True),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/*", True),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:*", False),
        ("ArnNotEquals", "aws:PrincipalArn", "arn:aws:iam::111122223333:role/other", True),
        ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:role/*", False),
        ("Null", "s3:prefix", "true", True),
        ("Null", "s3:prefix", False, False),
        ("Null", "s3:max-keys", "false", True),
    ],
)
def test_an_operator_compares_as_iam_does(operator: str, key: str, values: Any, expected: bool) -> None:
    assert holds(operator, key, values) is expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("StringEquals", False),
        ("StringLike", False),
        ("NumericLessThan", False),
        ("Bool", False),
        ("StringNotEquals", True),
        ("StringNotLike", True),
        ("ArnNotLike", True),
        ("StringEqualsIfExists", True),
        ("NumericLessThanIfExists", True),
        ("ForAnyValue:StringEquals", False),
        ("ForAnyValue:StringNotEquals", False),
        ("ForAllValues:StringEquals", True),
    ],
)
def test_a_key_that_the_request_has_not_fails_unless_negated_or_if_exists(operator: str, expected: bool) -> None:
    assert holds(operator, "s3:prefix", "5") is expected


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("ForAllValues:StringEquals", ["id", "status", "data"], True),
        ("ForAllValues:StringEquals", ["id"], False),
        ("ForAnyValue:StringEquals", ["id"], True),
        ("ForAnyValue:StringLike", ["da*"], False),
        ("ForAllValues:StringNotEquals", ["data"], True),
        ("ForAllValues:StringNotEquals", ["id"], False),
        ("ForAnyValue:StringNotEquals", ["id"], True),
    ],
)
def test_a_set_operator_looks_at_every_value(operator: str, values: list[str], expected: bool) -> None:
    assert holds(operator, "dynamodb:Attributes", values) is expected


def test_no_values_at_all_satisfy_for_all_values_alone() -> None:
    assert holds("ForAllValues:StringEquals", "empty", "a")
    assert not holds("ForAnyValue:StringEquals", "empty", "a")


def test_several_operators_and_keys_must_all_hold() -> None:
    conditions = {
        "StringEquals": {"cloudwatch:namespace": "AWS/SageMaker", "aws:PrincipalTag/team": "imaging"},
        "Bool": {"aws:SecureTransport": "false"},
    }

    assert [condition.holds(CONTEXT) for condition in parse_conditions(conditions)] == [True, True, False]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${aws:PrincipalTag/team}", True),
        ("${aws:RequestTag/team, 'imaging'}", True),
        ("${aws:RequestTag/team}", False),
        ("imagin${*}", False),
    ],
)
def test_policy_variables_have_the_requests_values(value: str, expected: bool) -> None:
    assert holds("StringLike", "aws:PrincipalTag/team", value) is expected
    assert holds("StringEquals", "aws:PrincipalTag/team", value) is expected


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"StringMatches": {"s3:prefix": "a"}}, "condition operator 'StringMatches' is not known: allowed are "),
        ({"BinaryEquals": {"s3:prefix": "a"}}, "condition operator 'BinaryEquals' is not known"),
        ({"NullIfExists": {"s3:prefix": "true"}}, "condition operator 'NullIfExists' is not known"),
        ({"ForSome:StringEquals": {"s3:prefix": "a"}}, "condition set operator 'ForSome' is not known"),
        ({"Null": {"s3:prefix": "maybe"}}, "condition Null on 's3:prefix' must have one value, true or false"),
        ({"Bool": "true"}, "condition operator Bool must have an object of keys, not 'true'"),
        ({"Bool": {"s3:prefix": {"a": 1}}}, "a condition's value must be a string, a number or a boolean"),
        ("Bool", "Condition must be an object, not 'Bool'"),
    ],
)
def test_what_is_no_condition_is_an_error(condition: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        list(parse_conditions(condition))


@pytest.mark.parametrize(
    ("operator", "key", "value", "message"),
    [
        ("StringEquals", "aws:SourceVpce", "vpce-1", "condition key 'aws:SourceVpce' is not emulated for this request"),
        ("StringNotEquals", "aws:SourceVpce", "vpce-1", "condition key 'aws:SourceVpce' is not emulated"),
        ("StringEqualsIfExists", "aws:SourceVpce", "vpce-1", "condition key 'aws:SourceVpce' is not emulated"),
        ("Null", "aws:SourceVpce", "true", "condition key 'aws:SourceVpce' is not emulated"),
        ("StringEquals", "dynamodb:Attributes", "id", "'dynamodb:Attributes' is multivalued: use ForAnyValue"),
        ("NumericEquals", "cloudwatch:namespace", "1", "condition NumericEquals on 'cloudwatch:namespace': could not"),
        ("StringLike", "aws:PrincipalTag/team", "${aws:SourceVpce}", "condition key 'aws:SourceVpce' is not emulated"),
        ("StringLike", "aws:PrincipalTag/team", "${dynamodb:Attributes}", "names a multivalued condition key"),
    ],
)
def test_what_cannot_be_told_of_a_request_is_an_error_whatever_the_operator(
    operator: str, key: str, value: str, message: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        holds(operator, key, value)

    assert message in str(caught.value)
