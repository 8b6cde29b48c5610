"""The inference containers: one model server process per deployed model, started and stopped with its endpoint."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import random
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator import lifeline
from emulator.monitoring import logs

EndpointKey = tuple[str, str, str]
"""Account, region and endpoint name."""

_logger = logging.getLogger(__name__)
_ROOT = Path(__file__).resolve().parent.parent
_SERVING = re.compile(rb"serving \S+ on 127\.0\.0\.1:(\d+)")
_STOP_GRACE_SECONDS = 5.0


class ContainerError(RuntimeError):
    """A container cannot be started for a model; the message is the endpoint's failure reason."""


def variant_of(model: Mapping[str, Any]) -> str:
    """Which variant of the model server stands in for a SageMaker model.

    `model` is a model as CloudFormation or DescribeModel gives it, or its container definition alone.
    """
    container = container_definition(model)
    image = str(container.get("Image") or "")
    if container.get("ModelPackageName"):
        return "optimized"
    if "stabilityai-pytorch-inference" in image:
        return "open"
    raise ContainerError(
        f"no stand-in for a model with Image {image!r} and without ModelPackageName: it must have a ModelPackageName "
        "(the optimized model) or an Image of stabilityai-pytorch-inference (the open model)"
    )


def container_definition(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """The model's only container; an inference pipeline of several is refused."""
    containers = model.get("Containers") or ([model["PrimaryContainer"]] if model.get("PrimaryContainer") else [model])
    if len(containers) != 1:
        raise ContainerError(
            f"an inference pipeline of {len(containers)} containers is not emulated: use one container"
        )
    found: Mapping[str, Any] = containers[0]
    return found


@dataclass
class _Container:
    process: subprocess.Popen[bytes]
    variant: str
    model: str
    log: Callable[[str], None]
    port: int | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    announced: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def follow_output(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - spawned with a pipe
        with self.process.stdout as output:
            for line in output:
                text = line.decode(errors="replace").rstrip()
                self.tail.append(text)
                self.log(text)
                serving = _SERVING.match(line)
                if serving:
                    self.port = int(serving[1])
                    self.announced.set()
        self.announced.set()


@dataclass(frozen=True)
class Serving:
    """The container that answers one invocation: where it listens, what stands in there, and for which model."""

    url: str
    variant: str
    model: str


class Containers:
    """Every running container, by endpoint and production variant.

    During a guarded update a variant has two: the one that serves, and the one that is staged to take over, which gets
    a share of the invocations.
    """

    def __init__(self, *, start_timeout_seconds: float = 30) -> None:
        self._start_timeout_seconds = start_timeout_seconds
        self._running: dict[tuple[EndpointKey, str], _Container] = {}
        self._staged: dict[tuple[EndpointKey, str], _Container] = {}
        self._shares: dict[EndpointKey, float] = {}
        self._lock = threading.Lock()
        self._starting_shared = threading.Lock()

    def start(
        self, endpoint_key: EndpointKey, model: Mapping[str, Any], *, production_variant: str = "primary"
    ) -> None:
        """Start the model's container and swap it for the one that served before, which is stopped afterwards.

        Raises ContainerError with the endpoint's failure reason; what served before then keeps serving.
        """
        started = self._start(endpoint_key, model, production_variant)
        with self._lock:
            before = self._running.get((endpoint_key, production_variant))
            self._running[endpoint_key, production_variant] = started
        if before:
            _stop(before)

    def stage(self, endpoint_key: EndpointKey, model: Mapping[str, Any], *, production_variant: str) -> None:
        """Start the model's container next to the one that serves; it gets no invocation until `shift`.

        Raises ContainerError with the endpoint's failure reason.
        """
        started = self._start(endpoint_key, model, production_variant)
        with self._lock:
            self._staged[endpoint_key, production_variant] = started

    def shift(self, endpoint_key: EndpointKey, share: float) -> None:
        """Let the staged containers of an endpoint answer this share of its invocations, from 0 to 1."""
        with self._lock:
            self._shares[endpoint_key] = share

    def promote(self, endpoint_key: EndpointKey) -> None:
        """Put the staged containers in the place of those that served, which are stopped."""
        with self._lock:
            staged = {key: self._staged.pop(key) for key in list(self._staged) if key[0] == endpoint_key}
            before = [self._running.pop(key) for key in list(self._running) if key[0] == endpoint_key]
            self._running |= staged
            self._shares.pop(endpoint_key, None)
        for container in before:
            _stop(container)

    def discard(self, endpoint_key: EndpointKey) -> None:
        """Stop the staged containers; those that serve get every invocation again."""
        with self._lock:
            self._shares.pop(endpoint_key, None)
            staged = [self._staged.pop(key) for key in list(self._staged) if key[0] == endpoint_key]
        for container in staged:
            _stop(container)

    def stop(self, endpoint_key: EndpointKey, *, production_variant: str | None = None) -> None:
        """Stop an endpoint's containers, or only one production variant's. Nothing happens where none runs."""
        with self._lock:
            stopped = [
                containers.pop(key)
                for containers in (self._running, self._staged)
                for key in list(containers)
                if key[0] == endpoint_key and production_variant in {None, key[1]}
            ]
        for container in stopped:
            _stop(container)

    def variants(self, endpoint_key: EndpointKey) -> list[str]:
        """Names of the production variants of an endpoint that have a container."""
        with self._lock:
            return [name for key, name in self._running if key == endpoint_key]

    def serving(self, endpoint_key: EndpointKey, *, production_variant: str = "primary") -> Serving:
        """The container that answers the next invocation of a production variant; KeyError where none runs."""
        with self._lock:
            staged = self._staged.get((endpoint_key, production_variant))
            share = self._shares.get(endpoint_key, 0.0)
        container = staged if staged and random.random() < share else self._find(endpoint_key, production_variant)  # noqa: S311 - traffic
        return Serving(container.url, container.variant, container.model)

    def shared_url(self, variant: str) -> str:
        """Where a variant listens that belongs to no endpoint, as Bedrock's models; its first request starts it.

        Raises ContainerError where it does not start.
        """
        key: EndpointKey = ("", "", variant)
        with self._starting_shared:
            try:
                return self._find(key, "primary").url
            except KeyError:
                started = self._start_variant(variant, variant, {}, _logger.debug, "primary")
            with self._lock:
                self._running[key, "primary"] = started
            return started.url

    def stop_all(self) -> None:
        """Stop every container."""
        with self._lock:
            stopped = [*self._running.values(), *self._staged.values()]
            self._running.clear()
            self._staged.clear()
        for container in stopped:
            _stop(container)

    def _find(self, endpoint_key: EndpointKey, production_variant: str) -> _Container:
        with self._lock:
            found = self._running.get((endpoint_key, production_variant))
        if found is None:
            raise KeyError(
                f"no container of endpoint {endpoint_key} runs for production variant {production_variant!r}"
            )
        return found

    def _start(self, endpoint_key: EndpointKey, model: Mapping[str, Any], production_variant: str) -> _Container:
        account, region, endpoint_name = endpoint_key
        stream = f"{production_variant}/local-{uuid.uuid4().hex[:12]}"

        def log(line: str) -> None:
            logs.put_lines(account, region, log_group(endpoint_name), stream, [line])

        definition = container_definition(model)
        started = self._start_variant(
            variant_of(model), endpoint_name, definition.get("Environment") or {}, log, production_variant
        )
        started.model = describe_model(definition)
        return started

    def _start_variant(
        self,
        variant: str,
        name: str,
        environment: Mapping[str, Any],
        log: Callable[[str], None],
        production_variant: str,
    ) -> _Container:
        process = lifeline.spawn(
            [
                *(sys.executable, "-m", "emulator.model_server", "--port", "0", "--variant", variant),
                *("--name", name, "--end-with-stdin"),
            ],
            environment={"PATH": os.defpath, **{key: str(value) for key, value in environment.items()}},
            directory=_ROOT,
            output=subprocess.PIPE,
        )
        container = _Container(process, variant, variant, log)
        threading.Thread(target=container.follow_output, name=f"container-{name}", daemon=True).start()
        try:
            self._wait_until_healthy(container, production_variant)
        except ContainerError:
            _stop(container)
            raise
        return container

    def _wait_until_healthy(self, container: _Container, production_variant: str) -> None:
        deadline = time.monotonic() + self._start_timeout_seconds
        reason = "it did not say where it listens"
        if container.announced.wait(self._start_timeout_seconds) and container.port is not None:
            while time.monotonic() < deadline and container.process.poll() is None:
                reason = _ping(container.url)
                if not reason:
                    return
                time.sleep(0.02)
        if container.announced.is_set() and container.port is None:
            # Its output has ended, so that the process is about to.
            with contextlib.suppress(subprocess.TimeoutExpired):
                container.process.wait(_STOP_GRACE_SECONDS)
        if container.process.poll() is not None:
            reason = f"it ended with status {container.process.returncode}"
        raise ContainerError(
            f"The primary container for production variant {production_variant} did not pass the ping health check "
            f"within {self._start_timeout_seconds:g} s: {reason}. "
            f"Its last output: {' | '.join(container.tail) or 'none'}"
        )


def describe_model(container: Mapping[str, Any]) -> str:
    """What identifies a model version: its package, or its image and artifact."""
    parts = (container.get(name) for name in ("ModelPackageName", "Image", "ModelDataUrl"))
    return " ".join(str(part) for part in parts if part)


def log_group(endpoint_name: str) -> str:
    """The log group that SageMaker gives an endpoint's containers."""
    return f"/aws/sagemaker/Endpoints/{endpoint_name}"


def _ping(url: str) -> str:
    """Empty when healthy, else why not."""
    try:
        with urllib.request.urlopen(f"{url}/ping", timeout=2) as answer:  # noqa: S310 - our own loopback address
            answer.read()
    except (OSError, urllib.error.URLError) as exc:
        return f"GET /ping: {exc}"
    return ""


def _stop(container: _Container) -> None:
    lifeline.stop(container.process, grace_seconds=_STOP_GRACE_SECONDS)


CONTAINERS = Containers()
atexit.register(CONTAINERS.stop_all)
