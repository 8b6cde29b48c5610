"""The steps of a rollout on AWS: the preflight's checks, the real CDK CLI on one assembly, and the smoke test."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from boto3.session import Session
from botocore.exceptions import BotoCoreError, ClientError

from sdxl.deployment import cdk
from sdxl.deployment.aws import find_api, find_aws_deployment, session_for
from sdxl.deployment.endpoint import check_configuration, wait_until_in_service
from sdxl.deployment.smoke_test import WAIT_SECONDS, smoke_test
from sdxl.diff.assemblies import read_assembly
from sdxl.errors import SdxlError
from sdxl.preflight import Account, preflight
from sdxl.project import LOCAL
from stacks.environment import Environment
from stacks.environment.pipeline import SmokeTest

FOLDER = LOCAL / "rollout"
ASSEMBLY = FOLDER / "cdk.out"
# An endpoint's update may take an hour (`endpoint.update.max_duration_seconds`), and CloudFormation its way back.
REST_SECONDS = 5400.0
REST_POLL_SECONDS = 10.0


class AwsSteps:
    """Deploys to the environments' own accounts. `role_arn_template` is what reads them in place of the lookup role."""

    def __init__(
        self,
        *,
        assembly: Path,
        show: Callable[[str], None],
        role_arn_template: str | None = None,
        preflight_enabled: bool = True,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        """Keep the folder of the synthesized app; nothing is called yet."""
        self._assembly = assembly
        self._show = show
        self._role_arn_template = role_arn_template
        self._preflight_enabled = preflight_enabled
        self._wait_seconds = wait_seconds

    def preflight(self, environment: Environment) -> str:
        """Raise SdxlError with everything that would make the deployment fail.

        A deployment that was cut off goes on in CloudFormation, and may yet be rolled back: this waits for it first.
        """
        session = session_for(environment, self._role_arn_template)
        self._wait(session, environment)
        if not self._preflight_enabled:
            return "left out, with --skip-preflight"
        templates = read_assembly(self._assembly)[environment.name]
        findings = [*preflight(Account(environment, session), templates=lambda: templates)]
        failed = [finding for finding in findings if finding.status == "failed"]
        if failed:
            lines = [f"  {item.name}: {item.found}. {item.remedy or ''}".rstrip() for item in failed]
            raise SdxlError("\n".join((f"The preflight of {environment.name!r} found:", *lines)))
        for finding in findings:
            if finding.status != "ok":
                self._show(f"{environment.name}: {finding.status}: {finding.name}: {finding.found}")
        return f"{len(findings)} checks, {sum(item.status != 'ok' for item in findings)} to look at"

    def deploy(self, environment: Environment) -> str:
        """Deploy the environment's stacks from the assembly. The CLI assumes the CDK's roles of the account itself.

        Waits again for what changes the stacks or the endpoint: the preflight of other environments takes its time,
        and the CLI reports templates that another deployment is about to roll back as unchanged.
        """
        session = session_for(environment, self._role_arn_template)
        self._wait(session, environment)
        stacks: list[str] = []

        def note(detail: str, *, is_lasting: bool) -> None:
            if is_lasting:
                stacks.append(detail)
                self._show(f"{environment.name}: {detail}")

        arguments = [
            "deploy",
            f"sdxl-{environment.name}/*",
            "--app",
            str(self._assembly),
            "--require-approval",
            "never",
        ]
        arguments += ["--progress", "events", "--output", str(FOLDER / f"{environment.name}.out")]
        log_file = FOLDER / f"{environment.name}.log"
        cdk.run(arguments, note, what=f"deploy sdxl-{environment.name}/*", log_file=log_file)
        check_configuration(session_for(environment, self._role_arn_template), environment.name)
        unchanged = sum("unchanged" in detail for detail in stacks)
        return f"{len(stacks)} stacks, {unchanged} unchanged"

    def _wait(self, session: Session, environment: Environment) -> None:
        def note(text: str) -> None:
            self._show(f"{environment.name}: {text}")

        wait_until_at_rest(session, f"sdxl-{environment.name}-", note=note)
        wait_until_in_service(session, f"sdxl-{environment.name}", note=note)

    def smoke_test(self, environment: Environment, kind: SmokeTest) -> str:
        """Generate an image, or ask for the health, as the ring wants it."""
        if kind == "none":
            return "none, as pipeline.yaml says"
        session = session_for(environment, self._role_arn_template)
        find = find_aws_deployment if kind == "image" else find_api
        result = smoke_test(
            find(environment, session),
            check=kind,
            note=lambda text: self._show(f"{environment.name}: {text}"),
            wait_seconds=self._wait_seconds,
        )
        if result.image_seconds is None:
            return f"{result.api_url} is healthy"
        return f"an image of {result.image_bytes} bytes in {result.image_seconds:.1f} s from {result.api_url}"


def wait_until_at_rest(
    session: Session, prefix: str, *, note: Callable[[str], None], pause_seconds: float = REST_POLL_SECONDS
) -> None:
    """Wait until CloudFormation changes none of the stacks whose names start with `prefix`.

    Raises SdxlError where they cannot be seen, or are still being changed after `REST_SECONDS`.
    """
    deadline, said = time.monotonic() + REST_SECONDS, ""
    while True:
        try:
            pages = session.client("cloudformation").get_paginator("describe_stacks").paginate()
            stacks = [stack for page in pages for stack in page["Stacks"] if stack["StackName"].startswith(prefix)]
        except (BotoCoreError, ClientError) as exc:
            raise SdxlError(f"The stacks {prefix}* cannot be looked at: {exc}") from exc
        busy = [stack["StackName"] for stack in stacks if _is_being_changed(stack["StackStatus"])]
        if not busy:
            return
        if time.monotonic() > deadline:
            raise SdxlError(
                f"{', '.join(busy)} is still being changed after {REST_SECONDS / 60:g} minutes. Look at its events, "
                "then run the same command again."
            )
        if said != (said := f"waiting for an earlier deployment of {', '.join(busy)}"):
            note(said)
        time.sleep(pause_seconds)


def _is_being_changed(status: str) -> bool:
    # A change set that nobody has executed is no change.
    return status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"
