"""The resource policy of an API that only VPC endpoints reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stacks.constructs.authorization import Authorization
from stacks.environment import API_STAGE


def private_policy(
    vpc_endpoint_ids: Sequence[str], authorization: Authorization, open_routes: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Refuse whatever comes another way; who may call is decided by `authorization`.

    With AWS identities the policy allows the open routes alone. An allowance here would count as the caller's own
    (API Gateway, "How API Gateway resource policies affect authorization workflow": in one account either is enough),
    so that everyone in the account could call everything.
    """
    allowed = ["execute-api:/*"]
    if authorization.mode == "iam":
        allowed = [f"execute-api:/{API_STAGE}/{method}{path}" for method, path in open_routes]
        allowed.append(f"execute-api:/{API_STAGE}/OPTIONS/*")
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": allowed},
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "execute-api:Invoke",
                "Resource": ["execute-api:/*"],
                "Condition": {"StringNotEquals": {"aws:SourceVpce": list(vpc_endpoint_ids)}},
            },
        ],
    }
