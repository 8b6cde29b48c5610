"""SageMaker hosting as moto lacks it: what moto drops, UpdateEndpoint, and a container behind each endpoint."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Protocol

import botocore.session
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.sagemaker.exceptions import AWSValidationException
from moto.sagemaker.models import FakeEndpoint, FakeEndpointConfig, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from emulator.faults import FAULTS
from emulator.scaling.capacity import CAPACITIES
from emulator.services import inference_components
from emulator.services.endpoint_update import GuardedUpdate, RolledBackError, StagedContainers

SCALABLE_DIMENSION = "sagemaker:variant:DesiredInstanceCount"
CONFIG_EXTRAS = {
    "EnableNetworkIsolation": "enable_network_isolation",
    "ExecutionRoleArn": "execution_role_arn",
    "ExplainerConfig": "explainer_config",
    "ShadowProductionVariants": "shadow_production_variants",
    "VpcConfig": "vpc_config",
}
"""What moto leaves out of an endpoint configuration: request member to attribute, which its description shows."""
INSTANCE_COUNT, WEIGHT = "DesiredInstanceCount", "DesiredWeight"


class Containers(StagedContainers, Protocol):
    """What runs behind endpoints."""

    def start(self, endpoint_key: tuple[str, str, str], model: Mapping[str, Any], *, production_variant: str) -> None:
        """Start a variant's container in the place of the one before; raises RuntimeError with the reason."""

    def stop(self, endpoint_key: tuple[str, str, str], *, production_variant: str | None = None) -> None:
        """Stop an endpoint's containers, or one variant's."""

    def variants(self, endpoint_key: tuple[str, str, str]) -> list[str]:
        """Names of the variants of an endpoint that have a container."""


def install(containers: Containers) -> None:
    """Change moto's SageMaker, and let `containers` serve its endpoints."""
    if getattr(SageMakerResponse, "emulated_containers", None) is not None:
        SageMakerResponse.emulated_containers = containers
        return
    SageMakerResponse.emulated_containers = containers
    SageMakerResponse.create_model = _keep_network_isolation(SageMakerResponse.create_model)
    SageMakerResponse.create_endpoint_config = _keep_config_extras(SageMakerResponse.create_endpoint_config)
    SageMakerResponse.create_endpoint = _create_endpoint
    SageMakerResponse.update_endpoint = _update_endpoint
    SageMakerResponse.delete_endpoint = _delete_endpoint
    inference_components.install()
    FakeEndpointConfig.validate_production_variants = _validate_production_variants
    FakeEndpoint._process_production_variants = _variant_summaries
    validate = SageMakerModelBackend.validate_production_variants

    def with_models(self: SageMakerModelBackend, production_variants: list[dict[str, Any]]) -> None:
        validate(self, [variant for variant in production_variants if "ModelName" in variant])

    SageMakerModelBackend.validate_production_variants = with_models


def _keep_network_isolation(original: Callable[[Any], ActionResult]) -> Callable[[Any], ActionResult]:
    def create_model(self: SageMakerResponse) -> ActionResult:
        name = self._get_param("ModelName")
        if name in self.sagemaker_backend._models:
            arn = self.sagemaker_backend._models[name].arn
            message = f"Cannot create already existing model {arn}."
            raise AWSValidationException(message)
        answer = original(self)
        model = self.sagemaker_backend.describe_model(name)
        model.enable_network_isolation = bool(self._get_param("EnableNetworkIsolation"))
        model.inference_execution_config = self._get_param("InferenceExecutionConfig")
        return answer

    return create_model


def _keep_config_extras(original: Callable[[Any], ActionResult]) -> Callable[[Any], ActionResult]:
    def create_endpoint_config(self: SageMakerResponse) -> ActionResult:
        name = self._get_param("EndpointConfigName")
        if name in self.sagemaker_backend.endpoint_configs:
            message = f"Cannot create already existing endpoint configuration {name}."
            raise AWSValidationException(message)
        _refuse_what_a_mode_lacks(self)
        answer = original(self)
        config = self.sagemaker_backend.endpoint_configs[name]
        for member, attribute in CONFIG_EXTRAS.items():
            setattr(config, attribute, self._get_param(member))
        return answer

    return create_endpoint_config


def _refuse_what_a_mode_lacks(self: SageMakerResponse) -> None:
    """What SageMaker demands of configurations without models and of asynchronous ones, and what is not emulated."""
    variants = self._get_param("ProductionVariants") or []
    if any("ModelName" not in variant for variant in variants) and not self._get_param("ExecutionRoleArn"):
        message = "ExecutionRoleArn is required where a production variant has no ModelName (inference components)."
        raise AWSValidationException(message)
    for variant in variants:
        if variant.get("InitialInstanceCount") == 0:
            message = f"InitialInstanceCount of variant {variant['VariantName']} must be at least 1."
            raise AWSValidationException(message)
    asynchronous = self._get_param("AsyncInferenceConfig") or {}
    output = asynchronous.get("OutputConfig") or {}
    if asynchronous and "S3OutputPath" not in output:
        raise AWSValidationException("AsyncInferenceConfig.OutputConfig must have an S3OutputPath.")
    if (output.get("NotificationConfig") or {}).get("IncludeInferenceResponseIn"):
        raise AWSValidationException("IncludeInferenceResponseIn is not emulated: results are in S3 alone")


