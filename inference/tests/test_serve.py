"""The server as a process under uvicorn, as a container runs it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest

from inference.serve import main
from inference.tests.support import body

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """`python -m inference.serve`, with its log in a file."""

    def __init__(self, folder, log, **variables):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.log = log
        environment = os.environ | {
            "SDXL_RELEASE_FOLDER": str(folder),
            "SDXL_DEVICE": "cpu",
            "SDXL_WARM_SIZES": "128x128",
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "OMP_NUM_THREADS": "1",
            **variables,
        }
        self._file = log.open("w")
        command = [sys.executable, "-m", "inference.serve"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=self._file, stderr=self._file)
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)

    def ping(self):
        try:
            return self.client.get("/ping").status_code
        except httpx2.ConnectError:
            return None

    def pings_until(self, status):
        seen = []
        while True:
            assert self.process.poll() is None, self.log.read_text()
            seen.append(self.ping())
            if seen[-1] == status:
                return seen
            time.sleep(0.02)

    def end(self):
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._file.close()


@pytest.fixture
def start(tmp_path):
    running = []

    def _start(folder, **variables):
        running.append(Process(folder, tmp_path / f"{len(running)}.log", **variables))
        return running[-1]

    yield _start
    for process in running:
        process.end()


@pytest.mark.timeout(400)
def test_ping_is_503_until_the_first_answer_and_sigterm_ends_cleanly(release_folder, start):
    server = start(release_folder)
    seen = server.pings_until(200)
    assert 503 in seen
    assert set(seen) <= {None, 503, 200}
    assert server.client.post("/invocations", content=body()).status_code == 200
    # A request that is being drawn is answered before the end.
    answers = []
    long = threading.Thread(
        target=lambda: answers.append(
            server.client.post("/invocations", content=body(steps=150, samples=4)).status_code
        )
    )
    long.start()
    time.sleep(0.5)
    server.process.send_signal(signal.SIGTERM)
    long.join(60)
    assert answers == [200]
    assert server.process.wait(60) == 0
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    ready = next(line for line in lines if line["message"] == "ready")
    assert {"release", "verify_seconds", "load_seconds", "warm_seconds"} <= set(ready)
    drawn = [line for line in lines if line["message"] == "drawn"]
    assert [line["samples"] for line in drawn] == [1, 4]


@pytest.mark.timeout(400)
def test_sigterm_ends_a_server_that_still_loads(release_folder, start):
    server = start(release_folder, SDXL_WARM_SIZES="1024x1024")
    server.pings_until(503)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0


def test_a_wrong_setting_is_one_line(monkeypatch, capsys):
    monkeypatch.setenv("SDXL_DTYPE", "int8")
    assert main() == 2
    assert capsys.readouterr().err == "error: SDXL_DTYPE is 'int8', allowed is one of float32, bfloat16, float16.\n"
