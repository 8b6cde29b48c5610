"""The deployed environment that is looked at: its API, its stacks' resources, and AWS as its credentials see it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import httpx2
from boto3.session import Session

from sdxl.client import Client, GenerationRequest, GenerationResult, Retries
from sdxl.deployment.record import Deployment
from stacks.environment import Environment

Outcome = Literal["seen", "failed", "unknown", "not here"]

# A first image may wait for the model to load.
_RETRIES = Retries(for_seconds=300)
_HTTP_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a check saw.

    `seen`: the point can be judged by `saw`. `failed`: it is not as documented. `unknown`: the call was refused or
    brought nothing. `not here`: the environment has nothing that this check is about.
    """

    outcome: Outcome
    saw: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """One point: its name, the question that it settles, and the function that looks."""

    name: str
    question: str
    look: Callable[[Deployed], Observation]


class Deployed:
    """A deployed environment. Calls of AWS only read; the API gets a few requests, of which some make images."""

    def __init__(
        self,
        environment: Environment,
        session: Session,
        deployment: Deployment,
        *,
        client: Client | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Look at `environment` with the session's credentials. Tests give `client` and `transport`."""
        self.environment = environment
        self.deployment = deployment
        self.session = session
        self._client = client or Client(deployment.api_url, deployment.api_key or None, retries=_RETRIES)
        self._transport = transport
        self._images: dict[str, GenerationResult] = {}

    def aws(self, service: str) -> Any:
        """Return a boto3 client in the environment's region."""
        return self.session.client(service)

    def generate(self, name: str, request: GenerationRequest) -> tuple[GenerationResult, float]:
        """Return the images of a request and the seconds that it took. Raises SdxlError, as the client does."""
        started = time.monotonic()
        result = self._client.generate(request)
        self._images[name] = result
        return result, time.monotonic() - started

    @property
    def has_made_an_image(self) -> bool:
        """Whether an earlier check got an image."""
        return any(result.images for result in self._images.values())

    def get(self, path: str, *, key: bool = True) -> httpx2.Response:
        """Return the answer to GET `path` below the API's address, as it is: no redirect, no retry."""
        headers = {"x-api-key": self.deployment.api_key} if key and self.deployment.api_key else {}
        with httpx2.Client(timeout=_HTTP_SECONDS, transport=self._transport) as http:
            return http.get(f"{self.deployment.api_url}{path}", headers=headers)

    def resources(self, stack: str, kind: str) -> list[str]:
        """Return the physical ids of a stack's resources of one CloudFormation type."""
        return [item["PhysicalResourceId"] for item in self._stack(stack) if item["ResourceType"] == kind]

    @cached_property
    def endpoint(self) -> dict[str, Any] | None:
        """The SageMaker endpoint as DescribeEndpoint has it; None for a model of Bedrock."""
        names = self.resources("Inference", "AWS::SageMaker::Endpoint")
        if not names:
            return None
        name = names[0].rpartition("/")[2]
        return dict(self.aws("sagemaker").describe_endpoint(EndpointName=name))

    def functions(self) -> Iterator[dict[str, Any]]:
        """Yield the newest published version of each function, as its configuration has it."""
        for name in self.resources("Api", "AWS::Lambda::Function"):
            versions = self.aws("lambda").list_versions_by_function(FunctionName=name)["Versions"]
            yield versions[-1]

    def _stack(self, name: str) -> list[dict[str, Any]]:
        if name not in self._stacks:
            stack = f"sdxl-{self.environment.name}-{name}"
            answer = self.aws("cloudformation").describe_stack_resources(StackName=stack)
            self._stacks[name] = [item for item in answer["StackResources"] if "PhysicalResourceId" in item]
        return self._stacks[name]

    @cached_property
    def _stacks(self) -> dict[str, list[dict[str, Any]]]:
        return {}
