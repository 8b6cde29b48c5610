"""Our own model server's engine beside diffusers' own pipeline: the same weights, steps, sampler and noise.

`make bench-inference` measures the tiny model on this machine's CPU, which says something about overhead and nothing
about GPUs. With real weights and a GPU: `--release FOLDER --size 1024 --steps 20`. Each way of drawing runs in its own
process, so that peak memory is that way's, and is loaded and warmed before its time is taken.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from PIL import Image

from inference.engine import Sample
from inference.loading import build_engine
from inference.release import verify
from inference.requests import ImageRequest, Prompt
from inference.settings import Settings
from inference.tiny import write_release

PROMPT, HIDDEN = "a puppy on a sledge in the snow", "blurry"
GUIDANCE = 8.0
SEED = 20250401
# Name of a way: which program, in which type, how many images together.
WAYS = {
    "diffusers, batch 1": ("diffusers", 1),
    "engine, batch 1": ("engine", 1),
    "diffusers, batch 4": ("diffusers", 4),
    "engine, batch 4": ("engine", 4),
}

Images = list[Image.Image]


def main() -> int:
    """Measure, and print a table or JSON."""
    options = _options()
    if options.way is not None:
        sys.stdout.write(json.dumps(_measured(options)))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        if options.release is None:
            options.release = Path(scratch) / "release"
            write_release(options.release)
        found = {way: _in_a_process(options, way, Path(scratch) / f"{index}.png") for index, way in enumerate(WAYS)}
        pictures = [np.array(Image.open(Path(scratch) / f"{index}.png"), int) for index in range(2)]
    difference = int(np.abs(pictures[0] - pictures[1]).max())
    report = {"machine": _machine(), "size": options.size, "steps": options.steps, "ways": found}
    report["largest_difference_in_levels_of_255"] = difference
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        _print_table(report)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-inference ARGS=...", description=__doc__)
    parser.add_argument("--release", type=Path, help="a release with real weights; without it, the tiny model")
    parser.add_argument("--size", type=int, default=128, help="width and height in pixels")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--runs", type=int, default=10, help="batches that are timed, for each way")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], help="by default that of the server")
    parser.add_argument("--usd-per-hour", type=float, help="the price of the instance, for images per dollar")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--picture", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _in_a_process(options: argparse.Namespace, way: str, picture: Path) -> dict[str, Any]:
    arguments = ["--release", options.release, "--size", options.size, "--steps", options.steps, "--runs", options.runs]
    arguments += ["--way", way, "--picture", picture]
    for name in ("dtype", "usd_per_hour"):
        if getattr(options, name) is not None:
            arguments += [f"--{name.replace('_', '-')}", getattr(options, name)]
    command = [sys.executable, "-m", "benchmarks.inference", *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    program, samples = WAYS[options.way]
    started = time.perf_counter()
    draw = {"engine": _engine, "diffusers": _diffusers}[program](options, samples)
    loaded = time.perf_counter()
    draw()[0].save(options.picture)
    warm = time.perf_counter()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(options.runs):
        began = time.perf_counter()
        draw()
        seconds.append(time.perf_counter() - began)
    measured = {
        "images_per_second": samples / statistics.median(seconds),
        "p50_seconds": statistics.median(seconds),
        "p95_seconds": float(np.percentile(seconds, 95)),
        "peak_memory_bytes": _peak_memory(),
        "load_seconds": loaded - started,
        "warm_up_seconds": warm - loaded,
    }
    if options.usd_per_hour:
        measured["images_per_usd"] = measured["images_per_second"] * 3600 / options.usd_per_hour
    return measured


def _engine(options: argparse.Namespace, samples: int) -> Callable[[], Images]:
    engine = build_engine(verify(options.release), Settings(dtype=options.dtype))
    request = ImageRequest(
        prompts=(Prompt(PROMPT), Prompt(HIDDEN, -1.0)),
        width=options.size,
        height=options.size,
        cfg_scale=GUIDANCE,
        steps=options.steps,
        sampler="K_EULER",
        seeds=tuple(range(SEED, SEED + samples)),
    )
    batch = [Sample(request, seed) for seed in request.seeds]

    def draw() -> Images:
        return [image for image in engine.draw(batch).images if image is not None]

    return draw


def _diffusers(options: argparse.Namespace, samples: int) -> Callable[[], Images]:
    """The pipeline as its documentation shows it, with the engine's spacing and noise."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = getattr(torch, options.dtype or ("bfloat16" if device == "cuda" else "float32"))
    pipeline = StableDiffusionXLPipeline.from_pretrained(
        verify(options.release).base, dtype=dtype, use_safetensors=True, local_files_only=True, add_watermarker=False
    ).to(device)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config, timestep_spacing="trailing")
    pipeline.set_progress_bar_config(disable=True)
    shape = (pipeline.unet.config.in_channels, options.size // pipeline.vae_scale_factor)
    shape += (options.size // pipeline.vae_scale_factor,)

    def draw() -> Images:
        generators = [torch.Generator("cpu").manual_seed(SEED + index) for index in range(samples)]
        noise = torch.stack([torch.randn(shape, generator=one) for one in generators])
        images: Images = pipeline(
            PROMPT,
            negative_prompt=HIDDEN,
            width=options.size,
            height=options.size,
            num_inference_steps=options.steps,
            guidance_scale=GUIDANCE,
            num_images_per_prompt=samples,
            latents=noise.to(device, dtype),
        ).images
        return images

    return draw


def _peak_memory() -> int:
    """Of the GPU while the batches were timed; without one, of the process since it began."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _machine() -> dict[str, str]:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    return {"device": device, "platform": platform.platform(), "torch": torch.__version__}


def _print_table(report: dict[str, Any]) -> None:
    machine = report["machine"]
    print(
        f"{machine['device']}, torch {machine['torch']}; {report['size']} pixels square, {report['steps']} Euler steps"
    )
    print(f"{'':<20}{'images/s':>10}{'p50 s':>9}{'p95 s':>9}{'peak MB':>9}{'load s':>9}{'warm s':>9}{'images/USD':>12}")
    for way, one in report["ways"].items():
        figures = f"{one['images_per_second']:>10.2f}{one['p50_seconds']:>9.3f}{one['p95_seconds']:>9.3f}"
        figures += f"{one['peak_memory_bytes'] / 1e6:>9.0f}{one['load_seconds']:>9.2f}{one['warm_up_seconds']:>9.2f}"
        per_usd = f"{one['images_per_usd']:.0f}" if "images_per_usd" in one else "-"
        print(f"{way:<20}{figures}{per_usd:>12}")
    difference = report["largest_difference_in_levels_of_255"]
    print(f"largest difference of a pixel between the two programs: {difference} of 255")


if __name__ == "__main__":
    sys.exit(main())
