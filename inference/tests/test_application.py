"""The server over ASGI, in this process: the contract of SageMaker's containers, batches, errors."""

import asyncio
import base64
import io
import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from PIL import Image

from inference.application import Server
from inference.batching import Batcher, BusyError
from inference.engine import Drawing, Engine, OutOfMemoryError, Sample
from inference.loading import load
from inference.requests import Offer
from inference.settings import InvalidSettingsError, Settings
from inference.tests.support import body, picture

TINY = Settings(device="cpu", warm_sizes=((128, 128),))


class Running:
    """A server whose lifespan runs, with a client."""

    def __init__(self, load_engine, settings=TINY):
        self.server = Server(load_engine, settings)
        self._application = self.server.application()

    async def __aenter__(self):
        self._lifespan = self._application.router.lifespan_context(self._application)
        await self._lifespan.__aenter__()
        transport = httpx2.ASGITransport(app=self._application)
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://server")
        return self

    async def __aexit__(self, *_):
        await self.client.aclose()
        await self._lifespan.__aexit__(None, None, None)

    async def ping(self):
        return (await self.client.get("/ping")).status_code

    async def until(self, state):
        while self.server.state != state:
            await asyncio.sleep(0.01)

    async def draw(self, accept="application/json;png", **fields):
        return await self.client.post("/invocations", content=body(**fields), headers={"Accept": accept})


class FakeEngine:
    """An engine that draws grey, and remembers its batches."""

    offer = Offer()

    def __init__(self, seconds=0.0, error=None):
        self.batches, self._seconds, self._error = [], seconds, error

    def key(self, request):
        return request.steps

    def draw(self, samples):
        self.batches.append([sample.seed for sample in samples])
        time.sleep(self._seconds)
        if self._error:
            raise self._error
        images = tuple(None if sample.seed == 13 else picture() for sample in samples)
        return Drawing(images, self._seconds, 1_000_000)


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario, 100))


def test_the_server_is_ready_when_an_image_can_be_drawn_and_not_before(release_folder, engine):
    loading, go_on = threading.Event(), threading.Event()

    def slow():
        loading.set()
        assert go_on.wait(60)
        return load(Settings(folder=release_folder, device="cpu", warm_sizes=((128, 128),)))

    async def scenario():
        async with Running(slow) as running:
            await asyncio.to_thread(loading.wait, 60)
            assert await running.ping() == 503
            refused = await running.draw()
            assert (refused.status_code, refused.json()["name"]) == (503, "not_ready")
            assert refused.headers["retry-after"]
            go_on.set()
            await running.until("ready")
            assert await running.ping() == 200
            drawn = await running.draw(samples=2, seed=5)
            assert drawn.status_code == 200
            return drawn

    drawn = run(scenario())
    artifacts = drawn.json()["artifacts"]
    assert drawn.json()["result"] == "success"
    assert [(one["seed"], one["finishReason"]) for one in artifacts] == [(5, "SUCCESS"), (6, "SUCCESS")]
    for one in artifacts:
        image = Image.open(io.BytesIO(base64.b64decode(one["base64"])))
        assert (image.format, image.size) == ("PNG", (128, 128))
    figures = dict(part.split("=") for part in drawn.headers["x-amzn-sagemaker-custom-attributes"].split(";"))
    assert set(figures) == {"device_ms", "wait_ms", "batch_samples", "peak_memory_mb", "sliced"}
    assert figures["batch_samples"] == "2"
    assert int(figures["device_ms"]) > 0
    assert int(figures["peak_memory_mb"]) > 0


def test_a_corrupted_release_never_becomes_ready(release_folder, tmp_path, caplog):
    folder = tmp_path / "release"
    shutil.copytree(release_folder, folder)
    weights = folder / "base/unet/diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 0xFF
    weights.write_bytes(data)

    async def scenario():
        async with Running(lambda: load(Settings(folder=folder, device="cpu"))) as running:
            await running.until("failed")
            await asyncio.sleep(0.1)
            assert await running.ping() == 503
            assert (await running.draw()).status_code == 503

    run(scenario())
    assert "is not the file of manifest.json" in caplog.text


def test_weights_that_draw_nothing_never_become_ready(release_folder, monkeypatch, caplog):
    drawn = Drawing((None,), 0.1, 1)
    monkeypatch.setattr(Engine, "draw", lambda *_: drawn)

    async def scenario():
        async with Running(lambda: load(Settings(folder=release_folder, device="cpu"))) as running:
            await running.until("failed")
            assert await running.ping() == 503

    run(scenario())
    assert "draw no image of 1024x1024" in caplog.text


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "PNG"),
        ("*/*", "PNG"),
        ("application/json", "PNG"),
        ("application/json;png", "PNG"),
        ("application/json; jpeg", "JPEG"),
        ("application/json;webp", "WEBP"),
        ("application/json;q=0.9", "PNG"),
        ("image/png", None),
        ("application/json;gif", None),
    ],
)
def test_accept_names_the_format_of_the_images(accept, expected):
    async def scenario():
        async with Running(FakeEngine) as running:
            await running.until("ready")
            return await running.draw(accept)

    answer = run(scenario())
    if expected is None:
        assert answer.status_code == 406
        return
    file = base64.b64decode(answer.json()["artifacts"][0]["base64"])
    assert Image.open(io.BytesIO(file)).format == expected


def test_wrong_fields_are_a_400_that_names_them():
    async def scenario():
        async with Running(FakeEngine) as running:
            await running.until("ready")
            return await running.draw(steps=1, sampler="x"), await running.draw(text_prompts=[])

    several, prompts = run(scenario())
    assert several.status_code == prompts.status_code == 400
    assert [problem["field"] for problem in several.json()["problems"]] == ["steps", "sampler"]
    assert (several.json()["name"], several.json()["field"]) == ("bad_request", "steps")
    assert prompts.json()["name"] == "invalid_prompts"
    assert "steps is 1" in several.json()["message"]


