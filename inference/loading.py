"""From a folder to an engine that has drawn its first image: verified, loaded, warm."""

from __future__ import annotations

import logging
import time
from typing import Any

import torch
from diffusers import ControlNetModel, StableDiffusionXLPipeline
from diffusers.utils.logging import disable_progress_bar
from transformers.utils.logging import disable_progress_bar as disable_transformers_progress_bar

from inference.engine import Engine, Sample
from inference.release import Release, lora_file, verify
from inference.requests import ImageRequest, Prompt
from inference.settings import Settings

_log = logging.getLogger(__name__)
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# A step of each kind that there is: with and without a step before it.
_WARM_STEPS = 3
_WARM_SEED = 1


class UnusableWeightsError(RuntimeError):
    """The release is whole, and its weights draw no image."""


def load(settings: Settings) -> Engine:
    """Verify the release, load it, and draw an image of each warm size.

    Raises:
        InvalidReleaseError: the release is not whole.
        UnusableWeightsError: the weights give something that is no number.
    """
    started = time.monotonic()
    release = verify(settings.folder, digest=settings.digest)
    verified = time.monotonic()
    engine = build_engine(release, settings)
    loaded = time.monotonic()
    for width, height in settings.warm_sizes:
        _warm(engine, width, height)
    _log.info(
        "ready",
        extra={
            "figures": {
                "release": release.digest,
                "verify_seconds": round(verified - started, 3),
                "load_seconds": round(loaded - verified, 3),
                "warm_seconds": round(time.monotonic() - loaded, 3),
            }
        },
    )
    return engine


def build_engine(release: Release, settings: Settings) -> Engine:
    """Load a verified release onto the device."""
    # They would be in the log, a line for each step.
    disable_progress_bar()
    disable_transformers_progress_bar()
    device = torch.device(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = _DTYPES[settings.dtype or ("bfloat16" if device.type == "cuda" else "float32")]
    pipeline = StableDiffusionXLPipeline.from_pretrained(
        release.base, dtype=dtype, use_safetensors=True, local_files_only=True, add_watermarker=False
    )
    for name, folder in release.loras.items():
        pipeline.load_lora_weights(folder, weight_name=lora_file(folder), adapter_name=name, local_files_only=True)
    pipeline.to(device)
    if dtype == torch.float16 and pipeline.vae.config.force_upcast:
        # SDXL 1.0's own decoder leaves the range of float16 and draws black images. Weights with the repaired decoder
        # say so by `force_upcast: false`.
        pipeline.vae.to(torch.float32)
    if device.type == "cuda":
        # The order in which convolutions on GPUs read.
        pipeline.unet.to(memory_format=torch.channels_last)
        pipeline.vae.to(memory_format=torch.channels_last)
    controls = {kind: _controlnet(folder, dtype, device) for kind, folder in release.controlnets.items()}
    return Engine(pipeline, device, loras=frozenset(release.loras), controls=controls)


def _controlnet(folder: Any, dtype: torch.dtype, device: torch.device) -> Any:
    network = ControlNetModel.from_pretrained(folder, dtype=dtype, use_safetensors=True, local_files_only=True)
    return network.to(device)


def _warm(engine: Engine, width: int, height: int) -> None:
    request = ImageRequest(
        prompts=(Prompt("a puppy"),),
        width=width,
        height=height,
        cfg_scale=7.0,
        steps=_WARM_STEPS,
        sampler="K_DPMPP_2M",
        seeds=(_WARM_SEED,),
    )
    if engine.draw([Sample(request, _WARM_SEED)]).images[0] is None:
        raise UnusableWeightsError(f"the weights draw no image of {width}x{height}: their output is not a number.")
