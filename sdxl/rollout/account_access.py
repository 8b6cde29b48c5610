"""Which policies each account of a folder needs, and which the role of the rollout's workflow has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sdxl.errors import SdxlError
from sdxl.rollout.execution_policy import (
    ATTACHED_POLICIES,
    ROLLOUT_POLICY_NAME,
    AccountPolicies,
    Deployment,
    Document,
    account_policies,
    packed,
)
from stacks.bootstrap import read_bootstrap
from stacks.catalog import partition_of
from stacks.environment import Environment
from stacks.environment.pipeline import PIPELINE_FILE, Pipeline, load_pipeline


def find_pipeline(directory: Path) -> Pipeline | None:
    """Return the pipeline of a folder, or None where it has no pipeline.yaml.

    Raises EnvironmentFileError where the file is wrong.
    """
    path = directory / PIPELINE_FILE
    return load_pipeline(path)[0] if path.is_file() else None


def by_account(environments: Sequence[Environment]) -> dict[str, list[Environment]]:
    """Return the environments of each account, in the order of the accounts' first environments."""
    found: dict[str, list[Environment]] = {}
    for environment in environments:
        found.setdefault(environment.account, []).append(environment)
    return found


def policies_of(
    environments: Sequence[Environment],
    templates: Mapping[str, Mapping[str, Mapping[str, Any]]],
    pipeline: Pipeline | None,
) -> AccountPolicies:
    """Make the policies of one account.

    Args:
        environments: all of the account; at least one.
        templates: by environment and stack.
        pipeline: of the folder. Its rollout's role is kept from the policies of the tooling account.

    Raises:
        SdxlError: the policies cannot be made, or do not fit.
    """
    deployments = [
        Deployment(
            account=environment.account,
            region=environment.region,
            partition=partition_of(environment.region),
            stacks={
                f"sdxl-{environment.name}-{stack}": template for stack, template in templates[environment.name].items()
            },
        )
        for environment in environments
    ]
    is_tooling = pipeline is not None and pipeline.account == environments[0].account
    return account_policies(
        deployments,
        environments[0].organization.own_boundary,
        rollout_role=pipeline.github.role_name if pipeline is not None and is_tooling else None,
    )


def rollout_policies(pipeline: Pipeline, environments: Mapping[str, Environment]) -> dict[str, Document]:
    """Return the managed policies of the rollout's role by name: which roles of which accounts it assumes.

    Nothing else is allowed. The CDK CLI, the preflight, the diff and the smoke test all act through these roles.

    Args:
        pipeline: whose rings say what is deployed.
        environments: all of the folder, by name.

    Raises:
        SdxlError: the pipeline deploys to more accounts and regions than fit into the policies of one role.
    """
    deployed = (environments[name] for ring in pipeline.rings for name in ring.environments)
    places = dict.fromkeys((environment.account, environment.region) for environment in deployed)
    bootstrap = read_bootstrap()
    made = packed(
        {"Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": list(bootstrap.rollout_role_arns(*place))}
        for place in places
    )
    if len(made) > ATTACHED_POLICIES:
        raise SdxlError(
            f"The rollout's role needs {len(made)} managed policies for {len(places)} accounts and regions, and a role "
            f"has {ATTACHED_POLICIES}. Roll out with two pipeline.yaml in two folders."
        )
    return {f"{ROLLOUT_POLICY_NAME}-{number}": document for number, document in enumerate(made, 1)}


def region_of_access(account: str, environments: Sequence[Environment], pipeline: Pipeline | None) -> str:
    """Return the region of an account's access stack: the pipeline's if the account uses it, else its first one.

    IAM is global, so that one stack is enough; this only says where its record is.
    """
    regions = [environment.region for environment in environments if environment.account == account]
    if pipeline is not None and (account == pipeline.account or pipeline.region in regions):
        return pipeline.region
    return regions[0]