def test_an_image_that_is_no_number_says_so():
    async def scenario():
        async with Running(FakeEngine) as running:
            await running.until("ready")
            return await running.draw(seed=12, samples=2)

    artifacts = run(scenario()).json()["artifacts"]
    assert [one["finishReason"] for one in artifacts] == ["SUCCESS", "ERROR"]
    assert artifacts[1]["base64"] == ""


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [(OutOfMemoryError("full"), 503, "out_of_memory"), (ValueError("broken"), 500, "generation_error")],
)
def test_a_failed_batch_is_an_error_and_the_next_is_drawn(error, status, name):
    engine = FakeEngine(error=error)

    async def scenario():
        async with Running(lambda: engine) as running:
            await running.until("ready")
            failed = await running.draw()
            engine._error = None
            return failed, await running.draw(), await running.ping()

    failed, drawn, ping = run(scenario())
    assert (failed.status_code, failed.json()["name"]) == (status, name)
    assert (drawn.status_code, ping) == (200, 200)


def test_requests_of_one_key_share_a_batch_and_others_do_not():
    engine = FakeEngine(seconds=0.05)
    settings = Settings(max_batch_samples=3)

    async def scenario():
        async with Running(lambda: engine, settings) as running:
            await running.until("ready")
            answers = await asyncio.gather(
                *(running.draw(seed=seed, steps=steps) for seed, steps in [(1, 10), (2, 20), (3, 10), (4, 10), (5, 10)])
            )
            return [answer.json()["artifacts"][0]["seed"] for answer in answers]

    assert run(scenario()) == [1, 2, 3, 4, 5]
    assert sorted(seed for batch in engine.batches for seed in batch) == [1, 2, 3, 4, 5]
    assert max(len(batch) for batch in engine.batches) <= 3
    assert len(engine.batches) < 5
    assert [2] in engine.batches


def batcher(draw, **options):
    defaults = {"max_samples": 4, "wait_seconds": 0.05, "max_waiting": 8}
    return Batcher(draw, ThreadPoolExecutor(1), **defaults | options)


def samples_of(make, *seeds):
    return [Sample(make(), seed) for seed in seeds]


def test_a_lonely_request_waits_no_longer_than_it_must(make):
    engine = FakeEngine()

    async def scenario():
        one = batcher(engine.draw)
        task = asyncio.create_task(one.run())
        started = time.monotonic()
        await one.submit("key", samples_of(make, 1))
        alone = time.monotonic() - started
        started = time.monotonic()
        await one.submit("key", samples_of(make, 1, 2, 3, 4))
        task.cancel()
        return alone, time.monotonic() - started

    alone, full = run(scenario())
    assert 0.045 < alone < 2
    assert full < alone or full < 0.045


def test_samples_beyond_a_batch_are_drawn_in_the_next(make):
    engine = FakeEngine()

    async def scenario():
        one = batcher(engine.draw, wait_seconds=0)
        task = asyncio.create_task(one.run())
        drawn = await one.submit("key", samples_of(make, *range(1, 7)))
        task.cancel()
        return drawn

    drawn = run(scenario())
    assert engine.batches == [[1, 2, 3, 4], [5, 6]]
    assert [one.index for one in drawn] == [0, 1, 2, 3, 0, 1]


def test_more_than_may_wait_is_refused(make):
    async def scenario():
        one = batcher(FakeEngine().draw)
        waiting = asyncio.create_task(one.submit("key", samples_of(make, *range(1, 9))))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await one.submit("key", samples_of(make, 9))
        waiting.cancel()

    run(scenario())


def test_nobody_draws_for_a_caller_who_left(make):
    engine = FakeEngine(seconds=0.1)

    async def scenario():
        one = batcher(engine.draw, wait_seconds=0)
        task = asyncio.create_task(one.run())
        first = asyncio.create_task(one.submit("a", samples_of(make, 1)))
        await asyncio.sleep(0.03)
        gone = asyncio.create_task(one.submit("b", samples_of(make, 2)))
        last = asyncio.create_task(one.submit("c", samples_of(make, 3)))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.gather(first, last)
        task.cancel()

    run(scenario())
    assert engine.batches == [[1], [3]]


def test_settings_are_read_from_the_environment():
    settings = Settings.from_environment(
        {
            "SDXL_WARM_SIZES": "1024x1024, 1344x768",
            "SDXL_BATCH_WAIT_MS": "0",
            "SDXL_DTYPE": "float16",
            "SDXL_DEVICE": "",
        }
    )
    assert settings.warm_sizes == ((1024, 1024), (1344, 768))
    assert (settings.batch_wait_seconds, settings.dtype, settings.device) == (0, "float16", None)
    assert Settings.from_environment({}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SDXL_DTYPE", "int8"),
        ("SDXL_BATCH_WAIT_MS", "51"),
        ("SAGEMAKER_BIND_TO_PORT", "http"),
        ("SDXL_WARM_SIZES", "big"),
    ],
)
def test_a_wrong_setting_is_named(name, value):
    with pytest.raises(InvalidSettingsError, match=name):
        Settings.from_environment({name: value})


def test_the_body_is_json():
    async def scenario():
        async with Running(FakeEngine) as running:
            await running.until("ready")
            return await running.client.post("/invocations", content=b"{")

    answer = run(scenario())
    assert (answer.status_code, json.loads(answer.content)["field"]) == (400, "")
