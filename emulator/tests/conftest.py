"""An emulator's AWS endpoint and gateway in this process, on free ports of the loopback interface."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from access_stack import OWN_REGION, NoContainers, Stack
from botocore.config import Config
from emulator_support import ACCOUNT, LAMBDA_TRUST, LOG_POLICY, REGION, Clients, serve
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from emulator import functions, sagemaker_runtime
from emulator.account.facts import AwsFacts
from emulator.async_inference import ASYNC_INFERENCE
from emulator.aws import AwsApplication
from emulator.client import access_key_id
from emulator.cloudformation.clients import Clients as InProcessClients
from emulator.containers import CONTAINERS
from emulator.faults import FAULTS
from emulator.iam import lambda_use
from emulator.iam.guard import Guard
from emulator.services import apigateway, awslambda, credentials

# AWS's managed policies take a second in every account that uses IAM, and no test here needs one.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "false"
_accounts = itertools.count(400_000_000_000)


@pytest.fixture(scope="session")
def aws_url() -> Iterator[str]:
    # Before anything is made: an `AwsApplication` of another test installs it too, and would look elsewhere.
    credentials.install(ACCOUNT)
    apigateway.install()
    sagemaker_runtime.install(ASYNC_INFERENCE)
    awslambda.install()
    lambda_use.install()
    server = serve(Guard(DomainDispatcherApplication(create_backend_app)))
    url = f"http://127.0.0.1:{server.server_port}"
    functions.install(url)
    yield url
    functions.stop_all()
    CONTAINERS.stop_all()
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def client(aws_url: str) -> Clients:
    made: dict[str, Any] = {}

    def make(service: str) -> Any:
        if service not in made:
            made[service] = boto3.session.Session().client(
                service,
                endpoint_url=aws_url,
                region_name=REGION,
                aws_access_key_id=access_key_id(ACCOUNT),
                aws_secret_access_key="none",
                config=Config(retries={"max_attempts": 0}, read_timeout=20),
            )
        return made[service]

    return make


@pytest.fixture(scope="session")
def role_arn(client: Clients) -> str:
    iam = client("iam")
    arn: str = iam.create_role(RoleName="function", AssumeRolePolicyDocument=LAMBDA_TRUST)["Role"]["Arn"]
    iam.put_role_policy(RoleName="function", PolicyName="log", PolicyDocument=LOG_POLICY)
    return arn


@pytest.fixture(autouse=True)
def no_faults() -> Iterator[None]:
    FAULTS.clear()
    yield
    FAULTS.clear()


@pytest.fixture(scope="session")
def in_process() -> InProcessClients:
    return InProcessClients(AwsApplication(ACCOUNT, AwsFacts(), NoContainers()))


@pytest.fixture
def account() -> str:
    return str(next(_accounts))


@pytest.fixture
def own(in_process: InProcessClients, account: str) -> Callable[[str], Any]:
    """boto3 clients of the test's own account, in-process."""
    return lambda service: in_process.client(service, account, OWN_REGION)


@pytest.fixture
def stack(own: Callable[[str], Any]) -> Stack:
    return Stack(own("cloudformation"))
