"""Typed model of an environment file: everything that differs between deployments, and nothing else.

One file in `environments/` is one account and region. Unknown keys are refused, and every error names the file, the
field, the value received, what is allowed and what to do.
"""

from stacks.environment.loader import environment_paths, find_environment, load_environment, load_environments
from stacks.environment.model import (
    Api,
    ConcurrentRequests,
    Cors,
    Endpoint,
    Environment,
    InvocationsPerInstance,
    Model,
    OpenModel,
    OptimizedModel,
    Quota,
    Scaling,
    ScalingTarget,
    ScheduledCapacity,
    Storage,
    Throttle,
)
from stacks.environment.problems import EnvironmentFileError, Problem

__all__ = [
    "Api",
    "ConcurrentRequests",
    "Cors",
    "Endpoint",
    "Environment",
    "EnvironmentFileError",
    "InvocationsPerInstance",
    "Model",
    "OpenModel",
    "OptimizedModel",
    "Problem",
    "Quota",
    "Scaling",
    "ScalingTarget",
    "ScheduledCapacity",
    "Storage",
    "Throttle",
    "environment_paths",
    "find_environment",
    "load_environment",
    "load_environments",
]
