"""The settings of `endpoint.update`: how a new model takes over from the one that serves, and what takes it back.

Bounds: SageMaker API reference, TrafficRoutingConfig and BlueGreenUpdatePolicy.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stacks.environment.section import Section
from stacks.environment.values import Int, Number


class Rollback(Section):
    """When an update is taken back: any of these alarms, while old and new instances stand side by side."""

    server_errors: Int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Answers with 5xx within a minute, by the model or by SageMaker, from which on an update is taken "
        "back.",
    )
    latency_p95_seconds: Number = Field(
        default=25,
        gt=0,
        le=60,
        description="95th percentile of the model's time for an image, in seconds, above which an update is taken "
        "back. The API itself gives up after `api.integration_timeout_seconds`.",
    )
    container_crashes: Int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Lines of the containers' log within a minute that tell of a crash (a worker that died, memory of "
        "the GPU exhausted), from which on an update is taken back.",
    )


class _Update(Section):
    bake_seconds: Int = Field(
        default=300,
        ge=60,
        le=3600,
        description="Seconds to watch the alarms after each step of the traffic, before the next one.",
    )
    termination_wait_seconds: Int = Field(
        default=0, ge=0, le=3600, description="Seconds to keep the old instances after the traffic has moved."
    )
    max_duration_seconds: Int = Field(
        default=3600,
        ge=600,
        le=28_800,
        description="Seconds after which an update that is not done is taken back. Longer than all waits together.",
    )
    rollback: Rollback = Field(default=Rollback(), description="When an update is taken back.")


class AllAtOnceUpdate(_Update):
    """All traffic moves to the new instances in one step, and back if an alarm goes off while they are watched."""

    traffic: Literal["all_at_once"] = Field(
        description="All traffic moves to the new instances at once, which are then watched."
    )


class CanaryUpdate(_Update):
    """A small part of the traffic first, the rest when that went well."""

    traffic: Literal["canary"] = Field(
        description="A small part of the traffic moves first; the rest when that went well. Needs 2 instances."
    )
    canary_percent: Int = Field(
        default=10, ge=1, le=50, description="Share of the new instances that takes traffic first, in percent."
    )


class LinearUpdate(_Update):
    """Traffic moves in equal steps."""

    traffic: Literal["linear"] = Field(description="Traffic moves in equal steps. Needs 2 instances.")
    step_percent: Int = Field(
        default=25, ge=10, le=50, description="Share of the new instances that each step adds, in percent."
    )


class UnguardedUpdate(Section):
    """All at once, watched by nobody: the only way in which SageMaker adds, removes or renames variants."""

    traffic: Literal["unguarded"] = Field(
        description="All traffic moves at once and nothing takes it back. For the one deployment that adds, removes or "
        "renames variants, which SageMaker allows in no other way."
    )


GuardedUpdate = AllAtOnceUpdate | CanaryUpdate | LinearUpdate
Update = Annotated[GuardedUpdate | UnguardedUpdate, Field(discriminator="traffic")]
