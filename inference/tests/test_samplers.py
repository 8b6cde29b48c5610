"""Each sampler against another implementation: k-diffusion's, and diffusers' for the two that k-diffusion lacks."""

import importlib.util
import itertools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import diffusers
import pytest
import torch

from inference.noise_levels import NoiseLevels
from inference.prompts import PromptEncoder
from inference.requests import CONTRACT, Prompt
from inference.samplers import SAMPLERS, starts_variance_preserving

TOLERANCE = 1e-4
STEPS = 10
SHAPE = (2, 4, 8, 8)
K_DIFFUSION = {
    "K_DPMPP_2M": "sample_dpmpp_2m",
    "K_DPMPP_2S_ANCESTRAL": "sample_dpmpp_2s_ancestral",
    "K_DPMPP_SDE": "sample_dpmpp_sde",
    "K_DPM_2": "sample_dpm_2",
    "K_DPM_2_ANCESTRAL": "sample_dpm_2_ancestral",
    "K_EULER": "sample_euler",
    "K_EULER_ANCESTRAL": "sample_euler_ancestral",
    "K_HEUN": "sample_heun",
    "K_LMS": "sample_lms",
}


@pytest.fixture(scope="module")
def k_diffusion() -> Any:
    """k-diffusion's samplers and its wrapper of a model that predicts noise.

    Its `__init__` imports its training, with libraries that are not installed; the two modules need only `utils`, and
    that only for functions on pictures torchvision.
    """
    spec = importlib.util.find_spec("k_diffusion")
    assert spec is not None
    assert spec.submodule_search_locations
    package = ModuleType("k_diffusion")
    package.__path__ = list(spec.submodule_search_locations)
    transforms = ModuleType("torchvision.transforms")
    transforms.functional = None  # type: ignore[attr-defined]
    stand_ins = {"k_diffusion": package, "torchvision": ModuleType("torchvision"), "torchvision.transforms": transforms}
    before = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        package.sampling = importlib.import_module("k_diffusion.sampling")  # type: ignore[attr-defined]
        package.external = importlib.import_module("k_diffusion.external")  # type: ignore[attr-defined]
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    return package


