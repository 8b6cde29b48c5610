"""A function that makes the calls it is told to, and the role that it runs under, to be changed between calls."""

from __future__ import annotations

import json
from typing import Any

from emulator_support import ACCOUNT, LAMBDA_TRUST, Clients, zipped

HANDLER = """
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

CONFIG = Config(signature_version="v4", retries={"total_max_attempts": 1})

def handler(event, context):
    service = event["service"]
    config = CONFIG if service != "s3" else CONFIG.merge(Config(signature_version="s3v4"))
    client = boto3.client(service, config=config)
    if event["operation"] == "presign":
        return client.generate_presigned_url("get_object", Params=event["parameters"])
    try:
        answer = getattr(client, event["operation"])(**event["parameters"])
    except ClientError as exc:
        answer = {**exc.response["Error"], "Status": exc.response["ResponseMetadata"]["HTTPStatusCode"]}
    return {key: value for key, value in answer.items() if isinstance(value, (str, int))}
"""
LOGS: dict[str, Any] = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}


class RoleOfFunction:
    """One function and its role, in the tests' account."""

    def __init__(self, client: Clients, name: str) -> None:
        self.name = name
        self._client = client
        self.session_arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{name}"
        role = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=LAMBDA_TRUST)["Role"]
        self.arn = str(role["Arn"])
        self.grant()
        client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=self.arn,
            Handler="app.handler",
            Code={"ZipFile": zipped({"app.py": HANDLER})},
            Timeout=20,
        )

    def grant(self, *statements: dict[str, Any], logs: bool = True) -> None:
        """Let the role do this, and write its log, and nothing else."""
        granted = [*([LOGS] if logs else []), *statements]
        if not granted:
            self._client("iam").delete_role_policy(RoleName=self.name, PolicyName="granted")
            return
        document = json.dumps({"Version": "2012-10-17", "Statement": granted})
        self._client("iam").put_role_policy(RoleName=self.name, PolicyName="granted", PolicyDocument=document)

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        """What a call answers, or its error's code, message and status."""
        event = {"service": service, "operation": operation, "parameters": parameters}
        # The tail of the log is there once the log itself is written.
        answer = self._client("lambda").invoke(FunctionName=self.name, Payload=json.dumps(event), LogType="Tail")
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def delete(self) -> None:
        """Delete the function, and the role as far as it is still there."""
        self._client("lambda").delete_function(FunctionName=self.name)


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """A statement that allows."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}
