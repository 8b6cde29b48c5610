"""A deployed API to call: the one that the environment variables name, or one in an emulator."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from deploy_harness import REGION, Account, running_emulator, synthesize

ACCOUNT = "777777777777"
# Nothing is throttled: what is under test is how requests are read.
ENVIRONMENT = f"""\
account: "{ACCOUNT}"
region: {REGION}
model:
  source: {{source}}
api:
  throttle:
    requests_per_second: 10000
    burst: 5000
"""


class DeployedApi(NamedTuple):
    """Where the API is, a key for it, and where the emulator is, if it is deployed in one."""

    url: str
    key: str
    emulator_url: str = ""


@contextlib.contextmanager
def api_to_call(folder: Path, source: str = "optimized") -> Iterator[DeployedApi]:
    """The API at SDXL_API_URL with SDXL_API_KEY, or else the stacks with this model source in an emulator."""
    if url := os.environ.get("SDXL_API_URL"):
        yield DeployedApi(url, os.environ["SDXL_API_KEY"])
        return
    with deployed_api(folder, source) as api:
        yield api


@contextlib.contextmanager
def deployed_api(folder: Path, source: str = "optimized") -> Iterator[DeployedApi]:
    """The environment above, deployed with the real CDK CLI into an emulator that ends with this process."""
    home = folder / "home"
    environments = folder / "environments"
    for directory in (home, environments):
        directory.mkdir()
    (environments / "dev.yaml").write_text(ENVIRONMENT.replace("{source}", source))
    with running_emulator(folder) as emulator:
        account = Account(emulator, ACCOUNT, home)
        _run(account, "bootstrap", f"aws://{ACCOUNT}/{REGION}", app="")
        assembly = synthesize(account, folder, "assembly", environments=environments)
        _run(account, "deploy", "sdxl-dev/*", "--require-approval", "never", app=assembly)
        key_id = account.outputs("sdxl-dev-Api")["ApiKeyId"]
        key = account.client("apigateway").get_api_key(apiKey=key_id, includeValue=True)["value"]
        yield DeployedApi(emulator.gateway_url, key, emulator.aws_endpoint_url)


def _run(account: Account, *arguments: str, app: str) -> None:
    result = account.cdk(*arguments, app=app)
    assert result.returncode == 0, result.stdout + result.stderr
