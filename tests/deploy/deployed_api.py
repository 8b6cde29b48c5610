"""The project's own stacks in an emulator of their own, deployed with the real CDK CLI: an API to call."""

from __future__ import annotations

import contextlib
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
  source: optimized
api:
  throttle:
    requests_per_second: 10000
    burst: 5000
"""


class DeployedApi(NamedTuple):
    """Where the API is, and a key for it."""

    url: str
    key: str


@contextlib.contextmanager
def deployed_api(folder: Path, environment: str = ENVIRONMENT) -> Iterator[DeployedApi]:
    """Deploy an environment of `ACCOUNT` into an emulator that ends with this process."""
    home = folder / "home"
    environments = folder / "environments"
    for directory in (home, environments):
        directory.mkdir()
    (environments / "dev.yaml").write_text(environment)
    with running_emulator(folder) as emulator:
        account = Account(emulator, ACCOUNT, home)
        _run(account, "bootstrap", f"aws://{ACCOUNT}/{REGION}", app="")
        assembly = synthesize(account, folder, "assembly", environments=environments)
        _run(account, "deploy", "sdxl-dev/*", "--require-approval", "never", app=assembly)
        key_id = account.outputs("sdxl-dev-Api")["ApiKeyId"]
        key = account.client("apigateway").get_api_key(apiKey=key_id, includeValue=True)["value"]
        yield DeployedApi(emulator.gateway_url, key)


def _run(account: Account, *arguments: str, app: str) -> None:
    result = account.cdk(*arguments, app=app)
    assert result.returncode == 0, result.stdout + result.stderr
