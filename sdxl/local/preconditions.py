"""What must be there before anything is started, each with one line that says what to do."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from sdxl.errors import SdxlError
from sdxl.local.cdk import CLI

if TYPE_CHECKING:
    from stacks.environment import Environment

OLDEST_NODE = 20


def check_node() -> None:
    """Refuse a missing or old Node.js: the CDK CLI and the CDK's own engine run on it."""
    node = shutil.which("node")
    if node is None:
        raise SdxlError(f"Node.js is not on the PATH. Install version {OLDEST_NODE} or later: https://nodejs.org")
    answer = subprocess.run([node, "--version"], check=False, capture_output=True, text=True).stdout.strip()  # noqa: S603
    version = re.match(r"v(\d+)\.", answer)
    if version is None or int(version[1]) < OLDEST_NODE:
        raise SdxlError(
            f"Node.js {answer or 'of unknown version'} at {node} is too old. Install {OLDEST_NODE} or later."
        )


def check_cdk() -> None:
    """Refuse to go on without the pinned CDK CLI."""
    if not CLI.is_file():
        raise SdxlError(f"The CDK CLI is not installed at {CLI}. Run `make setup`.")


def check_layer() -> None:
    """Refuse to go on without the functions' layer."""
    from tools.build_layer import layer_archive  # noqa: PLC0415 - the builder is no part of this package

    if not layer_archive().is_file():
        raise SdxlError("The functions' Lambda layer is not built for the current requirements. Run `make layer`.")


def check_takes_keys(environment: Environment) -> None:
    """Refuse an environment whose API this command could not call once it is deployed."""
    mode = environment.api.auth.mode
    if mode != "api_key":
        raise SdxlError(
            f"Environment {environment.name!r} has api.auth.mode {mode}; what runs on this machine is called with an "
            "API key. Leave api.auth out of a copy of the file, and start that."
        )
