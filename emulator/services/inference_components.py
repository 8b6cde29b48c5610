"""Inference components, which moto lacks: their operations, their containers, and calls of them.

Source: Amazon SageMaker AI API reference, CreateInferenceComponent and its neighbours; botocore's model says which
members there are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import AWSValidationException
from moto.sagemaker.responses import SageMakerResponse
from moto.utilities.utils import get_partition

from emulator.monitoring import clock
from emulator.monitoring.metrics import publish
from emulator.monitoring.sagemaker_metrics import NAMESPACE
from emulator.scaling.capacity import CAPACITIES, InferenceComponent, ScaledComponent

NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress (if "
    "configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)
NAME_REQUIRED = (
    "Inference Component Name header is required for endpoints to which you plan to deploy inference components. "
    "Please include Inference Component Name header or consider using SageMaker models."
)


def install() -> None:
    """Add the operations to moto's SageMaker."""
    SageMakerResponse.create_inference_component = _create
    SageMakerResponse.describe_inference_component = _describe
    SageMakerResponse.list_inference_components = _list
    SageMakerResponse.update_inference_component = _update
    SageMakerResponse.update_inference_component_runtime_config = _update_runtime_config
    SageMakerResponse.delete_inference_component = _delete


def _create(self: SageMakerResponse) -> ActionResult:
    name, endpoint_name = self._get_param("InferenceComponentName"), self._get_param("EndpointName")
    account, region = self.current_account, self.region
    if CAPACITIES.component(account, region, name) is not None:
        raise AWSValidationException(f"Cannot create already existing inference component {name}.")
    self.sagemaker_backend.describe_endpoint(endpoint_name)
    variant_name = self._get_param("VariantName")
    placed = CAPACITIES.variant(account, region, endpoint_name, variant_name)
    if placed is None:
        raise AWSValidationException(f"Endpoint {endpoint_name} has no variant {variant_name}.")
    copies = int((self._get_param("RuntimeConfig") or {}).get("CopyCount", 1))
    if copies < 1:
        raise AWSValidationException("CopyCount must be at least 1 where an inference component is created.")
    settings = _settings(self)
    now = clock.calendar()
    component = InferenceComponent(
        name=name,
        arn=f"arn:{get_partition(region)}:sagemaker:{region}:{account}:inference-component/{name}",
        endpoint_name=endpoint_name,
        variant_name=variant_name,
        settings=settings,
        created=now,
        changed=now,
        desired=copies,
        current=copies,
        tags=self._get_param("Tags") or [],
    )
    _start(self, component)
    CAPACITIES.components[account, region, name] = ScaledComponent(component)
    return ActionResult({"InferenceComponentArn": component.arn})


def _describe(self: SageMakerResponse) -> ActionResult:
    component = _found(self).component
    endpoint = self.sagemaker_backend.endpoints[component.endpoint_name]
    return ActionResult(
        {
            "InferenceComponentName": component.name,
            "InferenceComponentArn": component.arn,
            "EndpointName": component.endpoint_name,
            "EndpointArn": endpoint.arn,
            "VariantName": component.variant_name,
            "Specification": component.settings.get("Specification", {}),
            "RuntimeConfig": {"DesiredCopyCount": component.desired, "CurrentCopyCount": component.current},
            "CreationTime": component.created,
            "LastModifiedTime": component.changed,
            "InferenceComponentStatus": "InService",
        }
    )


def _list(self: SageMakerResponse) -> ActionResult:
    wanted = self._get_param("EndpointNameEquals")
    found = [
        {
            "InferenceComponentName": scaled.component.name,
            "InferenceComponentArn": scaled.component.arn,
            "EndpointArn": self.sagemaker_backend.endpoints[scaled.component.endpoint_name].arn,
            "EndpointName": scaled.component.endpoint_name,
            "VariantName": scaled.component.variant_name,
            "InferenceComponentStatus": "InService",
            "CreationTime": scaled.component.created,
            "LastModifiedTime": scaled.component.changed,
        }
        for (account, region, _), scaled in list(CAPACITIES.components.items())
        if (account, region) == (self.current_account, self.region) and wanted in (None, scaled.component.endpoint_name)
    ]
    return ActionResult({"InferenceComponents": found})


