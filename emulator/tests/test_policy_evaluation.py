"""Policies against calls: what is allowed, by which statement, and why not, in AWS's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.iam.conditions import Context
from emulator.iam.evaluation import Caller, Decision, NamedPolicy, ResourcePolicy, evaluate, trusts
from emulator.iam.patterns import PolicyError

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/image-api"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/image-api/fn"
IMAGE = "arn:aws:s3:::images/generated/a.png"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
CONTEXT = Context(
    {"aws:SecureTransport": "true", "aws:userid": "AROA:fn", "kms:ViaService": "s3.us-east-1.amazonaws.com"}
)


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any = "s3:GetObject", resource: Any = IMAGE, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = "s3:GetObject", resource: Any = IMAGE, **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def without(statement: dict[str, Any], *elements: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in statement.items() if key not in elements} | more


def decide(
    *statements: dict[str, Any],
    action: str = "s3:GetObject",
    resource: str = IMAGE,
    boundary: tuple[dict[str, Any], ...] | None = None,
    own: ResourcePolicy | None = None,
) -> Decision:
    caller = Caller(
        account=ACCOUNT,
        role_arn=ROLE,
        session_arn=SESSION,
        policies=(NamedPolicy("permissions", policy(*statements)),),
        boundary=None if boundary is None else NamedPolicy("boundary", policy(*boundary)),
    )
    return evaluate(caller, action, resource, CONTEXT, own)


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        (allow(), True),
        (allow("S3:getobject"), True),
        (allow("s3:Get*"), True),
        (allow("s3:GetObjec?"), True),
        (allow("*"), True),
        (allow("s3:GetObjectVersion"), False),
        (allow("s3:GetObject?"), False),
        (allow(["s3:PutObject", "s3:GetObject"]), True),
        (allow(resource="*"), True),
        (allow(resource="arn:aws:s3:::images/generated/*"), True),
        (allow(resource="arn:aws:s3:::images/generated/?.png"), True),
        (allow(resource="arn:aws:s3:::images"), False),
        (allow(resource="arn:aws:s3:::IMAGES/generated/*"), False),
        (allow(resource="arn:aws:*:*:*:images/generated/a.png"), True),
        (allow(resource=f"arn:aws:s3::{ACCOUNT}:images/*"), False),
        (allow(resource=["arn:aws:s3:::other/*", "arn:aws:s3:::images/*"]), True),
        (without(allow(), "Action", NotAction="s3:Put*"), True),
        (without(allow(), "Action", NotAction=["s3:Put*", "s3:Get*"]), False),
        (without(allow(), "Resource", NotResource="arn:aws:s3:::other/*"), True),
        (without(allow(), "Resource", NotResource="arn:aws:s3:::images/*"), False),
        (allow(Condition={"Bool": {"aws:SecureTransport": "true"}}), True),
        (allow(Condition={"Bool": {"aws:SecureTransport": "false"}}), False),
        (allow(resource="arn:aws:s3:::images/generated/${aws:userid}"), False),
    ],
)
def test_an_allow_must_name_action_resource_and_a_condition_that_holds(
    statement: dict[str, Any], allowed: bool
) -> None:
    decision = decide(statement)

    assert decision.allowed is allowed
    assert (decision.by is not None) is allowed
    if not allowed:
        assert decision.reason == "because no identity-based policy allows the s3:GetObject action"


def test_a_decision_names_the_statement_and_the_patterns_that_allowed_it() -> None:
    decision = decide(allow("s3:PutObject"), allow(["s3:List*", "s3:Get*"], ["arn:aws:s3:::images/*"], Sid="Read"))

    assert decision.by is not None
    assert (decision.by.policy, decision.by.statement.name) == ("permissions", "Read")
    assert (decision.by.action, decision.by.resource) == ("s3:Get*", "arn:aws:s3:::images/*")


def test_no_part_of_an_arn_before_the_name_is_matched_over_its_colon() -> None:
    stream = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/fn:log-stream:1"

    def allowed(pattern: str) -> bool:
        return decide(allow("logs:*", pattern), action="logs:PutLogEvents", resource=stream).allowed

    assert allowed("arn:aws:logs:*:*:log-group:/fn:*")
    assert not allowed("arn:aws:logs:*:log-group:/fn:log-stream:1")


def test_a_value_of_a_policy_variable_is_plain_text() -> None:
    statement = allow(resource="arn:aws:s3:::images/${aws:userid}/*")

    assert decide(statement, resource="arn:aws:s3:::images/AROA:fn/a.png").allowed
    assert not decide(statement, resource="arn:aws:s3:::images/AROA:fx/a.png").allowed


def test_an_action_without_a_resource_level_is_allowed_on_everything_alone() -> None:
    assert decide(allow("xray:*", "*"), action="xray:PutTraceSegments", resource="*").allowed
    assert not decide(allow("xray:*", "arn:aws:xray:*:*:group/*"), action="xray:PutTraceSegments", resource="*").allowed


@pytest.mark.parametrize(
    ("statements", "boundary", "reason"),
    [
        ([allow(), deny()], None, "with an explicit deny in an identity-based policy"),
        ([deny("s3:*", "*"), allow()], None, "with an explicit deny in an identity-based policy"),
        (
            [allow(), without(deny(), "Action", NotAction="kms:*")],
            None,
            "with an explicit deny in an identity-based policy",
        ),
        ([allow()], (allow("kms:*", "*"),), "because no permissions boundary allows the s3:GetObject action"),
        ([allow()], (allow("*", "*"), deny()), "with an explicit deny in a permissions boundary"),
        ([allow("kms:*", "*")], (allow("*", "*"),), "because no identity-based policy allows the s3:GetObject action"),
    ],
)
def test_a_refusal_says_why(
    statements: list[dict[str, Any]], boundary: tuple[dict[str, Any], ...] | None, reason: str
) -> None:
    decision = decide(*statements, boundary=boundary)

    assert not decision.allowed
    assert decision.reason == reason


def test_a_boundary_grants_nothing_and_lets_through_what_both_allow() -> None:
    assert decide(allow(), boundary=(allow("s3:*", "*"),)).allowed


def test_a_deny_whose_condition_fails_does_not_apply() -> None:
    tls_only = deny("s3:*", "*", Condition={"Bool": {"aws:SecureTransport": "false"}})

    assert decide(allow(), tls_only).allowed


@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        ({"AWS": ROLE}, True),
        ({"AWS": [SESSION]}, True),
        ({"AWS": "*"}, True),
        ("*", True),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, False),
        ({"AWS": ACCOUNT}, False),
        ({"AWS": "arn:aws:iam::111122223333:role/other"}, False),
        ({"Service": "logging.s3.amazonaws.com"}, False),
    ],
)
def test_a_resource_can_grant_to_a_principal_but_leaves_an_account_to_its_own_policies(
    principal: Any, allowed: bool
) -> None:
    own = ResourcePolicy("bucket", policy(allow(Principal=principal)))

    assert decide(allow("kms:*", "*"), own=own).allowed is allowed


def test_what_is_granted_to_a_session_passes_the_boundary_and_what_is_granted_to_a_role_does_not() -> None:
    boundary = (allow("kms:*", "*"),)

    to_session = decide(own=ResourcePolicy("bucket", policy(allow(Principal={"AWS": SESSION}))), boundary=boundary)
    to_role = decide(own=ResourcePolicy("bucket", policy(allow(Principal={"AWS": ROLE}))), boundary=boundary)

    assert to_session.allowed
    assert to_role.reason == "because no permissions boundary allows the s3:GetObject action"


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ROLE}, {"AWS": SESSION}, {"AWS": ACCOUNT}])
def test_a_resources_deny_wins_over_every_allow(principal: Any) -> None:
    own = ResourcePolicy("bucket", policy(deny(Principal=principal), allow(Principal="*")))

    assert decide(allow(), own=own).reason == "with an explicit deny in a resource-based policy"


@pytest.mark.parametrize(
    ("key_statement", "statements", "reason"),
    [
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, [allow("kms:Decrypt", KEY)], ""),
        (
            {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            [],
            "because no identity-based policy allows the kms:Decrypt action",
        ),
        ({"AWS": ROLE}, [], ""),
        (
            {"AWS": "arn:aws:iam::111122223333:role/admin"},
            [allow("kms:*", "*")],
            "because no resource-based policy allows the kms:Decrypt action",
        ),
    ],
)
def test_a_keys_policy_must_grant_itself_or_leave_it_to_the_account(
    key_statement: Any, statements: list[dict[str, Any]], reason: str
) -> None:
    own = ResourcePolicy("key", policy(allow("kms:*", "*", Principal=key_statement)), decisive=True)
    always = allow("logs:PutLogEvents", "*")

    decision = decide(always, *statements, action="kms:Decrypt", resource=KEY, own=own)

    assert (decision.allowed, decision.reason) == (not reason, reason)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "permissions: the policy is not JSON: "),
        ("[]", "permissions: the policy is not an object with a Statement"),
        (json.dumps({"Statement": [], "Rules": 1}), r"permissions: the policy has unknown elements \['Rules'\]"),
        (json.dumps({"Version": "2026-01-01", "Statement": []}), "permissions: the policy has Version '2026-01-01'"),
        (
            json.dumps({"Statement": allow(resource="arn:aws:s3:::images/${aws:userid}")}),
            "permissions: the policy has policy variables, which are plain text without Version 2012-10-17",
        ),
        (policy(allow("GetObject")), "statement #1 has action 'GetObject': it must be \\* or <service>:<action>"),
        (policy(without(allow(), "Effect")), "permissions: statement #1 has Effect None: allowed are Allow and Deny"),
        (policy(without(allow(), "Action")), "statement #1 must have either Action or NotAction, and has neither"),
        (policy(allow(NotResource="*")), "statement #1 must have either Resource or NotResource, and has both"),
        (policy(allow(Sid="Read", Principal="*")), r"statement Read has elements \['Principal'\], which do not belong"),
        (policy(allow(resource="images/*")), "resource 'images/\\*' is neither \\* nor an ARN"),
        (policy(allow(resource=[])), r"statement #1 has \[\] where a string or a list of strings must be"),
        (policy(allow(Condition={"Like": {"a": "b"}})), "condition operator 'Like' is not known"),
        (policy(allow(Condition={"Bool": {"aws:SourceVpc": "b"}})), "condition key 'aws:SourceVpc' is not emulated"),
    ],
)
def test_a_policy_that_is_not_understood_is_an_error(document: str, message: str) -> None:
    caller = Caller(ACCOUNT, ROLE, SESSION, (NamedPolicy("permissions", document),))

    with pytest.raises(PolicyError, match=message):
        evaluate(caller, "s3:GetObject", IMAGE, CONTEXT)


def test_an_exception_from_the_principals_is_not_emulated() -> None:
    own = ResourcePolicy("bucket", policy(deny(NotPrincipal={"AWS": ROLE})))

    with pytest.raises(PolicyError, match="bucket: statement #1 has NotPrincipal, which is not emulated"):
        decide(allow(), own=own)


@pytest.mark.parametrize(
    ("principal", "trusted"),
    [
        ({"Service": "lambda.amazonaws.com"}, True),
        ({"Service": ["edgelambda.amazonaws.com", "lambda.amazonaws.com"]}, True),
        ({"Service": "sagemaker.amazonaws.com"}, False),
        ("*", False),
    ],
)
def test_a_role_must_trust_the_service(principal: Any, trusted: bool) -> None:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}

    assert trusts(policy(statement), "lambda.amazonaws.com") is trusted
