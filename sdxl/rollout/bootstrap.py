"""The `cdk bootstrap` commands that let the tooling account deploy to the environments' accounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stacks.environment import Environment
from stacks.environment.pipeline import Pipeline

POLICY_PLACEHOLDER = "sdxl-cloudformation-execution"


def commands(pipeline: Pipeline, environments: Mapping[str, Environment]) -> Iterator[str]:
    """Yield shell lines, the tooling account's first: once per account and region, each with that account's keys."""
    from stacks.catalog import partition_of  # noqa: PLC0415

    partition = partition_of(pipeline.region)
    tooling = (pipeline.account, pipeline.region)
    yield f"# Tooling account {pipeline.account}, with credentials of it (self-mutation deploys the pipeline itself):"
    yield (
        f"npx cdk bootstrap aws://{pipeline.account}/{pipeline.region} "
        f"--cloudformation-execution-policies arn:{partition}:iam::aws:policy/AdministratorAccess --app ''"
    )
    done = {tooling}
    for ring in pipeline.rings:
        for name in ring.environments:
            account, region = environments[name].account, environments[name].region
            if (account, region) in done:
                continue
            done.add((account, region))
            policy = f"arn:{partition_of(region)}:iam::{account}:policy/{POLICY_PLACEHOLDER}"
            yield f"# {name}, with credentials of account {account} (docs/rollout.md has the policy):"
            yield (
                f"npx cdk bootstrap aws://{account}/{region} --trust {pipeline.account} "
                f"--trust-for-lookup {pipeline.account} --cloudformation-execution-policies {policy} --app ''"
            )
