"""The ways in which an endpoint takes requests and scales, and what of an environment file is played.

A mode is data: where requests wait, how long, on which metrics the endpoint scales, whether it may go to zero and what
wakes it. Sources of the figures: AWS documentation, "Auto scaling policy overview" and "Monitor asynchronous endpoint"
of SageMaker, "How target tracking scaling works" of Application Auto Scaling. What they leave open is an assumption,
and docs/plan.md names each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sdxl.cost.week import ScheduleOutcome, weekly_events
from stacks.environment import Environment, Variant
from stacks.environment.scaling import Mode as ModeName

# SageMaker's RoutingStrategy: RANDOM, its default, and LEAST_OUTSTANDING_REQUESTS.
Routing = Literal["random", "least-outstanding"]
MetricName = Literal[
    "invocations_per_instance",
    "concurrent_requests",
    "backlog_per_instance",
    "invocations_per_copy",
    "concurrent_requests_per_copy",
]
MetricKind = Literal["invocations", "concurrency", "backlog"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of target tracking as environment files name it, and the two alarms that Application Auto Scaling makes.

    `period_seconds` is the time of a datapoint. Instances are added when the last `high_points` datapoints are above
    the target, and removed when the last `low_points` are below 90 % of it.
    """

    name: MetricName
    kind: MetricKind
    period_seconds: int
    high_points: int = 3
    low_points: int


INVOCATIONS = Metric(name="invocations_per_instance", kind="invocations", period_seconds=60, low_points=15)
CONCURRENT = Metric(name="concurrent_requests", kind="concurrency", period_seconds=10, low_points=90)
BACKLOG = Metric(name="backlog_per_instance", kind="backlog", period_seconds=60, low_points=15)
# An instance has one copy of the component.
COPY_INVOCATIONS = Metric(name="invocations_per_copy", kind="invocations", period_seconds=60, low_points=15)
COPY_CONCURRENT = Metric(name="concurrent_requests_per_copy", kind="concurrency", period_seconds=10, low_points=90)
METRICS = {metric.name: metric for metric in (INVOCATIONS, CONCURRENT, BACKLOG, COPY_INVOCATIONS, COPY_CONCURRENT)}


@dataclass(frozen=True, kw_only=True)
class Wake:
    """The step policy that adds one instance to none: `points` datapoints of `period_seconds` with a request."""

    period_seconds: int
    points: int
    cooldown_seconds: int


@dataclass(frozen=True, kw_only=True)
class Mode:
    """A way in which an endpoint takes requests.

    With `has_shared_queue` requests wait in one queue for the first free instance. Otherwise each instance has a queue
    of up to `queue_length` requests, and SageMaker chooses an instance when a request arrives.
    `wait_limit_seconds` is the longest wait before a request expires; None where the call itself ends, and with it the
    caller's wait. `release_seconds` is how long a removed instance is still billed.
    """

    name: ModeName
    metrics: tuple[Metric, ...]
    min_capacity: int
    has_shared_queue: bool
    # TorchServe's and multi-model-server's default `job_queue_size`.
    queue_length: int = 100
    wait_limit_seconds: float | None = None
    release_seconds: float = 0
    wake: Wake | None = None
    sources: tuple[str, ...]


REAL_TIME = Mode(
    name="real-time",
    metrics=(CONCURRENT, INVOCATIONS),
    min_capacity=1,
    has_shared_queue=False,
    sources=("open", "optimized"),
)
ASYNCHRONOUS = Mode(
    name="asynchronous",
    metrics=(BACKLOG,),
    min_capacity=0,
    has_shared_queue=True,
    # RequestTTLSeconds of InvokeEndpointAsync, its highest value.
    wait_limit_seconds=21_600,
    wake=Wake(period_seconds=60, points=2, cooldown_seconds=900),
    sources=("open", "optimized"),
)
COMPONENTS = Mode(
    name="components",
    metrics=(COPY_CONCURRENT, COPY_INVOCATIONS),
    min_capacity=0,
    has_shared_queue=False,
    # Managed instance scaling gives an instance up about 10 minutes after its last copy.
    release_seconds=600,
    wake=Wake(period_seconds=30, points=1, cooldown_seconds=900),
    sources=("open",),
)
MODES: dict[str, Mode] = {mode.name: mode for mode in (REAL_TIME, ASYNCHRONOUS, COMPONENTS)}

KEPT_BACK_SECONDS = 2.0
"""What the function keeps of `api.integration_timeout_seconds` for answering and storing (`image_api.deadline`)."""

