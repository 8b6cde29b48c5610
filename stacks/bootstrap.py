"""What `cdk bootstrap` made in an account and region, by the qualifier and stack name that cdk.json sets.

The CDK reads the qualifier from the context, and its command line reads both from cdk.json. So does everything here:
the pipeline's permissions, the commands that `sdxl pipeline bootstrap-commands` prints, the preflight, and the roles
that `sdxl` assumes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stacks.catalog import partition_of

if TYPE_CHECKING:
    # At run time it would start the CDK's engine, a Node.js, in every command that only reads names.
    from constructs import IConstruct

CDK_FILE = Path(__file__).resolve().parents[1] / "cdk.json"
QUALIFIER_CONTEXT = "@aws-cdk/core:bootstrapQualifier"
DEFAULT_QUALIFIER = "hnb659fds"
DEFAULT_STACK_NAME = "CDKToolkit"
# AWS CDK, template of `cdk bootstrap`, parameter Qualifier.
_QUALIFIER = re.compile(r"[A-Za-z0-9_-]{1,10}")


class BootstrapError(ValueError):
    """The qualifier or the stack name of the bootstrap is none that `cdk bootstrap` takes."""


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """The names of what `cdk bootstrap` makes.

    `qualifier` is in the name of each of them (default: that of the CDK). `stack_name` is the stack's (default:
    `CDKToolkit`). Raises BootstrapError for a qualifier that `cdk bootstrap` refuses.
    """

    qualifier: str = DEFAULT_QUALIFIER
    stack_name: str = DEFAULT_STACK_NAME

    def __post_init__(self) -> None:
        if not _QUALIFIER.fullmatch(self.qualifier):
            raise BootstrapError(
                f"{QUALIFIER_CONTEXT} is {self.qualifier!r} (context of {CDK_FILE.name}); allowed are 1 to 10 letters, "
                "digits, _ and -"
            )

    @property
    def version_parameter(self) -> str:
        """Name of the parameter of Systems Manager that holds the bootstrap's version."""
        return f"/cdk-bootstrap/{self.qualifier}/version"

    @property
    def options(self) -> str:
        """The options of `cdk bootstrap` that differ from its defaults, each with a space before it."""
        own_qualifier = "" if self.qualifier == DEFAULT_QUALIFIER else f" --qualifier {self.qualifier}"
        own_name = "" if self.stack_name == DEFAULT_STACK_NAME else f" --toolkit-stack-name {self.stack_name}"
        return own_qualifier + own_name

    def lookup_role_arn(self, account: str, region: str) -> str:
        """Return the ARN of the role that reads an account and region."""
        partition = partition_of(region)
        return f"arn:{partition}:iam::{account}:role/cdk-{self.qualifier}-lookup-role-{account}-{region}"


def bootstrap_of(scope: IConstruct) -> Bootstrap:
    """Return the bootstrap that the CDK uses for `scope`: with the qualifier of its context."""
    return Bootstrap(qualifier=scope.node.try_get_context(QUALIFIER_CONTEXT) or DEFAULT_QUALIFIER)


def read_bootstrap(cdk_file: Path | None = None) -> Bootstrap:
    """Return the bootstrap that `context` and `toolkitStackName` of `cdk_file` (default: cdk.json) name.

    Raises BootstrapError where `cdk bootstrap` would refuse the qualifier.
    """
    settings: Mapping[str, Any] = json.loads((cdk_file or CDK_FILE).read_text(encoding="utf-8"))
    return Bootstrap(
        qualifier=settings.get("context", {}).get(QUALIFIER_CONTEXT, DEFAULT_QUALIFIER),
        stack_name=settings.get("toolkitStackName", DEFAULT_STACK_NAME),
    )