def _create_endpoint(self: SageMakerResponse) -> ActionResult:
    backend: SageMakerModelBackend = self.sagemaker_backend
    name, config_name = self._get_param("EndpointName"), self._get_param("EndpointConfigName")
    if name in backend.endpoints:
        message = f"Cannot create already existing endpoint {backend.endpoints[name].arn}."
        raise AWSValidationException(message)
    endpoint = backend.create_endpoint(name, config_name, self._get_param("Tags"))
    _serve(self, endpoint)
    return ActionResult({"EndpointArn": endpoint.arn})


def _update_endpoint(self: SageMakerResponse) -> ActionResult:
    backend: SageMakerModelBackend = self.sagemaker_backend
    name, config_name = self._get_param("EndpointName"), self._get_param("EndpointConfigName")
    backend.describe_endpoint(name)
    endpoint: FakeEndpoint = backend.endpoints[name]
    if endpoint.endpoint_status == "Updating":
        message = f'Cannot update in-progress endpoint "{endpoint.arn}".'
        raise AWSValidationException(message)
    config = backend.describe_endpoint_config(config_name)
    _refuse_to_break_scaling(backend, endpoint, config)
    variants = endpoint._process_production_variants(config["ProductionVariants"])
    if self._get_param("RetainAllVariantProperties"):
        excluded = self._get_param("ExcludeRetainedVariantProperties") or []
        retained = {INSTANCE_COUNT, WEIGHT} - {item["VariantPropertyType"] for item in excluded}
        variants = [_with_retained(variant, endpoint.production_variants, retained) for variant in variants]
    before = (endpoint.endpoint_config_name, endpoint.production_variants)
    endpoint.endpoint_config_name, endpoint.endpoint_status = config_name, "Updating"
    deployment = self._get_param("DeploymentConfig")
    endpoint.failure_reason = None
    rolled_back = False
    if config_name == before[0]:
        # What CloudFormation requests when it rolls back after SageMaker did: those containers serve already.
        pass
    elif FAULTS.take(name, of_update=True):
        rolled_back = True
    elif deployment:
        _refuse_other_variants(backend, endpoint, before[0])
        _serve_guarded(self, endpoint, deployment)
    else:
        _serve(self, endpoint)
    endpoint.data_capture_config = config["DataCaptureConfig"]
    endpoint.last_modified_time = utcnow()
    if endpoint.failure_reason or rolled_back:
        # As on AWS, an endpoint whose update fails goes on with what it served before.
        endpoint.endpoint_config_name, endpoint.production_variants = before
    else:
        endpoint.production_variants = variants
        _stop_removed(self, endpoint)
    endpoint.endpoint_status = "InService"
    return ActionResult({"EndpointArn": endpoint.arn})


def _delete_endpoint(self: SageMakerResponse) -> ActionResult:
    name = self._get_param("EndpointName")
    components = CAPACITIES.components_of(self.current_account, self.region, name)
    if components:
        names = ", ".join(scaled.component.name for scaled in components)
        message = f'Cannot delete endpoint "{name}": it has the inference components {names}. Delete them first.'
        raise AWSValidationException(message)
    self.sagemaker_backend.delete_endpoint(name)
    self.emulated_containers.stop((self.current_account, self.region, name))
    return ActionResult(None)


def _refuse_other_variants(backend: SageMakerModelBackend, endpoint: FakeEndpoint, config_before: str) -> None:
    """ "Deployment guardrails: Exclusions": the new configuration has the variant names of the old one."""
    before, after = (
        sorted(variant["VariantName"] for variant in backend.endpoint_configs[name].production_variants)
        for name in (config_before, endpoint.endpoint_config_name)
    )
    if before != after:
        endpoint.endpoint_config_name, endpoint.endpoint_status = config_before, "InService"
        message = (
            f"The variants {after} of the new endpoint configuration are not those of the old one, {before}: an update "
            "with a deployment configuration cannot change them."
        )
        raise AWSValidationException(message)


def _serve(self: SageMakerResponse, endpoint: FakeEndpoint) -> None:
    """Start a container for each variant; a failure becomes the endpoint's status, as on AWS."""
    endpoint.endpoint_status, endpoint.failure_reason = "InService", None
    for name, model in _models(self, endpoint):
        try:
            self.emulated_containers.start(_key(self, endpoint), model, production_variant=name)
        except RuntimeError as exc:
            endpoint.endpoint_status, endpoint.failure_reason = "Failed", str(exc)


def _serve_guarded(self: SageMakerResponse, endpoint: FakeEndpoint, deployment: Mapping[str, Any]) -> None:
    """Move to new containers by the deployment's policy; the cause of a rollback is the endpoint's failure reason."""
    endpoint.failure_reason = None
    models = _models(self, endpoint)
    # An endpoint that has gone to zero is updated too.
    instances = max(min(int(one.get("CurrentInstanceCount", 1)) for one in endpoint.production_variants), 1)
    try:
        GuardedUpdate(self.emulated_containers, _key(self, endpoint), deployment).run(models, instances=instances)
    except RolledBackError as exc:
        endpoint.failure_reason = str(exc)


