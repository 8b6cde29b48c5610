"""The checks of `endpoint.mode`: what AWS, or the toolkit, does not combine with a mode."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.environment.endpoint import Endpoint
from stacks.environment.models import EndpointModel
from stacks.environment.regions import region_problems
from stacks.environment.scaling import METRICS_OF_MODE, Mode, Scaling
from stacks.environment.values import Location, SettingProblem


def mode_problems(
    region: str | None, model: EndpointModel | None, endpoint: Endpoint, scaling: Scaling | None
) -> Iterator[SettingProblem]:
    """Problems of the endpoint's mode with the other settings. None is a part that is absent or has errors itself."""
    mode = endpoint.mode
    if scaling is not None:
        yield from _scaling_problems(scaling, mode, ("scaling",))
    for index, variant in enumerate(endpoint.variants):
        if variant.scaling is not None:
            yield from _scaling_problems(variant.scaling, mode, ("endpoint", "variants", index, "scaling"))
    if mode != "asynchronous" and "concurrent_invocations" in endpoint.model_fields_set:
        yield SettingProblem(
            location=("endpoint", "concurrent_invocations"),
            text=f"has no effect with endpoint.mode {mode!r}: only an asynchronous endpoint has a queue of its own",
            received=endpoint.concurrent_invocations,
            allowed="nothing",
            remedy="remove the setting, or set endpoint.mode to asynchronous",
        )
    if mode == "real-time":
        return
    yield from _one_variant_problems(endpoint, mode)
    if mode == "components":
        yield from _component_problems(region, model, endpoint)


def _scaling_problems(scaling: Scaling, mode: Mode, location: Location) -> Iterator[SettingProblem]:
    """A metric of another mode, or zero instances where an endpoint keeps one."""
    metric, allowed = scaling.target.metric, METRICS_OF_MODE[mode]
    if metric not in allowed:
        of = next(name for name, metrics in METRICS_OF_MODE.items() if metric in metrics)
        yield SettingProblem(
            location=(*location, "target", "metric"),
            text=f"received {metric}, which endpoints of mode {of!r} alone publish, and endpoint.mode is {mode!r}",
            received=metric,
            allowed=", ".join(allowed),
            remedy=f"choose a metric of this mode, or set endpoint.mode to {of}",
        )
    if mode != "real-time":
        return
    bounds: list[tuple[Location, int | None]] = [(("min_capacity",), scaling.min_capacity)]
    for index, schedule in enumerate(scaling.schedules):
        for name in ("min_capacity", "max_capacity"):
            bounds.append((("schedules", index, name), getattr(schedule, name)))
    for place, value in bounds:
        if value == 0:
            yield SettingProblem(
                location=(*location, *place),
                text="0: a real-time endpoint cannot scale to zero instances",
                received=value,
                allowed="a whole number from 1 to 100",
                remedy="use 1, and a schedule that turns the capacity down at night; or endpoint.mode asynchronous or "
                "components, which scale to zero",
            )


def _one_variant_problems(endpoint: Endpoint, mode: Mode) -> Iterator[SettingProblem]:
    reason = (
        "InvokeEndpointAsync has no field that names a variant"
        if mode == "asynchronous"
        else "a call names an inference component, which is on one variant"
    )
    for name, is_set in (("variants", bool(endpoint.variants)), ("shadow", endpoint.shadow is not None)):
        if is_set:
            yield SettingProblem(
                location=("endpoint", name),
                text=f"cannot be combined with endpoint.mode {mode!r}: {reason}",
                allowed="one production variant",
                remedy=f"remove it, or set endpoint.mode to real-time; compare models in mode {mode} with a second "
                "environment",
            )


def _component_problems(
    region: str | None, model: EndpointModel | None, endpoint: Endpoint
) -> Iterator[SettingProblem]:
    if region is not None:
        # The regions that lack the type refuse MinInstanceCount 0 as well: eu-west-3 was seen to.
        yield from region_problems(region, "inference_components", ("endpoint", "mode"))
    if model is not None and model.source == "optimized":
        yield SettingProblem(
            location=("endpoint", "mode"),
            text="'components' cannot serve the model source 'optimized': a Marketplace model package is no model of "
            "an inference component",
            received=endpoint.mode,
            allowed="real-time or asynchronous with model.source optimized",
            remedy="use asynchronous, which scales to zero too, or model.source: open",
        )
    if "update" in endpoint.model_fields_set:
        yield SettingProblem(
            location=("endpoint", "update"),
            text="has no effect with endpoint.mode 'components': the endpoint has no model of its own, and a new model "
            "moves into the inference component copy by copy",
            allowed="nothing",
            remedy="remove the setting",
        )
