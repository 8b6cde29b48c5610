"""The pipeline in the tooling account: source, checks, synthesis, then ring after ring with checks of each account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import pipelines
from constructs import Construct

from stacks.bootstrap import bootstrap_of
from stacks.catalog import dns_suffix_of, partition_of
from stacks.constructs.log_group import set_retention
from stacks.constructs.template_metadata import acknowledge, skip_checkov
from stacks.environment import Environment
from stacks.environment.pipeline import PIPELINE_FILE, Pipeline, Ring, load_pipeline
from stacks.sdxl_stage import SdxlStage, permissions_boundary

# Ubuntu image of CodeBuild with these runtimes (AWS CodeBuild User Guide, "Available runtimes").
_IMAGE = codebuild.LinuxBuildImage.STANDARD_7_0
_RUNTIMES = {"python": "3.13", "nodejs": "22"}
_NODE_VARIABLES = {"NODE_NO_WARNINGS": "1"}
_PACKAGE_FILE = Path(__file__).resolve().parents[1] / "package.json"
STACK_NAME = "sdxl-pipeline"
_ARTIFACT_DAYS = 90

_ARTIFACTS = "The CDK grants a build its pipeline's artifacts and key with these actions; both hold nothing else."
_REPLICA_KEYS = "Keys of one alias each, which is that of the artifacts' copies in another region."
_BUILDS = "The name of a build project is generated: the CDK grants it its own logs and reports by prefix."
_ANY = (
    "Publishing assets and reading the bootstrap's version need roles of accounts that the CDK names by tag or "
    "pattern; their trust policies decide."
)
_POLICY_OF_ANY = "/Assets/FileRole/DefaultPolicy/Resource"
_SELF_MUTATION = (
    "Only roles with the bootstrap's tag (a condition of the statement): self-mutation deploys through them."
)
_REPLICA = "Copies of artifacts for actions in another region; the source bucket has the versions."
_ACTIONS = (
    "Action::kms:GenerateDataKey*",
    "Action::kms:ReEncrypt*",
    "Action::s3:Abort*",
    "Action::s3:DeleteObject*",
    "Action::s3:GetBucket*",
    "Action::s3:GetObject*",
    "Action::s3:List*",
)
_BUCKET = {
    "AwsSolutions-S1": "Artifacts are read and written by the pipeline alone; CloudTrail has its calls.",
    "NIST.800.53.R5-S3BucketLoggingEnabled": "The pipeline alone reads and writes artifacts; CloudTrail has its calls.",
    "NIST.800.53.R5-S3BucketReplicationEnabled": "Artifacts are made again from the repository by the next execution.",
}


class PipelineStack(cdk.Stack):
    """CodePipeline (V2) that changes itself first, then deploys a wave for each ring.

    `directory` is where pipeline.yaml is, relative to the repository. `layer_archive` and
    `signing_layer_archive` are those of the stages.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline: Pipeline,
        environments: Mapping[str, Environment],
        layer_archive: Path,
        signing_layer_archive: Path | None = None,
        directory: str = "environments",
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=STACK_NAME,
            env=cdk.Environment(account=pipeline.account, region=pipeline.region),
            cross_region_references=False,
            permissions_boundary=_boundary(environments),
        )
        self._environments = environments
        self._directory = directory
        self._source = pipelines.CodePipelineSource.connection(
            pipeline.source.repository, pipeline.source.branch, connection_arn=pipeline.source.connection_arn
        )
        self._key = self._encryption_key()
        self._artifacts = self._artifact_bucket()
        self._partition = partition_of(pipeline.region)
        self._logging = self._build_logs(pipeline)
        # The builds that the CDK writes install these tools with npm and have roles that deploy. The CDK's default is
        # whatever npm has newest.
        packages = json.loads(_PACKAGE_FILE.read_text(encoding="utf-8"))["devDependencies"]
        self.pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            pipeline_name=STACK_NAME,
            synth=self._synth(),
            cli_version=packages["aws-cdk"],
            cdk_assets_cli_version=packages["cdk-assets"],
            cross_account_keys=True,
            enable_key_rotation=True,
            self_mutation=True,
            use_change_sets=False,
            artifact_bucket=self._artifacts,
            code_build_defaults=pipelines.CodeBuildOptions(
                build_environment=codebuild.BuildEnvironment(
                    build_image=_IMAGE, compute_type=codebuild.ComputeType.MEDIUM
                ),
                logging=self._logging,
                timeout=cdk.Duration.hours(2),
                partial_build_spec=codebuild.BuildSpec.from_object(
                    {"version": "0.2", "phases": {"install": {"runtime-versions": _RUNTIMES}}}
                ),
            ),
        )
        for ring in pipeline.rings:
            self._add_ring(ring, layer_archive, signing_layer_archive)
        self.pipeline.build_pipeline()
        self._grant_connection(pipeline)
        self._limit_to_this_account()
        self._expire_replicas()
        self._name_replica_keys()
        self._acknowledge()

    def _add_ring(self, ring: Ring, layer_archive: Path, signing_layer_archive: Path | None) -> None:
        before: list[pipelines.Step] = []
        if ring.approval == "manual":
            before.append(
                pipelines.ManualApprovalStep(f"Approve-{ring.name}", comment=f"Deploy {', '.join(ring.environments)}")
            )
        wave = self.pipeline.add_wave(f"Ring-{ring.name}", pre=before)
        for name in ring.environments:
            environment = self._environments[name]
            stage = SdxlStage(
                self,
                f"sdxl-{name}",
                environment=environment,
                layer_archive=layer_archive,
                signing_layer_archive=signing_layer_archive,
            )
            after = [] if ring.smoke_test == "none" else [self._smoke_test(environment, ring)]
            look = self._step(f"Preflight-{name}", environment, f"sdxl preflight --env {name}")
            for approval in before:
                look.add_step_dependency(approval)
            wave.add_stage(stage, pre=[look], post=after)

    def _smoke_test(self, environment: Environment, ring: Ring) -> pipelines.CodeBuildStep:
        command = f"sdxl smoke-test --env {environment.name} --check {ring.smoke_test}"
        return self._step(f"SmokeTest-{environment.name}", environment, command)

    def _step(self, step_id: str, environment: Environment, command: str) -> pipelines.CodeBuildStep:
        """A build that looks at the environment's account with the CDK's lookup role, and can do nothing else."""
        role = bootstrap_of(self).lookup_role_arn(environment.account, environment.region)
        return pipelines.CodeBuildStep(
            step_id,
            input=self._source,
            env=_NODE_VARIABLES,
            install_commands=["make setup"],
            commands=[f".venv/bin/{command} --role-arn {role}"],
            role_policy_statements=[iam.PolicyStatement(actions=["sts:AssumeRole"], resources=[role])],
        )

    def _synth(self) -> pipelines.CodeBuildStep:
        context = f"-c pipeline={self._directory}"
        return pipelines.CodeBuildStep(
            "Synth",
            input=self._source,
            env=_NODE_VARIABLES,
            install_commands=["make setup"],
            commands=[
                f".venv/bin/sdxl environments check --synth --dir {self._directory}",
                'export PATH="$PWD/.venv/bin:$PATH"',
                f"npx cdk synth --quiet {context}",
            ],
            primary_output_directory="cdk.out",
        )

    def _encryption_key(self) -> kms.Key:
        return kms.Key(
            self,
            "Key",
            description="Artifacts and logs of the rollout",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )

    def _build_logs(self, pipeline: Pipeline) -> codebuild.LoggingOptions:
        self._key.grant_encrypt_decrypt(
            iam.ServicePrincipal(f"logs.{pipeline.region}.{dns_suffix_of(pipeline.region)}")
        )
        group = logs.LogGroup(
            self,
            "BuildLogs",
            encryption_key=self._key,
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        set_retention(group, pipeline.log_retention_days)
        return codebuild.LoggingOptions(cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=group))

    def _artifact_bucket(self) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Artifacts",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self._key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=cdk.Duration.days(_ARTIFACT_DAYS),
                    noncurrent_version_expiration=cdk.Duration.days(30),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )

    def _grant_connection(self, pipeline: Pipeline) -> None:
        """Allow the source action to use the connection under the service's own prefix.

        The CDK grants `codestar-connections:UseConnection`, the older name of the service, which does not apply to the
        ARN of a `codeconnections` connection (Developer Tools console User Guide, "AWS CodeStar Connections rename").
        """
        arn = pipeline.source.connection_arn
        for role in self.pipeline.pipeline.node.find_all():
            if isinstance(role, iam.Role) and "/Pipeline/Source/" in role.node.path:
                service = arn.split(":")[2]
                role.add_to_policy(iam.PolicyStatement(actions=[f"{service}:UseConnection"], resources=[arn]))

    def _limit_to_this_account(self) -> None:
        """Let the services assume the roles of pipeline and builds for this account's resources alone.

        CodePipeline User Guide and CodeBuild User Guide, "Cross-service confused deputy prevention".
        """
        condition = {"StringEquals": {"aws:SourceAccount": self.account}}
        for role in self.pipeline.node.find_all():
            if isinstance(role, iam.CfnRole):
                (statement,) = self.resolve(role.assume_role_policy_document)["Statement"]
                if "Service" in statement["Principal"]:
                    role.add_property_override("AssumeRolePolicyDocument.Statement.0.Condition", condition)

    def _expire_replicas(self) -> None:
        """Delete the copies of artifacts in other regions as the artifacts themselves."""
        for support in self.pipeline.pipeline.cross_region_support.values():
            bucket = cast(s3.CfnBucket, support.replication_bucket.node.default_child)
            bucket.lifecycle_configuration = s3.CfnBucket.LifecycleConfigurationProperty(
                rules=[
                    s3.CfnBucket.RuleProperty(
                        status="Enabled",
                        expiration_in_days=_ARTIFACT_DAYS,
                        abort_incomplete_multipart_upload=s3.CfnBucket.AbortIncompleteMultipartUploadProperty(
                            days_after_initiation=1
                        ),
                    )
                ]
            )

    def _name_replica_keys(self) -> None:
        """Narrow the pipeline role's use of keys from `*` to the artifacts' key and those of the copies.

        The CDK knows the keys of other regions by their aliases, for which it grants `*`. The condition names the
        aliases (AWS KMS Developer Guide, "kms:ResourceAliases").
        """
        aliases = {
            region: [one.alias_name for one in support.stack.node.find_all() if isinstance(one, kms.CfnAlias)]
            for region, support in self.pipeline.pipeline.cross_region_support.items()
        }
        if not aliases:
            return
        policy = cast(iam.CfnPolicy, self.pipeline.pipeline.role.node.find_child("DefaultPolicy").node.default_child)
        document: dict[str, Any] = self.resolve(policy.policy_document)
        for statement in [one for one in document["Statement"] if "kms:Decrypt" in one["Action"]]:
            statement["Resource"] = [one for one in statement["Resource"] if one != "*"]
            document["Statement"].append(
                {
                    **statement,
                    "Resource": [self._replica_keys(region) for region in aliases],
                    "Condition": {
                        "ForAnyValue:StringEquals": {
                            "kms:ResourceAliases": [name for one in aliases.values() for name in one]
                        }
                    },
                }
            )
        policy.policy_document = document

    def _replica_keys(self, region: str) -> str:
        return self.format_arn(service="kms", region=region, resource="key", resource_name="*")

    def _acknowledge(self) -> None:
        """What the CDK's own modules write, and no argument changes."""
        bucket_id = self.get_logical_id(cast(s3.CfnBucket, self._artifacts.node.default_child))
        arns = {
            f"Resource::<{bucket_id}.Arn>/*": _ARTIFACTS,
            f"Resource::arn:{self._partition}:codebuild:{self.region}:{self.account}:report-group/*": _BUILDS,
            f"Resource::arn:{self._partition}:logs:{self.region}:{self.account}:log-group:/aws/codebuild/*": _BUILDS,
        }
        for project in self.node.find_all():
            if isinstance(project, codebuild.CfnProject):
                name = self.get_logical_id(project)
                place = f"{self.region}:{self.account}"
                arns[f"Resource::arn:{self._partition}:codebuild:{place}:report-group/<{name}>-*"] = _BUILDS
                arns[f"Resource::arn:{self._partition}:logs:{place}:log-group:/aws/codebuild/<{name}>:*"] = _BUILDS
        reasons = {**dict.fromkeys(_ACTIONS, _ARTIFACTS), "Resource::*": _ANY, **arns}
        reasons[f"Resource::arn:*:iam::{self.account}:role/*"] = _SELF_MUTATION
        for stack in self.pipeline.pipeline.cross_region_support.values():
            bucket = stack.replication_bucket
            reasons[f"Resource::{_text(self.resolve(bucket.bucket_arn))}/*"] = _ARTIFACTS
            acknowledge(bucket, {**_BUCKET, "NIST.800.53.R5-S3BucketVersioningEnabled": _REPLICA})
        for region in self.pipeline.pipeline.cross_region_support:
            reasons[f"Resource::{self._replica_keys(region)}"] = _REPLICA_KEYS
        acknowledge(
            self.pipeline,
            {
                **{f"AwsSolutions-IAM5[{finding}]": reason for finding, reason in reasons.items()},
                "NIST.800.53.R5-IAMNoInlinePolicy": "CDK Pipelines writes each build's permissions inline to its role, "
                "which nothing else has.",
            },
        )
        acknowledge(self._artifacts, _BUCKET)
        self._skip_checkov()

    def _skip_checkov(self) -> None:
        logging = {"CKV_AWS_18": _BUCKET["NIST.800.53.R5-S3BucketLoggingEnabled"]}
        skip_checkov(self._artifacts, logging)
        for stack in self.pipeline.pipeline.cross_region_support.values():
            skip_checkov(stack.replication_bucket, {**logging, "CKV_AWS_21": _REPLICA})
        for policy in self.pipeline.node.find_all():
            if isinstance(policy, iam.CfnPolicy) and policy.node.path.endswith(_POLICY_OF_ANY):
                skip_checkov(policy, {"CKV_AWS_111": _ANY})


def add_pipeline(
    scope: Construct, directory: str, layer_archive: Path, signing_layer_archive: Path | None = None
) -> PipelineStack:
    """Add the pipeline that `pipeline.yaml` in `directory` describes. Raises EnvironmentFileError where it is wrong."""
    pipeline, environments = load_pipeline(Path(directory) / PIPELINE_FILE)
    return PipelineStack(
        scope,
        "sdxl-pipeline",
        pipeline=pipeline,
        environments=environments,
        directory=directory,
        layer_archive=layer_archive,
        signing_layer_archive=signing_layer_archive,
    )


def _boundary(environments: Mapping[str, Environment]) -> cdk.PermissionsBoundary | None:
    """What the organisation demands of all environments, it demands of what deploys them.

    The boundary of the access stack is for the environments' roles alone: it does not let a pipeline deploy.
    """
    demanded = [environment.organization.own_boundary for environment in environments.values()]
    return permissions_boundary(demanded[0]) if demanded else None


def _text(value: object) -> str:
    """A resolved ARN as cdk-nag writes it."""
    return value if isinstance(value, str) else "".join(cast(dict[str, list[list[str]]], value)["Fn::Join"][1])
