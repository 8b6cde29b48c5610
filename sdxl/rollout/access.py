"""The CDK app of the access stacks: one for each account of a folder, made from what is deployed there."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import aws_cdk as cdk
from constructs import Construct

from sdxl.diff.assemblies import Templates, read_assembly
from sdxl.rollout.account_access import by_account, find_pipeline, policies_of, region_of_access, rollout_policies
from stacks.access_stack import STACK_NAME, AccessStack, RolloutRole
from stacks.environment import Environment, load_environments
from stacks.environment.pipeline import Pipeline
from stacks.sdxl_stage import SdxlStage, permissions_boundary


def add_access(
    scope: Construct, directory: Path, layer_archive: Path, signing_layer_archive: Path
) -> list[AccessStack]:
    """Add an access stack `sdxl-access-ACCOUNT` for each account of the environments in `directory`.

    Where pipeline.yaml has `github.identity_provider`, the tooling account has one too, with the rollout's role.

    Raises:
        EnvironmentFileError: a file of the folder is wrong.
        SdxlError: the policies cannot be made, or do not fit.
    """
    environments, pipeline = load_environments(directory), find_pipeline(directory)
    templates = _synthesize(scope, environments, layer_archive, signing_layer_archive)
    accounts = by_account(environments)
    rollout_role = None if pipeline is None else _rollout_role(pipeline, environments)
    if pipeline is not None and rollout_role is not None:
        accounts.setdefault(pipeline.account, [])
    stacks = []
    for account, found in accounts.items():
        policies = policies_of(found, templates, pipeline) if found else None
        is_tooling = pipeline is not None and account == pipeline.account
        stacks.append(
            AccessStack(
                scope,
                f"{STACK_NAME}-{account}",
                account=account,
                region=region_of_access(account, environments, pipeline),
                execution_policies={} if policies is None else policies.execution,
                workload_boundary=None if policies is None else policies.boundary,
                rollout_role=rollout_role if is_tooling else None,
                boundary=permissions_boundary(environments[0].organization.own_boundary),
            )
        )
    return stacks


def _rollout_role(pipeline: Pipeline, environments: Sequence[Environment]) -> RolloutRole | None:
    provider = pipeline.github.identity_provider
    if provider is None:
        return None
    return RolloutRole(
        name=pipeline.github.role_name,
        policies=rollout_policies(pipeline, {environment.name: environment for environment in environments}),
        subjects=tuple(pipeline.github_subject(ring) for ring in pipeline.rings),
        branch=pipeline.source.branch,
        provider_is_made=provider == "create",
    )


def _synthesize(
    scope: Construct, environments: Sequence[Environment], layer_archive: Path, signing_layer_archive: Path
) -> Templates:
    """The templates of all environments, from an app that is not deployed."""
    with tempfile.TemporaryDirectory(prefix="sdxl-access-") as folder:
        app = cdk.App(
            outdir=folder,
            auto_synth=False,
            context=scope.node.get_all_context(),
            analytics_reporting=False,
            builtin_cloud_formation_validation=False,
        )
        for environment in environments:
            SdxlStage(
                app,
                f"sdxl-{environment.name}",
                environment=environment,
                layer_archive=layer_archive,
                signing_layer_archive=signing_layer_archive,
            )
        app.synth()
        return read_assembly(Path(folder))
