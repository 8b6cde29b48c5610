"""The engine: samples of requests in, images out, several at a time.

diffusers has the networks, and loads weights and adapters. The denoising loop is ours, because diffusers' schedulers
lack two of the eleven samplers, some of them are wrong when they start mid-schedule, and its pipelines draw the noise
of a batch with one generator or know no masks with step schedules.

A sample's noise comes from a generator for its seed, on the CPU: an image depends neither on the position in a batch
nor on the device. Levels and latents are in 32 bits; the networks run in the type that `Settings.dtype` names.
"""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from inference.noise_levels import NoiseLevels
from inference.pictures import laid_over
from inference.prompts import Embedding, PromptEncoder
from inference.requests import ImageRequest, Offer
from inference.samplers import SAMPLERS, starts_variance_preserving

_log = logging.getLogger(__name__)
_KIBIBYTE = 1024


class OutOfMemoryError(RuntimeError):
    """The device's memory does not suffice, even for one sample at a time."""


@dataclass(frozen=True)
class Sample:
    """One image of a request."""

    request: ImageRequest
    seed: int


@dataclass(frozen=True)
class Drawing:
    """The images of a batch, in its order; None where the networks gave something that is no number.

    `seconds` is the time on the device for the whole batch, `peak_bytes` the most memory that the device had in use
    meanwhile; on a CPU, that the process ever had. `was_sliced` where memory sufficed only at the second try.
    """

    images: tuple[Image.Image | None, ...]
    seconds: float
    peak_bytes: int
    was_sliced: bool = False


