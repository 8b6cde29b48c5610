"""Schemathesis by the served OpenAPI document against the deployed API: no 5xx, no wrong answer, no hang."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from deployed_api import DeployedApi

pytestmark = pytest.mark.allow_loopback

HERE = Path(__file__).parent
LEAST_REQUESTS = 3_000
TIME_LIMIT_SECONDS = 1_500


@pytest.mark.timeout(TIME_LIMIT_SECONDS + 300)
def test_no_request_breaks_the_api(api: DeployedApi, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(HERE / "schemathesis.toml")]
    command += ["run", f"{api.url}/openapi.json", "--url", api.url, "--report-json-path", str(report)]

    result = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "SDXL_API_KEY": api.key, "PYTHONPATH": str(HERE), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
        check=False,
    )

    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr[-5_000:]
    summary = json.loads(report.read_text())
    assert summary["complete"]
    assert summary["operations"]["tested"] == summary["operations"]["total"]
    assert summary["test_cases"]["generated"] >= LEAST_REQUESTS
