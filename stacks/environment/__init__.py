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
from stacks.environment.endpoint import (
    PRIMARY_VARIANT,
    SHADOW_VARIANT,
    Endpoint,
    Shadow,
    Variant,
    VariantSettings,
)
from stacks.environment.loader import environment_paths, find_environment, load_environment, load_environments
from stacks.environment.model import Environment, guarded_update
from stacks.environment.models import EndpointModel, Model, OpenModel, OptimizedModel
from stacks.environment.network import Network
from stacks.environment.operations import Alarms, Budget, BudgetAction, Operations, Slack
from stacks.environment.organization import Organization
from stacks.environment.problems import EnvironmentFileError, Problem
from stacks.environment.scaling import (
    ConcurrentRequests,
    InvocationsPerInstance,
    Scaling,
    ScalingTarget,
    ScheduledCapacity,
)
from stacks.environment.storage import Storage
from stacks.environment.updates import (
    AllAtOnceUpdate,
    CanaryUpdate,
    GuardedUpdate,
    LinearUpdate,
    Rollback,
    UnguardedUpdate,
    Update,
)
from stacks.environment.values import API_STAGE, ENVIRONMENT_TAG, pascal

__all__ = [
    "API_STAGE",
    "ENVIRONMENT_TAG",
    "PRIMARY_VARIANT",
    "SHADOW_VARIANT",
    "Alarms",
    "AllAtOnceUpdate",
    "Api",
    "ApiKey",
    "ApiKeyAuth",
    "BedrockModel",
    "Budget",
    "BudgetAction",
    "CanaryUpdate",
    "CognitoAuth",
    "ConcurrentRequests",
    "Cors",
    "Domain",
    "Endpoint",
    "EndpointModel",
    "Environment",
    "EnvironmentFileError",
    "GuardedUpdate",
    "IamAuth",
    "InvocationsPerInstance",
    "LinearUpdate",
    "Model",
    "Moderation",
    "Network",
    "OpenModel",
    "Operations",
    "OptimizedModel",
    "Organization",
    "Private",
    "Problem",
    "Quota",
    "Rollback",
    "Scaling",
    "ScalingTarget",
    "ScheduledCapacity",
    "Shadow",
    "Slack",
    "Storage",
    "Throttle",
    "UnguardedUpdate",
    "Update",
    "Variant",
    "VariantSettings",
    "Waf",
    "environment_paths",
    "environment_warnings",
    "find_environment",
    "guarded_update",
    "load_environment",
    "load_environments",
    "pascal",
]
