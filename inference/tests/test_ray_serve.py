"""The server under Ray Serve, as AWS's image starts it: by `ray_config.yaml`, with a CPU in place of the GPU.

Ray has 0.4 GB and is not in the lock. `uv pip install --python .local/inference/bin/python "ray[serve]"` adds it.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from inference.tests.support import body

pytest.importorskip("ray", reason="ray[serve] is not installed")
ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "inference" / "ray_config.yaml"


@pytest.mark.timeout(600)
def test_under_ray_the_first_200_is_from_a_model_that_draws(release_folder, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "config.yaml"
    text = CONFIG.read_text().replace("num_gpus: 1", "num_cpus: 1")
    config.write_text(f"{text}http_options:\n  host: 127.0.0.1\n  port: {port}\n")
    environment = os.environ | {
        "SDXL_RELEASE_FOLDER": str(release_folder),
        "SDXL_DEVICE": "cpu",
        "SDXL_WARM_SIZES": "128x128",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_raylet_start_wait_time_s": "240",
    }
    log = tmp_path / "ray.log"
    with log.open("w") as output, httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        command = [str(Path(sys.executable).with_name("serve")), "run", str(config)]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=output, stderr=output)
        try:
            seen = []
            while not seen or seen[-1] != 200:
                assert process.poll() is None, log.read_text()
                try:
                    seen.append(client.get("/").status_code)
                except httpx2.TransportError:
                    seen.append(None)
                time.sleep(0.2)
            assert set(seen) <= {None, 404, 503, 200}
            answer = client.post("/", content=body(samples=2))
            assert answer.status_code == 200
            assert [one["finishReason"] for one in answer.json()["artifacts"]] == ["SUCCESS", "SUCCESS"]
            assert "device_ms" in answer.headers["x-amzn-sagemaker-custom-attributes"]
            wrong = client.post("/", content=body(steps=1))
            assert (wrong.status_code, wrong.json()["field"]) == (400, "steps")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
