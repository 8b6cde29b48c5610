"""Fifty clients before a model that draws one image in three seconds: what they get, and what that costs.

SDXL_LOAD_SECONDS says for how long (60 by default). Everything happens on the loopback interface.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field

import pytest
from deployed_api import DeployedApi

pytestmark = pytest.mark.allow_loopback

CLIENTS = 50
MODEL_SECONDS = 3.0
SECONDS = float(os.environ.get("SDXL_LOAD_SECONDS", "60"))
# The clients come one after the other within this time: two processors take so long to start an execution environment
# for each, which Lambda starts all at once. How quickly a client is refused is measured after it.
START_SECONDS = min(25.0, SECONDS / 2)
# The API waits this long for the model; who is admitted last has an answer by then.
ANSWER_SECONDS = 40
_PATH = "/v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image"


@dataclass
class Seen:
    """What the clients saw."""

    images: dict[int, list[int]] = field(default_factory=dict)
    refusals: list[float] = field(default_factory=list)
    early: int = 0
    others: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def _client(api: DeployedApi, number: int, until: float, seen: Seen) -> None:
    """Ask for one image after another, each with a seed of its own, and do as Retry-After says."""
    count = 0
    while time.monotonic() < until:
        seed = 1 + number * 1_000 + count
        body = {"text_prompts": [{"text": "a puppy"}], "seed": seed, "width": 128, "height": 128, "steps": 10}
        headers = {"Content-Type": "application/json", "x-api-key": api.key, "Idempotency-Key": f"load-{seed}"}
        request = urllib.request.Request(f"{api.url}{_PATH}", json.dumps(body).encode(), headers)
        started = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                artifacts = json.load(answer)["artifacts"]
            with seen.lock:
                seen.images[seed] = [artifact["seed"] for artifact in artifacts]
            count += 1
        except urllib.error.HTTPError as exc:
            seconds = time.monotonic() - started
            with seen.lock:
                if exc.code == 429 and started < until - SECONDS + START_SECONDS:
                    seen.early += 1
                elif exc.code == 429:
                    seen.refusals.append(seconds)
                else:
                    seen.others.append(f"{exc.code} after {seconds:.1f} s: {exc.read()[:200]!r}")
            time.sleep(min(float(exc.headers.get("Retry-After") or 1), max(0.0, until - time.monotonic())))


def _faults(api: DeployedApi, method: str, fault: dict[str, object] | None = None) -> None:
    request = urllib.request.Request(
        f"{api.emulator_url}/_emulator/faults",
        None if fault is None else json.dumps(fault).encode(),
        {"Content-Type": "application/json"},
        method=method,
    )
    urllib.request.urlopen(request, timeout=10).close()


def _left(api: DeployedApi) -> int:
    with urllib.request.urlopen(f"{api.emulator_url}/_emulator/faults", timeout=10) as answer:
        return int(json.load(answer)["times_left"])


@pytest.mark.timeout(SECONDS + 400)
def test_goodput_stays_at_capacity_and_nothing_is_drawn_in_vain(api: DeployedApi) -> None:
    many = 1_000_000
    seen = Seen()
    _faults(api, "PUT", {"fault": "queued", "seconds": MODEL_SECONDS, "times": many})
    # A deployment that has drawn nothing yet does not know how long an image takes, and admits too many at once.
    _client(api, CLIENTS, time.monotonic() + 0.1, Seen())
    many_left = _left(api)
    started = time.monotonic()
    clients = [
        threading.Thread(target=_client, args=(api, number, started + SECONDS, seen)) for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()
        time.sleep(START_SECONDS / CLIENTS)
    for client in clients:
        client.join()
    seconds = time.monotonic() - started
    calls = many_left - _left(api)
    _faults(api, "DELETE")

    delivered = len(seen.images)
    p95 = statistics.quantiles(seen.refusals, n=20)[-1]
    refusals = f"{seen.early} and {len(seen.refusals)} refusals, p95 {p95:.3f} s"
    figures = f"{delivered} images, {calls} calls, {refusals}, in {seconds:.0f} s"
    sys.stdout.write(f"{figures}\n")
    # Nothing is lost, and nobody has another's image.
    assert not seen.others, figures
    assert all(seeds == [asked] for asked, seeds in seen.images.items())
    assert calls <= 1.1 * delivered, figures
    assert delivered >= 0.7 * seconds / MODEL_SECONDS, figures
    assert p95 < 0.3, figures
