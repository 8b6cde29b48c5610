"""The authorizer: which header the key is taken from, and what is refused before API Gateway looks it up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from image_api.authorizer import handler

KEY = "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3A"
OTHER = "Zz1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3A"
ARN = "arn:aws:execute-api:us-east-1:111122223333:abc/api/POST/v1/images/generations"


def authorize(**headers: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return handler({"type": "REQUEST", "methodArn": ARN, "headers": named}, None)


@pytest.mark.parametrize(
    "headers",
    [
        {"x_api_key": KEY},
        {"X_Api_Key": KEY},
        {"X_API_KEY": f" {KEY} "},
        {"Authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY}"},
        {"AUTHORIZATION": f"BEARER {KEY}"},
        {"Authorization": KEY},
        {"authorization": f" {KEY} "},
        {"x_api_key": KEY, "Authorization": f"Bearer {OTHER}"},
        {"x_api_key": "", "Authorization": f"Bearer {KEY}"},
        {"x_api_key": KEY, "Authorization": "Basic dXNlcjpwYXNz"},
    ],
)
def test_key_of_either_header_is_handed_to_the_gateway(headers: dict[str, str]) -> None:
    answer = authorize(**headers)

    assert answer["usageIdentifierKey"] == KEY
    assert answer["policyDocument"]["Statement"] == [
        {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": ARN}
    ]


def test_principal_names_the_key_without_giving_it_away() -> None:
    first, second = authorize(x_api_key=KEY), authorize(x_api_key=OTHER)

    assert first["principalId"] != second["principalId"]
    assert KEY[:8] not in first["principalId"]
    assert set(first) == {"principalId", "policyDocument", "usageIdentifierKey"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_api_key": "   "},
        {"x_api_key": "short"},
        {"x_api_key": KEY * 4},
        {"x_api_key": f"{KEY} {KEY}"},
        {"x_api_key": f"{KEY}\u00e4"},
        {"x_api_key": f"{KEY}\n"[::-1] + '"'},
        {"Authorization": "Bearer"},
        {"Authorization": f"{KEY},{KEY}"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": f"Bearer {KEY},{KEY}"},
        {"Cookie": KEY},
    ],
)
def test_request_without_a_key_is_unauthorized(headers: dict[str, str]) -> None:
    # The very word, and nothing else: it is how API Gateway is told to answer 401.
    with pytest.raises(Exception, match=r"\AUnauthorized\Z"):
        authorize(**headers)


def test_event_without_headers_is_unauthorized() -> None:
    with pytest.raises(Exception, match=r"\AUnauthorized\Z"):
        handler({"methodArn": ARN, "headers": None}, None)


def test_it_imports_nothing_that_takes_time() -> None:
    root = Path(__file__).resolve().parents[3] / "lambda"
    program = "import sys, image_api.authorizer; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=True
    )

    assert not {"boto3", "botocore", "aws_lambda_powertools", "msgspec", "json", "asyncio"} & set(done.stdout.split())
