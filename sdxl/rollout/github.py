"""The workflow of GitHub Actions that rolls out by pipeline.yaml: a job for each ring, roles instead of stored keys."""

from __future__ import annotations

from stacks.catalog import partition_of
from stacks.environment.pipeline import Pipeline, Ring

_CHECKOUT = "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2"
_PYTHON = "actions/setup-python@a26af69be951a213d495a4c3e4e4022e16d87065 # v5.6.0"
_NODE = "actions/setup-node@49933ea5288caeca8642d1e84afbd3f7d6820020 # v4.4.0"
_UPLOAD = "actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02 # v4.6.2"
_DOWNLOAD = "actions/download-artifact@d3f86a106a0bac45b974a628896c90dbdf5c8093 # v4.3.0"
_CREDENTIALS = "aws-actions/configure-aws-credentials@e3dd6a429d7300a6a4c196c26e071d42e0343502 # v4.0.2"

_HEAD = """\
# Generated from pipeline.yaml by `sdxl pipeline github --write`: change that file, not this one.
name: Rollout

on:
  push:
    branches: [{branch}]
  workflow_dispatch:

permissions:
  contents: read

# One rollout at a time, and none is cut off: CloudFormation would go on without it.
concurrency:
  group: rollout
  cancel-in-progress: false

jobs:
  synth:
    name: Check and synthesize
    runs-on: ubuntu-24.04
    timeout-minutes: 60
    steps:
{setup}
      - name: Check the environments and their templates
        run: .venv/bin/sdxl environments check --synth{directory}
      # Once, with the CDK's validation on: every ring deploys these very artifacts.
      - name: Synthesize
        run: npx cdk synth --quiet --output cdk.out{context}
      - uses: {upload}
        with:
          name: cdk-out
          path: cdk.out
          include-hidden-files: true
          if-no-files-found: error
"""

_RING = """
  ring-{name}:
    name: Ring {name}
    needs: {needs}
    runs-on: ubuntu-24.04
    # GitHub ends a job after six hours at the latest; an endpoint's guarded update takes up to one.
    timeout-minutes: 350
    # Its protection rules say who approves, and the role trusts this name.
    environment: {name}
    permissions:
      contents: read
      id-token: write
    steps:
{setup}
      - uses: {download}
        with:
          name: cdk-out
          path: cdk.out
      - uses: {credentials}
        with:
          role-to-assume: arn:{partition}:iam::{account}:role/{role}
          aws-region: {region}
          role-duration-seconds: 14400
      - name: Preflight, deploy and test {environments}
        run: .venv/bin/sdxl rollout --ring {name} --yes --assembly cdk.out --json rollout.json{directory}
      - name: Keep the summary and the logs
        if: always()
        uses: {upload}
        with:
          name: rollout-{name}
          path: |
            rollout.json
            .local/rollout/*.log
          include-hidden-files: true
          if-no-files-found: ignore
"""

_SETUP = f"""\
      - uses: {_CHECKOUT}
        with:
          persist-credentials: false
      - uses: {_PYTHON}
        with:
          python-version: "3.13"
      - uses: {_NODE}
        with:
          node-version: "22"
      - name: Install
        run: make setup"""


def workflow_text(pipeline: Pipeline, directory: str | None = None) -> str:
    """The workflow as YAML. `directory` is where pipeline.yaml is, where that is not `environments/`."""
    head = _HEAD.format(
        branch=pipeline.source.branch,
        setup=_SETUP,
        upload=_UPLOAD,
        directory="" if directory is None else f" --dir {directory}",
        context="" if directory is None else f" --context environments_dir={directory}",
    )
    needs, jobs = "synth", []
    for ring in pipeline.rings:
        jobs.append(_job(pipeline, ring, needs, directory))
        needs = f"ring-{ring.name}"
    return head + "".join(jobs)


def _job(pipeline: Pipeline, ring: Ring, needs: str, directory: str | None) -> str:
    return _RING.format(
        name=ring.name,
        needs=needs,
        setup=_SETUP,
        download=_DOWNLOAD,
        upload=_UPLOAD,
        credentials=_CREDENTIALS,
        partition=partition_of(pipeline.region),
        account=pipeline.account,
        role=pipeline.github.role_name,
        region=pipeline.region,
        environments=", ".join(ring.environments),
        directory="" if directory is None else f" --dir {directory}",
    )