class Engine:
    """SDXL, loaded.

    Args:
        pipeline: A `StableDiffusionXLPipeline` whose networks are on `device`.
        device: Where the networks are.
        loras: The names under which adapters are loaded.
        controls: ControlNets by type, on `device`.
    """

    def __init__(
        self,
        pipeline: Any,
        device: torch.device,
        *,
        loras: frozenset[str] = frozenset(),
        controls: dict[str, Any] | None = None,
    ) -> None:
        self._pipeline, self._device = pipeline, device
        self._unet, self._vae = pipeline.unet, pipeline.vae
        # Once, because each look at a network's type walks through all its modules.
        self._dtype, self._vae_dtype = pipeline.unet.dtype, pipeline.vae.dtype
        self._levels = NoiseLevels.from_config(pipeline.scheduler.config)
        self._prompts = PromptEncoder(pipeline)
        self._controls = controls or {}
        # Pixels for each side of a latent's element.
        self._scale = 2 ** (len(self._vae.config.block_out_channels) - 1)
        self.offer = Offer(loras, frozenset(self._controls))
        if loras:
            pipeline.disable_lora()

    def key(self, request: ImageRequest) -> Hashable:
        """What two requests must have in common to be drawn in one batch."""
        return (
            (request.width, request.height),
            (request.steps, request.sampler, request.start, request.end),
            request.cfg_scale == 1,
            self._prompts.chunks(request.prompts),
            request.loras,
            (request.control.type, request.control.strength) if request.control else None,
        )

    def draw(self, samples: Sequence[Sample]) -> Drawing:
        """Draw samples whose requests have one key.

        Where memory runs out, draws them once more, one at a time and in slices.

        Raises:
            OutOfMemoryError: memory runs out then, too.
        """
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        started, was_sliced = time.perf_counter(), False
        try:
            images = self._draw(samples)
        except torch.OutOfMemoryError:
            _log.warning("out of memory with %d samples: drawing them again, in slices", len(samples))
            was_sliced = True
            images = None
        if images is None:
            # Outside of the except block, which would keep the failed try's tensors alive.
            images = self._draw_in_slices(samples)
        return Drawing(tuple(images), time.perf_counter() - started, self._peak_bytes(), was_sliced)

    def _draw_in_slices(self, samples: Sequence[Sample]) -> list[Image.Image | None]:
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        self._vae.enable_tiling()
        try:
            return [image for sample in samples for image in self._draw([sample], is_sliced=True)]
        except torch.OutOfMemoryError as exc:
            raise OutOfMemoryError("not enough memory for one sample at a time") from exc
        finally:
            self._vae.disable_tiling()

    def _peak_bytes(self) -> int:
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * _KIBIBYTE

    @torch.inference_mode()  # type: ignore[untyped-decorator]  # torch is not there in `make lint`
    def _draw(self, samples: Sequence[Sample], *, is_sliced: bool = False) -> list[Image.Image | None]:
        request = samples[0].request
        levels = self.visited(request)
        if not levels:
            # Nothing is left of the diffusion: the init image stays as it is.
            return [sample.request.init for sample in samples]
        with self._adapters(request):
            batch = _Batch(self, samples, is_sliced=is_sliced)
            x = batch.begin(levels[0])
            latents = SAMPLERS[request.sampler](batch.denoise, x, levels, batch.noise)
        return [self._finished(sample, latent) for sample, latent in zip(samples, latents, strict=True)]

    def visited(self, request: ImageRequest) -> list[float]:
        """The levels from the start of a request's diffusion to its end; the last is 0, for an image without noise."""
        levels = self._levels.visited(request.steps)
        first, last = _steps_of(request.steps, request.start), _steps_of(request.steps, request.end)
        if request.start > 0:
            first = max(first, last + 1)
        return [*levels[request.steps - first : request.steps - last], 0.0] if first > last else []

    @contextmanager
    def _adapters(self, request: ImageRequest) -> Any:
        """Have a request's LoRA adapters count, and none otherwise."""
        if not request.loras:
            yield
            return
        self._pipeline.enable_lora()
        try:
            self._pipeline.set_adapters([lora.name for lora in request.loras], [lora.weight for lora in request.loras])
            yield
        finally:
            self._pipeline.disable_lora()

    def _finished(self, sample: Sample, latent: Tensor) -> Image.Image | None:
        """Decode a latent; one at a time, because the decoder takes more memory than all else."""
        scaled = latent[None] / self._vae.config.scaling_factor
        pixels = self._vae.decode(scaled.to(self._vae_dtype), return_dict=False)[0][0].float()
        if not torch.isfinite(pixels).all():
            return None
        values = (pixels / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).mul(255).round().to(torch.uint8)
        image = Image.fromarray(values.cpu().numpy())
        request = sample.request
        if request.mask is None or request.init is None:
            return image
        return laid_over(image, request.init, request.mask)

    def encode_image(self, image: Image.Image) -> Tensor:
        """The latent of an image, of shape (4, height / 8, width / 8): the mean of what the encoder gives."""
        pixels = torch.from_numpy(np.array(image, np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
        encoded = self._vae.encode(pixels.to(self._device, self._vae_dtype)).latent_dist.mode()
        return encoded[0].float() * self._vae.config.scaling_factor

    def latent_mask(self, mask: Image.Image) -> Tensor:
        """1 where any pixel under a latent's element is to be drawn anew, of shape (1, height / 8, width / 8)."""
        pixels = torch.from_numpy(np.array(mask, np.float32))[None].to(self._device)
        return torch.nn.functional.max_pool2d((pixels > 0).float(), self._scale)

    def latent_shape(self, request: ImageRequest) -> tuple[int, int, int]:
        """Channels, rows and columns of a latent."""
        return self._unet.config.in_channels, request.height // self._scale, request.width // self._scale


class _Batch:
    """One run of the denoising loop: what stays the same over its steps."""

    def __init__(self, engine: Engine, samples: Sequence[Sample], *, is_sliced: bool) -> None:
        self._engine, self._samples, self._is_sliced = engine, samples, is_sliced
        self._device, self._request = engine._device, samples[0].request
        self._generators = [torch.Generator("cpu").manual_seed(sample.seed) for sample in samples]
        self._scales = self._column([sample.request.cfg_scale for sample in samples])
        self._dtype = engine._dtype
        self._told = self._conditions()
        self._inits, self._masks = self._init_latents()
        self._control = self._control_images()

    def begin(self, sigma: float) -> Tensor:
        """The latents that a sampler starts with, at level `sigma`."""
        noise = self.noise()
        is_full = self._request.start >= 1
        level = (sigma**2 + 1) ** 0.5 if is_full and starts_variance_preserving(self._request.sampler) else sigma
        x = level * noise
        if self._inits is None:
            return x
        if not is_full:
            return self._inits + x
        # From pure noise; under a mask, only what is drawn anew.
        return x if self._masks is None else (1 - self._masks) * self._inits + x

    def noise(self) -> Tensor:
        """Standard normal noise, each sample's from its own seed."""
        shape = self._engine.latent_shape(self._request)
        return torch.stack([torch.randn(shape, generator=one) for one in self._generators]).to(self._device)

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """The estimate of the clean latents, guided by the prompts; what a mask keeps is known."""
        found = torch.cat([self._predict(x, sigma, conditions) for conditions in self._told])
        if len(found) > len(x):
            unguided, guided = found.chunk(2)
            found = unguided + self._scales * (guided - unguided)
        if self._engine._levels.prediction == "epsilon":
            clean = x - sigma * found
        else:
            clean = x / (sigma**2 + 1) - found * (sigma / (sigma**2 + 1) ** 0.5)
        if self._masks is None or self._inits is None:
            return clean
        return self._masks * clean + (1 - self._masks) * self._inits

    def _conditions(self) -> list[dict[str, Any]]:
        """What the network is told, for each of its runs in a step: one, or where memory is short one a side."""
        passes = self._text_passes()
        groups = passes if self._is_sliced else [[embedding for one in passes for embedding in one]]
        size = (self._request.height, self._request.width)
        found = []
        for embeddings in groups:
            # Original size, crop and target size (SDXL's paper, 2.2): a whole image of the size of the answer.
            ids = torch.tensor([[*size, 0, 0, *size]] * len(embeddings), device=self._device)
            pooled = torch.stack([embedding.pooled for embedding in embeddings])
            tokens = torch.stack([embedding.tokens for embedding in embeddings])
            added = {"text_embeds": pooled.to(self._dtype), "time_ids": ids.to(self._dtype)}
            found.append({"encoder_hidden_states": tokens.to(self._dtype), "added_cond_kwargs": added})
        return found

    def _predict(self, x: Tensor, sigma: float, conditions: dict[str, Any]) -> Tensor:
        repeats = len(conditions["encoder_hidden_states"]) // len(x)
        inputs = (x / (sigma**2 + 1) ** 0.5).repeat(repeats, 1, 1, 1).to(self._dtype)
        timestep = torch.full((len(inputs),), self._engine._levels.timestep(sigma), device=self._device)
        extra = self._controlled(inputs, timestep, conditions, repeats)
        return self._engine._unet(inputs, timestep, **conditions, **extra, return_dict=False)[0].float()

    def _controlled(self, inputs: Tensor, timestep: Tensor, conditions: dict[str, Any], repeats: int) -> dict[str, Any]:
        control = self._request.control
        if control is None or self._control is None:
            return {}
        down, middle = self._engine._controls[control.type](
            inputs,
            timestep,
            **conditions,
            controlnet_cond=self._control.repeat(repeats, 1, 1, 1),
            conditioning_scale=control.strength,
            return_dict=False,
        )
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}

    def _text_passes(self) -> list[list[Embedding]]:
        """For each pass of the network an embedding a sample. With guidance there are two, first what is not shown."""
        encoder = self._engine._prompts
        found: dict[int, tuple[Embedding, Embedding]] = {}
        for sample in self._samples:
            request = sample.request
            if id(request) not in found:
                found[id(request)] = encoder.encode(request.prompts, encoder.chunks(request.prompts))
        shown = [found[id(sample.request)][0] for sample in self._samples]
        if self._request.cfg_scale == 1:
            return [shown]
        return [[found[id(sample.request)][1] for sample in self._samples], shown]

    def _init_latents(self) -> tuple[Tensor | None, Tensor | None]:
        if self._request.init is None:
            return None, None
        inits, masks, seen = [], [], dict[int, tuple[Tensor, Tensor | None]]()
        for sample in self._samples:
            request = sample.request
            if id(request) not in seen:
                seen[id(request)] = self._init_latent(request)
            latent, mask = seen[id(request)]
            inits.append(latent)
            masks.append(torch.ones_like(latent[:1]) if mask is None else mask)
        has_masks = any(sample.request.mask is not None for sample in self._samples)
        return torch.stack(inits), torch.stack(masks) if has_masks else None

    def _init_latent(self, request: ImageRequest) -> tuple[Tensor, Tensor | None]:
        init = request.init
        if init is None:
            raise ValueError("a batch has requests with and without an init image")
        if request.mask is None:
            return self._engine.encode_image(init), None
        if request.start >= 1:
            # What is drawn anew from pure noise must not shine through its neighbours' latents.
            grey = Image.new("RGB", init.size, (127, 127, 127))
            init = Image.composite(grey, init, request.mask.point([0] + [255] * 255))
        return self._engine.encode_image(init), self._engine.latent_mask(request.mask)

    def _control_images(self) -> Tensor | None:
        if self._request.control is None:
            return None
        images = [sample.request.control.image for sample in self._samples if sample.request.control]
        values = np.stack([np.array(image, np.float32) for image in images]) / 255
        pixels = torch.from_numpy(values).permute(0, 3, 1, 2)
        return pixels.to(self._device, self._dtype)

    def _column(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, device=self._device)[:, None, None, None]


def _steps_of(steps: int, share: float) -> int:
    """How many of `steps` a share of the diffusion is, rounded down, as Stability AI's and diffusers' code does."""
    # 0.29 x 100 is 28.999999999999996.
    return int(steps * share + 1e-9)


Draw = Callable[[Sequence[Sample]], Drawing]
