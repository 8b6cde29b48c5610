"""The workflow of GitHub Actions that rolls out by pipeline.yaml: a job for each ring, roles instead of stored keys."""

from __future__ import annotations

from stacks.bootstrap import read_bootstrap
from stacks.catalog import partition_of
from stacks.environment.pipeline import Pipeline, Ring

_CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
_PYTHON = "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0"
_NODE = "actions/setup-node@820762786026740c76f36085b0efc47a31fe5020 # v7.0.0"
_UPLOAD = "actions/upload-artifact@cf430e030ddbb5b0abf93d22962f4752f3646cd9 # v7.0.2"
_DOWNLOAD = "actions/download-artifact@37930b1c2abaa49bbe596cd826c3c89aef350131 # v7.0.0"
_CREDENTIALS = "aws-actions/configure-aws-credentials@e1253824e5c10ff9df46874f81ed3ec929e19cfd # v6.3.0"

_HEAD = """\
# Generated from pipeline.yaml by `sdxl pipeline github --write`: change that file, not this one.
name: Rollout

on:
  push:
    branches: [{branch}]
  workflow_dispatch:

permissions:
  contents: read
{defaults}
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
          path: {here}cdk.out
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
          path: {here}cdk.out
      - uses: {credentials}
        with:
          role-to-assume: arn:{partition}:iam::{account}:role/{role}
          aws-region: {region}
          role-duration-seconds: 14400
      - name: Preflight, deploy and test {environments}
        # The role can only assume the CDK's roles, also in its own account: the lookup role reads.
        run: >-
          .venv/bin/sdxl rollout --ring {name} --yes --assembly cdk.out --json rollout.json{directory}
          --role-arn-template '{reader}'
      - name: Keep the summary and the logs
        if: always()
        uses: {upload}
        with:
          name: rollout-{name}
          path: |
            {here}rollout.json
            {here}.local/rollout/*.log
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
          node-version: "24"
      - name: Install
        run: make setup"""


_DEFAULTS = """
# The project is in this folder of the repository.
defaults:
  run:
    working-directory: {folder}
"""


def workflow_text(pipeline: Pipeline, directory: str | None = None, *, folder: str = "") -> str:
    """The workflow as YAML. `directory` is where pipeline.yaml is in the project, where that is not `environments/`.

    `folder` is the project's place in its repository; empty at the root.
    """
    head = _HEAD.format(
        branch=pipeline.source.branch,
        setup=_SETUP,
        upload=_UPLOAD,
        defaults=_DEFAULTS.format(folder=folder) if folder else "",
        here=_here(folder),
        directory="" if directory is None else f" --dir {directory}",
        context="" if directory is None else f" --context environments_dir={directory}",
    )
    needs, jobs = "synth", []
    for ring in pipeline.rings:
        jobs.append(_job(pipeline, ring, needs, directory, _here(folder)))
        needs = f"ring-{ring.name}"
    return head + "".join(jobs)


def _here(folder: str) -> str:
    return f"{folder}/" if folder else ""


def _job(pipeline: Pipeline, ring: Ring, needs: str, directory: str | None, here: str) -> str:
    return _RING.format(
        name=ring.name,
        needs=needs,
        here=here,
        setup=_SETUP,
        download=_DOWNLOAD,
        upload=_UPLOAD,
        credentials=_CREDENTIALS,
        partition=partition_of(pipeline.region),
        account=pipeline.account,
        role=pipeline.github.role_name,
        region=pipeline.region,
        environments=", ".join(ring.environments),
        reader=read_bootstrap().lookup_role_arn_template(partition_of(pipeline.region)),
        directory="" if directory is None else f" --dir {directory}",
    )
