"""The environment variables of a worker process: Lambda's own, the function's, and no one else's."""

from __future__ import annotations

import os
from pathlib import Path

from emulator.client import aws_environment
from emulator.functions.definition import FunctionDefinition
from emulator.iam.sessions import FunctionSession

_CLIENT_VARIABLES = (
    *("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"),
    *("AWS_EC2_METADATA_DISABLED", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"),
)


def worker_environment(
    definition: FunctionDefinition,
    *,
    session: FunctionSession,
    aws_endpoint_url: str,
    runtime_api: str,
    task_root: Path,
    log_stream: str,
) -> dict[str, str]:
    """What the runtime and the function see. Nothing is inherited from the emulator's own environment but PATH.

    The credentials are those of the function's execution role.
    """
    reserved = {
        "_HANDLER": definition.handler or "",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{definition.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(definition.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": definition.name,
        "AWS_LAMBDA_FUNCTION_VERSION": definition.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start" if definition.snap_start else "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": definition.log_format,
        "AWS_LAMBDA_LOG_GROUP_NAME": definition.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "LAMBDA_TASK_ROOT": str(task_root),
    }
    defaults = {
        "HOME": str(task_root),
        "LANG": "en_US.UTF-8",
        "PATH": os.environ.get("PATH", os.defpath),
        "TZ": ":UTC",
    }
    client = aws_environment(aws_endpoint_url, definition.account, definition.region)
    aws = {name: client[name] for name in _CLIENT_VARIABLES}
    credentials = {
        "AWS_ACCESS_KEY_ID": session.access_key_id,
        "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
        "AWS_SESSION_TOKEN": session.session_token,
    }
    return {**defaults, **definition.environment, **aws, **credentials, **reserved}
