"""What an environment names that exists only in its AWS account: a stand-in in the emulator, or a refusal.

Without this, a deployment to the emulator would fail late, with an error that points elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from boto3.session import Session
from botocore.exceptions import ClientError

from sdxl.errors import SdxlError
from stacks.environment import Environment

_ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def check_can_be_rehearsed(environment: Environment) -> None:
    """Raise SdxlError if the environment names resources of its account that a stand-in cannot take the place of."""
    named = [
        f"{setting} ({value})"
        for setting, value in (
            ("storage.key_arn", environment.storage.key_arn),
            ("network.vpc_id", environment.network.vpc_id if environment.network else None),
        )
        if value is not None
    ]
    if named:
        raise SdxlError(
            f"Environment {environment.name!r} names what exists only in its AWS account: {' and '.join(named)}. The "
            f"emulator starts empty. To rehearse the rest here, copy environments/{environment.name}.yaml, leave "
            "these settings out of the copy, and start that: `make up ENV=<copy>`. `sdxl environments check --synth` "
            "and `sdxl preflight` check the file as it is."
        )


def make(environment: Environment, session: Session) -> Iterator[str]:
    """Make, in the emulator that `session` reaches, what is missing there. Yields a sentence for each stand-in."""
    boundary = environment.organization.permissions_boundary
    if boundary is None or ":iam::aws:policy/" in boundary:
        return  # AWS's own policies are in the emulator too
    path, _, name = boundary.rpartition(":policy/")[2].rpartition("/")
    try:
        session.client("iam").create_policy(
            PolicyName=name, Path=f"/{path}/" if path else "/", PolicyDocument=json.dumps(_ALLOW_ALL)
        )
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "EntityAlreadyExists":
            raise SdxlError(f"The permissions boundary {boundary} cannot be made in the emulator: {exc}") from exc
    yield (
        f"The permissions boundary {boundary} of organization.yaml is in the AWS account alone: here, a policy that "
        "allows everything takes its place."
    )
