"""The function: its cold start against bare boto3, and its own time around a warm request."""

from __future__ import annotations

from benchmarks.measure import Measurement, best_in_turns, run_python_for_json

RUNS = 9
# What a caller waits beside the model for the usual request. The others move more bytes and have no goal of their own.
WARM_GOALS_MS = {"JSON in, PNG out": 5.0}
# Beside a handler that does no more than parse and write with the standard library's `json`, in the same run.
GOAL_BESIDE_PLAIN_MS = 2.0
GOAL_COLD_START = 1.2
VARIABLES = {
    "SDXL_ENVIRONMENT": "dev",
    "SDXL_MODEL_SOURCE": "open",
    "SDXL_ENDPOINT_NAME": "sdxl-dev",
    "SDXL_IMAGES_BUCKET": "images",
    "SDXL_IMAGE_LINK_TTL_SECONDS": "3600",
    "SDXL_TIMEOUT_SECONDS": "29",
    "SDXL_CORS_ALLOW_ORIGINS": "",
    "POWERTOOLS_SERVICE_NAME": "image-api",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "POWERTOOLS_TRACE_DISABLED": "true",
    "AWS_LAMBDA_FUNCTION_NAME": "image-api",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_EC2_METADATA_DISABLED": "true",
    "PYTHONPATH": "lambda",
}

# The interpreter's own start is in neither, which makes the ratio the stricter one.
_TIMED = "import time; started = time.perf_counter(); {code}; print(time.perf_counter() - started)"
_FUNCTION = "import image_api.api"
_BARE = "import boto3; boto3.client('sagemaker-runtime')"


def measure() -> list[Measurement]:
    """Measure both."""
    return [_cold_start(), *_warm_requests()]


def _cold_start() -> Measurement:
    times = best_in_turns(RUNS, function=lambda: _timed(_FUNCTION), bare=lambda: _timed(_BARE))
    return Measurement(
        name="Cold start of the function / of boto3 and its client alone",
        value=times["function"] / times["bare"],
        unit="x",
        goal=GOAL_COLD_START,
        detail=f"{times['function'] * 1000:.0f} ms / {times['bare'] * 1000:.0f} ms, fresh processes, best of {RUNS}",
    )


def _timed(code: str) -> float:
    return float(run_python_for_json(["-c", _TIMED.format(code=code)], VARIABLES))


def _warm_requests() -> list[Measurement]:
    figures = run_python_for_json(["-m", "benchmarks.warm_requests"], {**VARIABLES, "PYTHONPATH": "lambda:."})
    plain = figures["JSON in, JSON out"]
    return [
        Measurement(
            name="Function's own time beyond a plain json.loads and json.dumps handler's, 1024x1024, JSON",
            value=max(0.0, plain["seconds"] - plain["plain_seconds"]) * 1000,
            unit="ms",
            goal=GOAL_BESIDE_PLAIN_MS,
            detail=f"medians: {plain['seconds'] * 1000:.1f} ms, plain {plain['plain_seconds'] * 1000:.1f} ms",
        )
    ] + [
        Measurement(
            name=f"Function's own time, 1024x1024: {name}",
            value=seen["seconds"] * 1000,
            unit="ms",
            goal=WARM_GOALS_MS.get(name),
            detail=f"median; {seen['seconds'] / seen['copy_seconds']:.0f} x copying its {seen['megabytes']:.1f} MB "
            f"in and out once; peak {seen['peak_megabytes']:.0f} MB",
        )
        for name, seen in figures.items()
    ]
