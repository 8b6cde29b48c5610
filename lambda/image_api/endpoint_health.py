"""Whether the model can be called, as `GET /health` reports it: the status of its endpoint, if it has one.

Where SageMaker does not say, the last known status is reported, as such: images may come all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from image_api.settings import Settings

# An endpoint changes its status in minutes; monitors call every few seconds, and DescribeEndpoint is throttled.
_CACHE_SECONDS = 15.0
# When to try again. The open variant may load its model for a minute and more after its endpoint is in service; a try
# every half minute neither wastes that time nor piles up requests in front of the model.
NOT_READY_SECONDS = 30
# SageMaker, DescribeEndpoint: while an endpoint is updated or maintained, or an update is rolled back, its previous
# configuration goes on serving.
NOT_FOUND = "NotFound"
UNKNOWN = "Unknown"
# A model of Bedrock is served without one.
NO_ENDPOINT = "NoEndpoint"
SERVING_STATUSES = frozenset({"InService", "Updating", "SystemUpdating", "RollingBack", NO_ENDPOINT})


class EndpointStatus(NamedTuple):
    """The status of an endpoint; `is_current` unless SageMaker could not be asked, and it is the last known one."""

    name: str
    is_current: bool = True

    @property
    def health(self) -> Literal["ok", "degraded", "unavailable"]:
        """Whether the model can be called: `degraded` where that is not known for certain."""
        if self.name in SERVING_STATUSES:
            return "ok" if self.is_current else "degraded"
        return "degraded" if self.name == UNKNOWN else "unavailable"


class ModelHealth(Protocol):
    """What `GET /health` reads."""

    @property
    def client(self) -> Any:
        """The client that reads the status, created at first use; None where there is nothing to read."""

    def status(self) -> EndpointStatus:
        """The status to report."""

    def instances(self) -> int:
        """How many instances the endpoint has, as far as is known; at least 1."""


def create_sagemaker_client() -> Any:
    """A `sagemaker` client that answers well within API Gateway's patience."""
    return boto3.client(
        "sagemaker",
        config=Config(connect_timeout=1.0, read_timeout=2.0, retries={"total_max_attempts": 2, "mode": "standard"}),
    )


class EndpointHealth:
    """The endpoint's status, read at most every 15 seconds."""

    def __init__(
        self,
        *,
        endpoint_name: str,
        create_client: Callable[[], Any] = create_sagemaker_client,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint_name = endpoint_name
        self._create_client = create_client
        self._clock = clock
        self._status = EndpointStatus(UNKNOWN, is_current=False)
        self._instances = 1
        self._fresh_until = float("-inf")

    @cached_property
    def client(self) -> Any:
        """The SageMaker client. Creating it reads a large service description, so only who needs it pays for it."""
        return self._create_client()

    def status(self) -> EndpointStatus:
        """SageMaker's `EndpointStatus`, `NotFound`, or the last known one; `Unknown` where there is none."""
        self._refresh()
        return self._status

    def instances(self) -> int:
        """The instances of all production variants together; the last known number, at first 1."""
        self._refresh()
        return self._instances

    def _refresh(self) -> None:
        if self._clock() < self._fresh_until:
            return
        try:
            description = self.client.describe_endpoint(EndpointName=self._endpoint_name)
        except ClientError as exc:
            # SageMaker reports a missing endpoint as ValidationException: Could not find endpoint.
            is_missing = exc.response.get("Error", {}).get("Code") in ("ValidationException", "ResourceNotFound")
            self._status = (
                EndpointStatus(NOT_FOUND) if is_missing else EndpointStatus(self._status.name, is_current=False)
            )
        except BotoCoreError:
            self._status = self._last_known()
        else:
            self._status = EndpointStatus(str(description["EndpointStatus"]))
            variants = description.get("ProductionVariants") or ()
            self._instances = max(1, sum(variant.get("CurrentInstanceCount") or 0 for variant in variants))
        self._fresh_until = self._clock() + _CACHE_SECONDS

    def _last_known(self) -> EndpointStatus:
        return EndpointStatus(self._status.name, is_current=False)


class NoEndpointHealth:
    """Of a model of Bedrock: there is nothing to start or to describe, and a call to find out costs an image."""

    client = None

    def status(self) -> EndpointStatus:
        """`NoEndpoint`."""
        return EndpointStatus(NO_ENDPOINT)

    def instances(self) -> int:
        """None that anyone could count; the least that is meant anywhere."""
        return 1


def create_health(settings: Settings) -> ModelHealth:
    """The health of the deployed model source."""
    if settings.model_source == "bedrock":
        return NoEndpointHealth()
    return EndpointHealth(endpoint_name=settings.endpoint_name)
