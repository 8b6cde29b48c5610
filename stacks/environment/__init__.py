"""Typed model of an environment file: everything that differs between deployments, and nothing else.

One file in `environments/` is one account and region. Unknown keys are refused, and every error names the file, the
field, the value received, what is allowed and what to do. `schema`, `pipeline` and `styles` are imported by name: an
environment does not need them.
"""

from stacks.environment.api import (
    API_STAGE,
    Api,
    ApiKey,
    ApiKeyAuth,
    CognitoAuth,
    Cors,
    Domain,
    IamAuth,
    Moderation,
    Private,
    Quota,
    Throttle,
    Waf,
)
from stacks.environment.console import Console
from stacks.environment.endpoint import (
    PRIMARY_VARIANT,
    RESULT_TOPICS,
    SHADOW_VARIANT,
    AllAtOnceUpdate,
    CanaryUpdate,
    Endpoint,
    GuardedUpdate,
    LinearUpdate,
    Rollback,
    Shadow,
    UnguardedUpdate,
    Update,
    Variant,
    VariantSettings,
)
from stacks.environment.files import (
    environment_paths,
    find_environment,
    load_environment,
    load_environments,
    load_organization,
)
from stacks.environment.marks import ContentCredentials, Metadata
from stacks.environment.model import Environment, guarded_update
from stacks.environment.models import BedrockModel, EndpointModel, Model, OpenModel, OptimizedModel
from stacks.environment.network import Network
from stacks.environment.operations import Alarms, Budget, BudgetAction, Operations, Slack
from stacks.environment.organization import Organization
from stacks.environment.scaling import (
    BacklogPerInstance,
    ComponentTarget,
    ConcurrentRequests,
    ConcurrentRequestsPerCopy,
    CronField,
    InvocationsPerCopy,
    InvocationsPerInstance,
    RealTimeTarget,
    Scaling,
    ScalingTarget,
    ScheduledCapacity,
    cron_fields,
)
from stacks.environment.storage import Storage
from stacks.environment.values import ENVIRONMENT_TAG, EnvironmentFileError, Problem, pascal
from stacks.environment.warnings import environment_warnings

__all__ = [
    "API_STAGE",
    "ENVIRONMENT_TAG",
    "PRIMARY_VARIANT",
    "RESULT_TOPICS",
    "SHADOW_VARIANT",
    "Alarms",
    "AllAtOnceUpdate",
    "Api",
    "ApiKey",
    "ApiKeyAuth",
    "BacklogPerInstance",
    "BedrockModel",
    "Budget",
    "BudgetAction",
    "CanaryUpdate",
    "CognitoAuth",
    "ComponentTarget",
    "ConcurrentRequests",
    "ConcurrentRequestsPerCopy",
    "Console",
    "ContentCredentials",
    "Cors",
    "CronField",
    "Domain",
    "Endpoint",
    "EndpointModel",
    "Environment",
    "EnvironmentFileError",
    "GuardedUpdate",
    "IamAuth",
    "InvocationsPerCopy",
    "InvocationsPerInstance",
    "LinearUpdate",
    "Metadata",
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
    "RealTimeTarget",
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
    "cron_fields",
    "environment_paths",
    "environment_warnings",
    "find_environment",
    "guarded_update",
    "load_environment",
    "load_environments",
    "load_organization",
    "pascal",
]