DEFAULT_STARTUP_MINUTES = 10.0
"""From the decision to add an instance until it draws: the upper end of the 5 to 10 minutes that Stability AI's
notebook names for a deployment of SDXL 1.0 (aws-jumpstart-examples, sdxl-1-0-jumpstart.ipynb). Measure your own."""


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """A target tracking policy. Cooldowns are in seconds; the target has the metric's unit."""

    metric: Metric
    target: float
    scale_in_cooldown_seconds: int = 300
    scale_out_cooldown_seconds: int = 60


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Capacity bounds that take effect at a minute of the week, from Sunday 00:00. None: stays as it is."""

    minute: int
    min_capacity: int | None
    max_capacity: int | None


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What is played: one variant's mode, bounds, policy and schedules.

    `tracking` is None where `min_capacity` instances stay. `metric_delay_seconds` is how long after the end of its
    period a datapoint reaches its alarm; None: one more period. `time_limit_seconds` is how long the API waits for the
    image; None: forever. `routing` is how an instance is chosen where each has a queue.
    """

    mode: Mode
    min_capacity: int
    max_capacity: int
    tracking: Tracking | None
    bounds: tuple[Bounds, ...] = ()
    startup_seconds: float = DEFAULT_STARTUP_MINUTES * 60
    metric_delay_seconds: float | None = None
    time_limit_seconds: float | None = None
    routing: Routing = "random"
    schedules: tuple[ScheduleOutcome, ...] = field(default=(), compare=False)

    def text(self) -> str:
        """Return mode, bounds and policy in a line: `real-time, 1 to 4, concurrent_requests 1`."""
        count = f"{self.min_capacity}"
        if self.tracking is not None:
            count += f" to {self.max_capacity}"
            return f"{self.mode.name}, {count} instances, {self.tracking.metric.name} {self.tracking.target:g}"
        return f"{self.mode.name}, {count} instance{'' if self.min_capacity == 1 else 's'}, not scaled"

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        tracking = self.tracking
        return {
            "mode": self.mode.name,
            "min_capacity": self.min_capacity,
            "max_capacity": self.max_capacity,
            "target": None if tracking is None else {"metric": tracking.metric.name, "target": tracking.target},
            "scale_in_cooldown_seconds": None if tracking is None else tracking.scale_in_cooldown_seconds,
            "scale_out_cooldown_seconds": None if tracking is None else tracking.scale_out_cooldown_seconds,
            "startup_seconds": self.startup_seconds,
            "metric_delay_seconds": self.metric_delay_seconds,
            "time_limit_seconds": self.time_limit_seconds,
            "routing": self.routing,
        }


def configured_mode(environment: Environment) -> Mode:
    """Return the mode of the environment's endpoint."""
    return MODES[environment.endpoint.mode]


def time_limit_seconds(mode: Mode, environment: Environment) -> float | None:
    """Return how long the API waits for an image; None where no call waits."""
    waits_in_call = mode.wait_limit_seconds is None
    return environment.api.integration_timeout_seconds - KEPT_BACK_SECONDS if waits_in_call else None


def deployment_of(
    environment: Environment,
    variant: Variant,
    *,
    mode: Mode | None = None,
    startup_minutes: float = DEFAULT_STARTUP_MINUTES,
    metric_delay_seconds: float | None = None,
    routing: Routing = "random",
) -> Deployment:
    """Return what of `environment` is played for `variant`.

    Another `mode` than the file's is played with the file's bounds and the mode's default policy.
    """
    chosen = configured_mode(environment) if mode is None else mode
    scaling = variant.scaling
    tracking: Tracking | None = None
    bounds: Sequence[Bounds] = ()
    outcomes: tuple[ScheduleOutcome, ...] = ()
    low = high = variant.instance_count
    if scaling is not None and not scaling.detached:
        low, high = scaling.min_capacity, scaling.max_capacity
        metric = METRICS[scaling.target.metric]
        tracking = Tracking(
            metric=metric,
            target=scaling.target.target,
            scale_in_cooldown_seconds=scaling.scale_in_cooldown_seconds,
            scale_out_cooldown_seconds=scaling.scale_out_cooldown_seconds,
        )
        if metric not in chosen.metrics:
            tracking = default_tracking(chosen, tracking)
        events, outcomes = weekly_events(scaling.schedules)
        bounds = [
            Bounds(minute=minute, min_capacity=schedule.min_capacity, max_capacity=schedule.max_capacity)
            for minute, schedule in sorted(events.items())
        ]
    return Deployment(
        mode=chosen,
        min_capacity=low,
        max_capacity=high,
        tracking=tracking,
        bounds=tuple(bounds),
        startup_seconds=startup_minutes * 60,
        metric_delay_seconds=metric_delay_seconds,
        time_limit_seconds=time_limit_seconds(chosen, environment),
        routing=routing,
        schedules=outcomes,
    )


def default_tracking(mode: Mode, like: Tracking | None) -> Tracking:
    """Return the mode's policy with AWS's example target, and the cooldowns of `like`."""
    metric = mode.metrics[0]
    cooldowns = Tracking(metric=metric, target=1.0) if like is None else like
    return Tracking(
        metric=metric,
        target=5.0 if metric.kind == "backlog" else 1.0,
        scale_in_cooldown_seconds=cooldowns.scale_in_cooldown_seconds,
        scale_out_cooldown_seconds=cooldowns.scale_out_cooldown_seconds,
    )