class Noises:
    """The same sequence of noise for both implementations."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self) -> torch.Tensor:
        return torch.randn(SHAPE, generator=self._generator)


class BrownianPath:
    """k-diffusion's noise by levels, from a sequence of independent normal noise: a path that remembers its points."""

    def __init__(self, noises: Noises) -> None:
        self._noises, self._points = noises, dict[float, torch.Tensor]()

    def __call__(self, sigma: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
        start, end = float(sigma), float(following)
        known = {round(level, 4): value for level, value in self._points.items()}
        if not self._points or round(start, 4) not in known:
            self._points[start] = torch.zeros(SHAPE)
            known[round(start, 4)] = self._points[start]
        lowest = min(self._points)
        self._points[end] = self._points[lowest] + (lowest - end) ** 0.5 * self._noises()
        return (self._points[end] - known[round(start, 4)]) / (start - end) ** 0.5


class Model(NamedTuple):
    """The tiny UNet with prompts: (latents scaled for it, timesteps) to predicted noise."""

    network: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    scheduler: Any
    levels: NoiseLevels

    def draw(self, name: str, x: torch.Tensor, sigmas: list[float], noises: Noises) -> torch.Tensor:
        def denoise(latents: torch.Tensor, sigma: float) -> torch.Tensor:
            timesteps = torch.full((len(latents),), self.levels.timestep(sigma))
            return latents - sigma * self.network(latents / (sigma**2 + 1) ** 0.5, timesteps)

        with torch.inference_mode():
            return SAMPLERS[name](denoise, x, sigmas, noises)


@pytest.fixture(scope="module")
def model(pipeline: Any) -> Model:
    with torch.inference_mode():
        shown, _ = PromptEncoder(pipeline).encode([Prompt("a puppy on a sledge")], 1)
    tokens, pooled = shown.tokens.expand(2, -1, -1), shown.pooled.expand(2, -1)
    ids = torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 2)

    def predict(x: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        conditions = {"text_embeds": pooled, "time_ids": ids}
        return pipeline.unet(
            x, timesteps, encoder_hidden_states=tokens, added_cond_kwargs=conditions, return_dict=False
        )[0]

    return Model(predict, pipeline.scheduler, NoiseLevels.from_config(pipeline.scheduler.config))


@pytest.mark.parametrize("skipped", [0, 4], ids=["full", "mid-schedule"])
@pytest.mark.parametrize("name", sorted(K_DIFFUSION))
def test_a_sampler_draws_what_k_diffusion_draws(name, skipped, k_diffusion, model):
    sigmas = model.levels.visited(STEPS)[skipped:]
    x = sigmas[0] * Noises(1)()
    alphas = model.scheduler.alphas_cumprod
    denoiser = k_diffusion.external.DiscreteEpsDDPMDenoiser(model.network, alphas, quantize=False)
    sampler = getattr(k_diffusion.sampling, K_DIFFUSION[name])
    noises = Noises(2)
    options: dict[str, Any] = {}
    if name == "K_DPMPP_SDE":
        options["noise_sampler"] = BrownianPath(noises)
    elif "ANCESTRAL" in name:
        options["noise_sampler"] = lambda *_: noises()
    with torch.inference_mode():
        theirs = sampler(denoiser, x, torch.tensor(sigmas), disable=True, **options)
    found = model.draw(name, x, sigmas, Noises(2))
    assert (found - theirs).abs().max() < TOLERANCE


@pytest.mark.parametrize("skipped", [0, 4], ids=["full", "mid-schedule"])
@pytest.mark.parametrize("name", ["DDIM", "DDPM"])
def test_ddim_and_ddpm_draw_what_diffusers_draws(name, skipped, model):
    config = {"timestep_spacing": "trailing", "clip_sample": False}
    if name == "DDIM":
        # Down to no noise at all; SDXL's configuration, made for another grid, would leave the first timestep's.
        config["set_alpha_to_one"] = True
    kind = getattr(diffusers, f"{name}Scheduler")
    scheduler = kind.from_config(model.scheduler.config, **config)
    scheduler.set_timesteps(STEPS)
    sigmas = model.levels.visited(STEPS)[skipped:]
    latents = Noises(1)()
    noises = Noises(2)
    theirs = latents
    generator = torch.Generator().manual_seed(2)
    with torch.inference_mode():
        for timestep in scheduler.timesteps[skipped:]:
            noise = model.network(theirs, torch.full((2,), float(timestep)))
            # DDPM draws from a generator, as `Noises` does.
            theirs = scheduler.step(noise, timestep, theirs, generator=generator).prev_sample
    assert starts_variance_preserving(name)
    found = model.draw(name, (sigmas[0] ** 2 + 1) ** 0.5 * latents, sigmas, noises)
    assert (found - theirs).abs().max() < TOLERANCE


def test_the_comparison_tells_samplers_apart(model):
    sigmas, x = model.levels.visited(STEPS), model.levels.visited(STEPS)[0] * Noises(1)()
    # DDIM and DDPM are two of the others, and begin with another latent.
    drawn = {name: model.draw(name, x, sigmas, Noises(2)) for name in K_DIFFUSION}
    for first, second in itertools.combinations(drawn.values(), 2):
        assert (first - second).abs().max() > 100 * TOLERANCE


def test_every_sampler_of_the_api_is_compared_above():
    assert set(K_DIFFUSION) | {"DDIM", "DDPM"} == set(SAMPLERS) == set(CONTRACT["samplers"])


def test_the_levels_are_those_of_diffusers_with_trailing_spacing(model):
    scheduler = diffusers.EulerDiscreteScheduler.from_config(model.scheduler.config, timestep_spacing="trailing")
    for steps in (10, 30, 50, 150):
        scheduler.set_timesteps(steps)
        assert torch.tensor(model.levels.visited(steps)).allclose(scheduler.sigmas, atol=1e-4)


def test_a_level_between_two_timesteps_is_a_timestep_between_them(model):
    first, second = model.levels.visited(1000)[499:501]
    assert model.levels.timestep(first) == pytest.approx(500, abs=1e-6)
    assert model.levels.timestep((first * second) ** 0.5) == pytest.approx(499.5, abs=1e-6)
