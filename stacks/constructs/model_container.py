"""What the endpoint serves: a Marketplace model package, or an inference container with its model artifacts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker

from stacks.catalog import load_catalog
from stacks.environment import EndpointModel, OptimizedModel

_IMAGE_URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<repository>[^:@]+)[:@].+"
)
_MODEL_DATA_URL = re.compile(r"s3://(?P<bucket>[a-z0-9.-]+)/(?P<key>.+[^/])")


@dataclass(frozen=True, kw_only=True)
class ModelPackage:
    """Model package of AWS Marketplace. It takes no environment variables, and SageMaker itself fetches its parts."""

    arn: str

    def definition(self) -> sagemaker.CfnModel.ContainerDefinitionProperty:
        """Return the container definition of the SageMaker model."""
        return sagemaker.CfnModel.ContainerDefinitionProperty(model_package_name=self.arn)

    def grant_read(self, policy: iam.ManagedPolicy) -> None:
        """Grant nothing: image and artifacts of a package are the seller's, out of reach of the buyer's roles."""


@dataclass(frozen=True, kw_only=True)
class InferenceContainer:
    """Container image in ECR with one artifact in S3."""

    image_uri: str
    model_data_url: str
    # Not part of what tells two containers apart when their permissions are collected.
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not _IMAGE_URI.fullmatch(self.image_uri):
            raise ValueError(
                f"image_uri is {self.image_uri!r}: expected an image in Amazon ECR, "
                "<account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>"
            )
        if not _MODEL_DATA_URL.fullmatch(self.model_data_url):
            raise ValueError(f"model_data_url is {self.model_data_url!r}: expected one object, s3://<bucket>/<key>")

    def definition(self) -> sagemaker.CfnModel.ContainerDefinitionProperty:
        """Return the container definition of the SageMaker model."""
        return sagemaker.CfnModel.ContainerDefinitionProperty(
            image=self.image_uri, model_data_url=self.model_data_url, environment=dict(self.environment)
        )

    def grant_read(self, policy: iam.ManagedPolicy) -> None:
        """Allow in `policy` the pull of exactly this repository and the read of exactly this artifact."""
        partition = cdk.Stack.of(policy).partition
        image = _IMAGE_URI.fullmatch(self.image_uri)
        assert image is not None  # noqa: S101 - checked when created
        repository = f"arn:{partition}:ecr:{image['region']}:{image['account']}:repository/{image['repository']}"
        pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        policy.add_statements(
            iam.PolicyStatement(actions=pull, resources=[repository]),
            # The registry's login has no resource to name.
            iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
            *(
                iam.PolicyStatement(actions=[action], resources=[resource])
                for action, resource in self.artifact_permissions(partition)
            ),
        )

    def artifact_permissions(self, partition: str) -> list[tuple[str, str]]:
        """Return action and resource of each permission that reading the artifact needs."""
        artifact = _MODEL_DATA_URL.fullmatch(self.model_data_url)
        assert artifact is not None  # noqa: S101 - checked when created
        bucket = f"arn:{partition}:s3:::{artifact['bucket']}"
        return [("s3:GetObject", f"{bucket}/{artifact['key']}"), ("s3:ListBucket", bucket)]


ModelContainer = ModelPackage | InferenceContainer


def model_container(model: EndpointModel, region: str) -> ModelContainer:
    """Return what serves `model` in `region`: the file's own model package, or the catalog's entry for the region.

    Raises:
        CatalogError: the catalog has no entry of the model source for `region`.
    """
    catalog = load_catalog()
    if isinstance(model, OptimizedModel):
        arn = model.model_package_arn
        return ModelPackage(arn=catalog.optimized_package_arn(region) if arn is None else arn)
    found = catalog.open_container(region)
    return InferenceContainer(
        image_uri=found.image_uri, model_data_url=found.model_data_url, environment=found.environment
    )
