"""Typed model of an environment file: everything that differs between deployments, and nothing else.

One file in `environments/` is one account and region. Unknown keys are refused, and every error names the file, the
field, the value received, what is allowed and what to do.
"""

from stacks.environment.access import (
    ApiKey,
    ApiKeyAuth,
    CognitoAuth,
    Domain,
    IamAuth,
    Moderation,
    Private,
    Quota,
    Throttle,
    Waf,
)
from stacks.environment.api import Api, Cors
from stacks.environment.bedrock import BedrockModel, environment_warnings
from stacks.environment.loader import environment_paths, find_environment, load_environment, load_environments
from stacks.environment.model import (
    ConcurrentRequests,
    Endpoint,
    Environment,
    InvocationsPerInstance,
    Model,
    OpenModel,
    OptimizedModel,
    Scaling,
    ScalingTarget,
    ScheduledCapacity,
    Storage,
)
from stacks.environment.problems import EnvironmentFileError, Problem

__all__ = [
    "Api",
    "ApiKey",
    "ApiKeyAuth",
    "BedrockModel",
    "CognitoAuth",
    "ConcurrentRequests",
    "Cors",
    "Domain",
    "Endpoint",
    "Environment",
    "EnvironmentFileError",
    "IamAuth",
    "InvocationsPerInstance",
    "Model",
    "Moderation",
    "OpenModel",
    "OptimizedModel",
    "Private",
    "Problem",
    "Quota",
    "Scaling",
    "ScalingTarget",
    "ScheduledCapacity",
    "Storage",
    "Throttle",
    "Waf",
    "environment_paths",
    "environment_warnings",
    "find_environment",
    "load_environment",
    "load_environments",
]