def _update(self: SageMakerResponse) -> ActionResult:
    scaled = _found(self)
    settings = _settings(self)
    if settings.get("Specification") and settings["Specification"] != scaled.component.settings.get("Specification"):
        scaled.component.settings = settings
        _start(self, scaled.component)
    copies = (self._get_param("RuntimeConfig") or {}).get("CopyCount")
    if copies is not None:
        scaled.scale(int(copies), clock.now())
    scaled.component.changed = clock.calendar()
    return ActionResult({"InferenceComponentArn": scaled.component.arn})


def _update_runtime_config(self: SageMakerResponse) -> ActionResult:
    scaled = _found(self)
    scaled.scale(int(self._get_param("DesiredRuntimeConfig")["CopyCount"]), clock.now())
    return ActionResult({"InferenceComponentArn": scaled.component.arn})


def _delete(self: SageMakerResponse) -> ActionResult:
    component = _found(self).component
    del CAPACITIES.components[self.current_account, self.region, component.name]
    key = (self.current_account, self.region, component.endpoint_name)
    self.emulated_containers.stop(key, production_variant=component.variant_name)
    return ActionResult(None)


def _settings(self: SageMakerResponse) -> dict[str, Any]:
    if self._get_param("Specifications"):
        raise AWSValidationException("Specifications by instance type are not emulated: use Specification")
    specification = self._get_param("Specification") or {}
    if "ModelName" not in specification:
        raise AWSValidationException("the emulator serves an inference component by its Specification.ModelName")
    return {"Specification": specification}


def _start(self: SageMakerResponse, component: InferenceComponent) -> None:
    """Start the model's container. It stays while there is no copy: `serve` refuses the calls."""
    model = self.sagemaker_backend.describe_model(component.settings["Specification"]["ModelName"]).response_object
    key = (self.current_account, self.region, component.endpoint_name)
    try:
        self.emulated_containers.start(key, model, production_variant=component.variant_name)
    except RuntimeError as exc:
        raise AWSValidationException(str(exc)) from exc


def _found(self: SageMakerResponse) -> ScaledComponent:
    name = self._get_param("InferenceComponentName")
    found = CAPACITIES.component(self.current_account, self.region, name)
    if found is None:
        raise AWSValidationException(f'Could not find inference component "{name}".')
    return found


class NoCapacityError(Exception):
    """The component has no copy that could answer."""


@contextlib.contextmanager
def serve(account: str, region: str, scaled: ScaledComponent) -> Iterator[None]:
    """Take a call of a component, and count it while it lasts. Raises NoCapacityError."""
    component = scaled.component
    dimensions = {"InferenceComponentName": component.name}
    if component.current == 0:
        publish(account, region, NAMESPACE, {"NoCapacityInvocationFailures": 1.0}, dimensions)
        raise NoCapacityError(NO_CAPACITY)
    values = {"InvocationsPerCopy": 1.0 / component.current, "NoCapacityInvocationFailures": 0.0}
    publish(account, region, NAMESPACE, values, dimensions)
    component.in_flight += 1
    try:
        yield
    finally:
        component.in_flight -= 1


def publish_metrics() -> None:
    """Publish how many calls each copy has at this moment. A component without a copy publishes nothing."""
    for (account, region, name), scaled in list(CAPACITIES.components.items()):
        if scaled.current:
            values = {
                "ConcurrentRequestsPerCopy": scaled.component.in_flight / scaled.current,
                "InvocationsPerCopy": 0.0,
            }
            publish(account, region, NAMESPACE, values, {"InferenceComponentName": name})
