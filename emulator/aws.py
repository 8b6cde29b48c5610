"""The AWS endpoint: moto with its services changed, another CloudFormation, and the emulator's own paths."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import threading
from collections.abc import Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING

# Read when moto is imported. Roles name AWS's managed policies; stock moto starts without them.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
# moto's server would let every page of a browser read every answer.
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"

from moto.moto_server.werkzeug_app import BackendRequest, DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Response

from emulator import bedrock_runtime, cloudformation, sagemaker_runtime, sign_in
from emulator.account.facts import AwsFacts
from emulator.account.services import AccountServices
from emulator.account.settings import create_account_app
from emulator.async_inference import ASYNC_INFERENCE
from emulator.cloudformation.api import CloudFormationApi
from emulator.cloudformation.clients import Clients
from emulator.cloudformation.store import Store
from emulator.containers import CONTAINERS
from emulator.faults import create_faults_app
from emulator.iam import lambda_use
from emulator.iam.guard import Guard
from emulator.iam.recorder import create_iam_app
from emulator.messages.delivery import DELIVERIES, create_messages_app
from emulator.messages.event_sources import EVENT_SOURCES
from emulator.messages.schedules import SCHEDULES
from emulator.monitoring import sagemaker_metrics
from emulator.scaling import policies
from emulator.scaling.ticker import TICKER, create_clock_app
from emulator.services import (
    apigateway,
    awslambda,
    credentials,
    kms,
    sagemaker,
    small,
)
from emulator.services.inference_components import publish_metrics
from emulator.services.sagemaker import Containers
from emulator.tokens import create_tokens_app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ACCOUNT_PATH = "/_emulator/account"
CLOCK_PATH = "/_emulator/clock"
HEALTH_PATH = "/_emulator/health"
FAULTS_PATH = "/_emulator/faults"
IAM_PATH = "/_emulator/iam"
MESSAGES_PATH = "/_emulator/messages"
TOKENS_PATH = "/_emulator/tokens"

# moto looks through a service's resources while another thread adds to them, which Python refuses ("dictionary changed
# size during iteration"). Stacks that are deployed at once do that to these; each answers within milliseconds.
_ONE_REQUEST_AT_A_TIME = ("apigateway", "iam", "kms", "logs", "monitoring")
_SIGNED_SERVICE = re.compile(r"/([a-z0-9-]+)/aws4_request")


class AwsApplication:
    """WSGI application of the AWS endpoint, for every account and region."""

    def __init__(self, default_account: str, facts: AwsFacts, containers: Containers = CONTAINERS) -> None:
        credentials.install(default_account)
        small.install()
        kms.install()
        awslambda.install()
        sagemaker_metrics.install()
        lambda_use.install()
        sagemaker.install(containers)
        if containers is CONTAINERS:
            sagemaker_runtime.install(ASYNC_INFERENCE)
        apigateway.install()
        DELIVERIES.install()
        EVENT_SOURCES.install()
        self._moto: WSGIApplication = DomainDispatcherApplication(create_backend_app)
        self._locks = {service: threading.RLock() for service in _ONE_REQUEST_AT_A_TIME}
        self._by_path = {
            FAULTS_PATH: create_faults_app(),
            ACCOUNT_PATH: create_account_app(),
            TOKENS_PATH: create_tokens_app(),
            IAM_PATH: create_iam_app(),
            CLOCK_PATH: create_clock_app(),
            MESSAGES_PATH: create_messages_app(),
        }
        self._sign_in = sign_in.create_sign_in_app()
        self._guarded = Guard(AccountServices(self._answer_aws, credentials.account_of_key, facts))
        self._bedrock = bedrock_runtime.create_bedrock_app(credentials.account_of_key)
        clients = Clients(self)
        self._cloudformation = _cloudformation_api(clients)
        ASYNC_INFERENCE.use(clients)
        _let_time_pass()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "")
        if path == HEALTH_PATH:
            body = json.dumps({"status": "ok", "pid": os.getpid()})
            return Response(body, content_type="application/json")(environ, start_response)
        if path in self._by_path:
            return self._by_path[path](environ, start_response)
        if sign_in.serves(environ):
            return self._sign_in(environ, start_response)
        return self._guarded(environ, start_response)

    def _answer_aws(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if "/cloudformation/aws4_request" in environ.get("HTTP_AUTHORIZATION", ""):
            return self._answer_cloudformation(environ, start_response)
        if bedrock_runtime.serves(environ):
            return self._bedrock(environ, start_response)
        signed = _SIGNED_SERVICE.search(environ.get("HTTP_AUTHORIZATION", ""))
        if signed is not None and signed[1] == "application-autoscaling":
            policies.install()
        with self._locks.get(signed[1] if signed else "", nullcontext()):
            return self._moto(environ, start_response)

    def _answer_cloudformation(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, headers, body = self._cloudformation.dispatch(BackendRequest(environ))
        return Response(body, int(headers.pop("status", status)), headers)(environ, start_response)


def load_resource_types() -> None:
    """Import every module of resource types, each of which registers its own."""
    for module in pkgutil.iter_modules(cloudformation.__path__):
        if module.name.startswith("types_"):
            importlib.import_module(f"{cloudformation.__name__}.{module.name}")


def _let_time_pass() -> None:
    """What happens with time, in the order of cause and effect."""
    TICKER.add("message delivery", DELIVERIES.release)
    TICKER.add("asynchronous inference", ASYNC_INFERENCE.step, wait_until_idle=ASYNC_INFERENCE.wait_until_idle)
    TICKER.add("inference components", publish_metrics)
    TICKER.add("scaling", policies.ENGINE.step)
    TICKER.add("schedules", SCHEDULES.step, wait_until_idle=SCHEDULES.wait_until_idle)
    TICKER.add("event sources", EVENT_SOURCES.step, wait_until_idle=EVENT_SOURCES.wait_until_idle)


def _cloudformation_api(clients: Clients) -> type[CloudFormationApi]:
    load_resource_types()
    members = {"store": Store(), "clients": clients}
    return type("CloudFormationApi", (CloudFormationApi,), members)
