"""The modes of an endpoint: what each allows, and what a message says of the rest."""

from pathlib import Path

import pytest

from stacks.environment import Environment, EnvironmentFileError, load_environment

pytestmark = pytest.mark.disable_socket

BASE = 'account: "111122223333"\nregion: us-east-1\nmodel: {source: open}\n'
OPTIMIZED = BASE.replace("open", "optimized")
ASYNCHRONOUS = "endpoint: {mode: asynchronous}\n"
COMPONENTS = "endpoint: {mode: components}\n"
BACKLOG = "  target: {metric: backlog_per_instance, target: 5}\n"
PER_COPY = "  target: {metric: concurrent_requests_per_copy, target: 1}\n"
CONCURRENT = "  target: {metric: concurrent_requests, target: 1}\n"
ZERO = "scaling:\n  min_capacity: 0\n  max_capacity: 4\n"

# name: (content, fragments that the message must have)
WRONG = {
    "an unknown mode": (
        f"{BASE}endpoint: {{mode: async}}\n",
        ["wrong.yaml:4: endpoint.mode: received async", "real-time, asynchronous, components"],
    ),
    "a real-time metric on an asynchronous endpoint": (
        f"{BASE}{ASYNCHRONOUS}{ZERO}{CONCURRENT}",
        [
            "wrong.yaml:8: scaling.target.metric: received concurrent_requests, which endpoints of mode 'real-time'",
            "allowed: backlog_per_instance",
            "set endpoint.mode to real-time",
        ],
    ),
    "a metric of components on an asynchronous endpoint": (
        f"{BASE}{ASYNCHRONOUS}{ZERO}{PER_COPY}",
        ["received concurrent_requests_per_copy", "mode 'components' alone publish", "endpoint.mode is 'asynchronous'"],
    ),
    "the queue's metric on components": (
        f"{BASE}{COMPONENTS}{ZERO}{BACKLOG}",
        ["received backlog_per_instance", "allowed: concurrent_requests_per_copy, invocations_per_copy"],
    ),
    "a schedule that turns a real-time endpoint off": (
        (
            f"{BASE}{ZERO.replace('min_capacity: 0', 'min_capacity: 1')}{CONCURRENT}"
            "  schedules: [{name: night, schedule: rate(1 day), min_capacity: 0, max_capacity: 0}]\n"
        ),
        [
            "scaling.schedules[0].min_capacity: 0: a real-time endpoint cannot scale to zero instances",
            "scaling.schedules[0].max_capacity: 0: a real-time endpoint cannot scale to zero instances",
            "endpoint.mode asynchronous",
        ],
    ),
    "an asynchronous endpoint created without an instance": (
        f"{BASE}endpoint: {{mode: asynchronous, instance_count: 0}}\n",
        ["endpoint.instance_count: 0", "an endpoint is created with an instance"],
    ),
    "concurrent invocations of a real-time endpoint": (
        f"{BASE}endpoint: {{concurrent_invocations: 2}}\n",
        ["endpoint.concurrent_invocations: has no effect with endpoint.mode 'real-time'", "remove the setting"],
    ),
    "variants of an asynchronous endpoint": (
        (
            f"{BASE}endpoint:\n  mode: asynchronous\n"
            "  variants: [{name: other, model: {source: optimized}, weight: 1}]\n"
        ),
        ["endpoint.variants: cannot be combined with endpoint.mode 'asynchronous'", "InvokeEndpointAsync has no field"],
    ),
    "a shadow of components": (
        f"{BASE}endpoint: {{mode: components, shadow: {{sampling_percent: 10}}}}\n",
        ["endpoint.shadow: cannot be combined with endpoint.mode 'components'", "one production variant"],
    ),
    "components of a Marketplace package": (
        f"{OPTIMIZED}{COMPONENTS}",
        ["endpoint.mode: 'components' cannot serve the model source 'optimized'", "use asynchronous"],
    ),
    "components in a region that has none": (
        f"{BASE.replace('us-east-1', 'eu-west-3')}{COMPONENTS}",
        [
            "endpoint.mode: 'eu-west-3' does not have an inference component of SageMaker",
            "in regions other than",
            "endpoint.mode asynchronous",
        ],
    ),
    "an update of components": (
        f"{BASE}endpoint: {{mode: components, update: {{traffic: all_at_once}}}}\n",
        ["endpoint.update: has no effect with endpoint.mode 'components'", "remove the setting"],
    ),
    "a mode with Bedrock": (
        (
            'account: "111122223333"\nregion: us-west-2\n'
            f"model: {{source: bedrock, model_id: stability.stable-image-core-v1:1}}\n{ASYNCHRONOUS}"
        ),
        ["endpoint.mode: has no effect with model.source bedrock"],
    ),
    "a canary of an endpoint that goes to zero": (
        f"{BASE}endpoint: {{mode: asynchronous, update: {{traffic: canary}}}}\n{ZERO}{BACKLOG}",
        ["endpoint.update.traffic: 'canary'", "there may be 0 only"],
    ),
}


def load(folder: Path, content: str) -> Environment:
    path = folder / "wrong.yaml"
    path.write_text(content)
    return load_environment(path)


@pytest.mark.parametrize(("content", "fragments"), WRONG.values(), ids=WRONG.keys())
def test_what_a_mode_does_not_allow_is_refused_with_what_to_do(
    tmp_path: Path, content: str, fragments: list[str]
) -> None:
    with pytest.raises(EnvironmentFileError) as caught:
        load(tmp_path, content)

    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        f"{BASE}{ASYNCHRONOUS}{ZERO}{BACKLOG}",
        f"{OPTIMIZED}{ASYNCHRONOUS}{ZERO}{BACKLOG}",
        f"{BASE}{COMPONENTS}{ZERO}{PER_COPY}",
        f"{BASE}{COMPONENTS}{ZERO}{PER_COPY.replace('concurrent_requests', 'invocations')}",
    ],
)
def test_an_endpoint_that_goes_to_zero_starts_with_one_instance(tmp_path: Path, content: str) -> None:
    environment = load(tmp_path, content)

    assert environment.scaling is not None
    assert (environment.scaling.min_capacity, environment.endpoint.instance_count) == (0, 1)
    assert environment.scaling.goes_to_zero


def test_a_schedule_alone_may_turn_an_asynchronous_endpoint_off(tmp_path: Path) -> None:
    one = ZERO.replace("min_capacity: 0", "min_capacity: 1")
    night = "  schedules: [{name: night, schedule: rate(1 day), min_capacity: 0, max_capacity: 0}]\n"

    by_day, with_night = (load(tmp_path, f"{BASE}{ASYNCHRONOUS}{one}{BACKLOG}{end}") for end in ("", night))

    assert by_day.scaling is not None
    assert with_night.scaling is not None
    assert (by_day.scaling.goes_to_zero, with_night.scaling.goes_to_zero) == (False, True)


def test_asynchronous_inference_is_offered_where_components_are_not(tmp_path: Path) -> None:
    environment = load(tmp_path, f"{BASE.replace('us-east-1', 'eu-west-3')}{ASYNCHRONOUS}")

    assert environment.endpoint.mode == "asynchronous"
