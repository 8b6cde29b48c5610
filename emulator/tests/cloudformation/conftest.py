"""CloudFormation in this process, for every test an account of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cloudformation_support import FakeContainers, Stacks
from emulator_support import ACCOUNT
from moto.sagemaker.responses import SageMakerResponse

from emulator.account.facts import AwsFacts
from emulator.aws import AwsApplication
from emulator.cloudformation.clients import Clients

REGION = "eu-west-1"
_accounts = itertools.count(300_000_000_000)


@pytest.fixture(scope="session")
def application() -> AwsApplication:
    return AwsApplication(ACCOUNT, AwsFacts(), FakeContainers())


@pytest.fixture(autouse=True)
def containers(application: AwsApplication) -> Iterator[FakeContainers]:
    """What starts behind endpoints."""
    before = SageMakerResponse.emulated_containers
    containers = SageMakerResponse.emulated_containers = FakeContainers()
    yield containers
    SageMakerResponse.emulated_containers = before


@pytest.fixture
def account() -> str:
    """An account that no other test uses."""
    return str(next(_accounts))


@pytest.fixture(scope="session")
def clients(application: AwsApplication) -> Clients:
    return Clients(application)


@pytest.fixture
def client(clients: Clients, account: str) -> Callable[[str], Any]:
    """boto3 clients of the test's account, in-process."""
    return lambda service: clients.client(service, account, REGION)


@pytest.fixture
def stacks(client: Callable[[str], Any]) -> Stacks:
    return Stacks(client("cloudformation"))


@pytest.fixture
def managed_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's managed policies, in the accounts whose IAM the test uses first."""
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
