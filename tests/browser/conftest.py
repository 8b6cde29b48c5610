"""A real browser, and the deployed pages that it opens: three environments in one emulator."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

# The harness of the deploy tests; folders of tests are no packages.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "deploy"))

from deploy_harness import Account, running_emulator, synthesize
from studio import Site, Studio

from stacks.environment import load_environments

ENVIRONMENTS = Path(__file__).parent / "environments"
ACCOUNT = "777777777777"
PERSON = "creator@example.com"

OpenStudio = Callable[..., Studio]


def find_chromium() -> str:
    """The browser to test with. Fails where there is none: a test that is left out would show nothing."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.exit(
            "The browser tests need Chromium, and there is none on the PATH. On Debian and Ubuntu: "
            "apt-get install chromium",
            returncode=3,
        )
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=find_chromium(),
            # As root, as in containers, Chromium has no sandbox.
            args=["--no-sandbox", "--disable-gpu"],
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    folder = tmp_path_factory.mktemp("browser")
    home = folder / "home"
    home.mkdir()
    with running_emulator(folder) as emulator:
        account = Account(emulator, ACCOUNT, home)
        environments = load_environments(ENVIRONMENTS)
        places = [f"aws://{ACCOUNT}/{environment.region}" for environment in environments]
        _run(account, "bootstrap", *places, app="")
        assembly = synthesize(account, folder, "assembly", environments=ENVIRONMENTS)
        patterns = [f"sdxl-{environment.name}/*" for environment in environments]
        _run(account, "deploy", *patterns, "--require-approval", "never", "--concurrency", "3", app=assembly)
        pool_id = account.outputs("sdxl-people-Api", "eu-west-1")["UserPoolId"]
        account.client("cognito-idp", "eu-west-1").admin_create_user(UserPoolId=pool_id, Username=PERSON)
        yield {environment.name: _site(account, environment.name, environment.region) for environment in environments}


@pytest.fixture(scope="session")
def site(sites: dict[str, Site]) -> Site:
    """The page with masks."""
    return sites["optimized"]


@pytest.fixture
def open_studio(browser: Browser, site: Site) -> Iterator[OpenStudio]:
    """Opens browser profiles, and closes them after the test."""
    opened: list[Studio] = []

    def open_one(where: Site = site, **context: Any) -> Studio:
        opened.append(Studio(browser, where, **context))
        return opened[-1]

    yield open_one
    site.heal()
    for one in opened:
        one.close()


@pytest.fixture
def studio(open_studio: OpenStudio) -> Studio:
    """The page with masks, open in a fresh profile."""
    return open_studio().open()


def _site(account: Account, name: str, region: str) -> Site:
    outputs = account.outputs(f"sdxl-{name}-Api", region)
    emulator = account.emulator
    ids = dict(part.split("=") for part in outputs.get("ApiKeyIds", "").split(",") if part)
    if not ids and "ApiKeyId" in outputs:
        ids = {"default": outputs["ApiKeyId"]}
    keys = {
        key: account.client("apigateway", region).get_api_key(apiKey=key_id, includeValue=True)["value"]
        for key, key_id in ids.items()
    }
    return Site(
        # With the stage in its path, as API Gateway has it: the page must know no absolute address.
        url=f"{emulator.gateway_url}/_aws/execute-api/{outputs['RestApiId']}/api/",
        key=next(iter(keys.values()), ""),
        guest_key=keys.get("guest", ""),
        faults_url=f"{emulator.aws_endpoint_url}/_emulator/faults",
    )


def _run(account: Account, *arguments: str, app: str) -> None:
    result = account.cdk(*arguments, app=app)
    assert result.returncode == 0, result.stdout + result.stderr