def _stop_removed(self: SageMakerResponse, endpoint: FakeEndpoint) -> None:
    """Stop the containers of variants that the new configuration no longer has."""
    key = _key(self, endpoint)
    for name in set(self.emulated_containers.variants(key)) - {name for name, _ in _models(self, endpoint)}:
        self.emulated_containers.stop(key, production_variant=name)


def _models(self: SageMakerResponse, endpoint: FakeEndpoint) -> list[tuple[str, dict[str, Any]]]:
    """The model of each variant of the endpoint's configuration, the shadow's too, by the variant's name."""
    backend: SageMakerModelBackend = self.sagemaker_backend
    config = backend.endpoint_configs[endpoint.endpoint_config_name]
    shadows = getattr(config, "shadow_production_variants", None) or []
    return [
        (variant["VariantName"], backend.describe_model(variant["ModelName"]).response_object)
        for variant in [*config.production_variants, *shadows]
        # The models of the others are their inference components'.
        if "ModelName" in variant
    ]


def _key(self: SageMakerResponse, endpoint: FakeEndpoint) -> tuple[str, str, str]:
    return (self.current_account, self.region, endpoint.endpoint_name)


def _refuse_to_break_scaling(backend: SageMakerModelBackend, endpoint: FakeEndpoint, config: Mapping[str, Any]) -> None:
    """SageMaker's rule: a scaled variant keeps its instance type until its scalable target is deregistered."""
    # Its import takes as long as the rest of moto together; where nobody has imported it, nothing is registered.
    autoscaling = sys.modules.get("moto.applicationautoscaling.models")
    if autoscaling is None:
        return
    scaling = autoscaling.applicationautoscaling_backends[backend.account_id][backend.region_name]
    old = backend.describe_endpoint_config(endpoint.endpoint_config_name)["ProductionVariants"]
    wanted = {variant["VariantName"]: variant for variant in config["ProductionVariants"]}
    broken = [
        variant["VariantName"]
        for variant in old
        if _resource_id(endpoint, variant) in scaling.targets.get(SCALABLE_DIMENSION, {})
        and _instance_types(variant) != _instance_types(wanted.get(variant["VariantName"], {}))
    ]
    if broken:
        names = ", ".join(broken)
        message = (
            f'The variant(s) "{names}" must be deregistered as scalable targets with AWS Auto Scaling before they can '
            "be removed or have their instance type updated."
        )
        raise AWSValidationException(message)


def _resource_id(endpoint: FakeEndpoint, variant: Mapping[str, Any]) -> str:
    return f"endpoint/{endpoint.endpoint_name}/variant/{variant['VariantName']}"


def _instance_types(variant: Mapping[str, Any]) -> list[str]:
    pools = sorted(variant.get("InstancePools") or [], key=lambda pool: int(pool.get("Priority", 0)))
    return [pool["InstanceType"] for pool in pools] or [variant.get("InstanceType", "")]


def _with_retained(variant: dict[str, Any], before: list[dict[str, Any]], retained: set[str]) -> dict[str, Any]:
    earlier = next((item for item in before if item["VariantName"] == variant["VariantName"]), {})
    kept = {name: earlier[name] for name in retained if name in earlier}
    kept |= {name.replace("Desired", "Current"): value for name, value in kept.items()}
    return variant | kept


def _variant_summaries(_: FakeEndpoint, production_variants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    summaries = []
    for variant in production_variants:
        summary = {"VariantName": variant["VariantName"]}
        for setting, current in (
            ("InitialInstanceCount", "InstanceCount"),
            ("InitialVariantWeight", "Weight"),
            ("ServerlessConfig", "ServerlessConfig"),
        ):
            # A weight or count of zero is a value: moto's own version loses it.
            if variant.get(setting) is not None:
                summary |= {f"Current{current}": variant[setting], f"Desired{current}": variant[setting]}
        summary |= {name: variant[name] for name in ("ManagedInstanceScaling", "RoutingConfig") if name in variant}
        summaries.append(summary)
    return summaries


@cache
def instance_types() -> frozenset[str]:
    """The instance types that SageMaker's own API model allows for a production variant.

    moto carries a list that ends before the G5 family.
    """
    model = botocore.session.get_session().get_service_model("sagemaker")
    return frozenset(model.shape_for("ProductionVariantInstanceType").enum)


def _validate_production_variants(self: FakeEndpointConfig, production_variants: list[dict[str, Any]]) -> None:
    for variant in production_variants:
        if "ServerlessConfig" in variant:
            self.validate_serverless_config(variant["ServerlessConfig"])
            continue
        for instance_type in _instance_types(variant):
            if instance_type not in instance_types():
                message = (
                    f"1 validation error detected: Value '{instance_type}' at 'productionVariants.instanceType' failed "
                    "to satisfy constraint: Member must satisfy enum value set"
                )
                raise AWSValidationException(message)
