"""The eleven samplers, each as one function over noise levels.

A latent image `x` at noise level `sigma` is the clean latent plus `sigma` times standard normal noise, and
`denoise(x, sigma)` is the model's estimate of the clean latent. A sampler walks down `sigmas`, a falling list that ends
with 0 for a clean image. Started further down the list with a latent of that level, it does image-to-image.

Coefficients are Python's floats, of 64 bits, because differences of logarithms lose the digits of 32. Sources:

- Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models": Euler, Heun, and the noise of
  the ancestral samplers.
- Lu et al. 2022, "DPM-Solver" and "DPM-Solver++": the two DPM and three DPM++ samplers.
- Song et al. 2021, "Denoising Diffusion Implicit Models": DDIM. Ho et al. 2020: DDPM.
- `inference/tests/test_samplers.py` compares each with another implementation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from torch import Tensor

Denoise = Callable[[Tensor, float], Tensor]
# Standard normal noise in the shape of the latents, new with each call.
Noise = Callable[[], Tensor]
Sampler = Callable[[Denoise, Tensor, Sequence[float], Noise], Tensor]

_LMS_ORDER = 4
# Gauss and Legendre's rule with two points integrates polynomials of degree 3 exactly: those of a method of order 4.
_GAUSS_POINTS = (-1 / math.sqrt(3), 1 / math.sqrt(3))


def euler(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Tensor:  # noqa: ARG001 - a sampler's signature
    """First order, without noise."""
    for sigma, following in pairwise(sigmas):
        x = _step(x, denoise(x, sigma), sigma, following)
    return x


def euler_ancestral(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Tensor:
    """First order; each step goes further down, and adds new noise up to the level that it was to reach."""
    for sigma, following in pairwise(sigmas):
        down, up = _ancestral(sigma, following)
        x = _step(x, denoise(x, sigma), sigma, down)
        if following > 0:
            x = x + up * noise()
    return x


def heun(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Tensor:  # noqa: ARG001 - a sampler's signature
    """Second order: the mean of the slopes at both ends. Two evaluations a step, except for the last."""
    for sigma, following in pairwise(sigmas):
        denoised = denoise(x, sigma)
        ahead = _step(x, denoised, sigma, following)
        if following > 0:
            slope = (x - denoised) / sigma
            slope_ahead = (ahead - denoise(ahead, following)) / following
            ahead = x + (following - sigma) * (slope + slope_ahead) / 2
        x = ahead
    return x


def dpm_2(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Tensor:  # noqa: ARG001 - a sampler's signature
    """Second order: the slope in the middle of a step, by the logarithm. Two evaluations a step, one in the last."""
    for sigma, following in pairwise(sigmas):
        x = _midpoint_step(denoise, x, sigma, following)
    return x


def dpm_2_ancestral(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Tensor:
    """`dpm_2` with new noise at each step."""
    for sigma, following in pairwise(sigmas):
        down, up = _ancestral(sigma, following)
        x = _midpoint_step(denoise, x, sigma, down)
        if following > 0:
            x = x + up * noise()
    return x


def lms(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Tensor:  # noqa: ARG001 - a sampler's signature
    """A linear multistep method of order 4 (Adams and Bashforth): one evaluation a step, and the last four slopes."""
    slopes: list[Tensor] = []
    for index, (sigma, following) in enumerate(pairwise(sigmas)):
        slopes = [(x - denoise(x, sigma)) / sigma, *slopes][:_LMS_ORDER]
        nodes = [sigmas[index - back] for back in range(len(slopes))]
        for slope, weight in zip(slopes, _adams_bashforth(nodes, sigma, following), strict=True):
            x = x + weight * slope
    return x


def dpmpp_2s_ancestral(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Tensor:
    """DPM++ of second order in one step, with new noise at each step."""
    for sigma, following in pairwise(sigmas):
        denoised = denoise(x, sigma)
        down, up = _ancestral(sigma, following)
        if down > 0:
            middle = math.sqrt(sigma * down)
            denoised = denoise(_step(x, denoised, sigma, middle), middle)
        x = _step(x, denoised, sigma, down)
        if following > 0:
            x = x + up * noise()
    return x


def dpmpp_sde(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Tensor:
    """DPM++ as a stochastic equation: the noise of a step and that of its first half come from one Brownian motion."""
    for sigma, following in pairwise(sigmas):
        denoised = denoise(x, sigma)
        if following == 0:
            return denoised
        middle = math.sqrt(sigma * following)
        # Over the two halves of the step, in lengths of sigma. Motions over parts that do not overlap are independent,
        # so there is nothing to remember from step to step.
        first = math.sqrt(sigma - middle) * noise()
        second = math.sqrt(middle - following) * noise()
        down, up = _ancestral(sigma, middle)
        ahead = _step(x, denoised, sigma, down) + up / math.sqrt(sigma - middle) * first
        denoised = denoise(ahead, middle)
        down, up = _ancestral(sigma, following)
        x = _step(x, denoised, sigma, down) + up / math.sqrt(sigma - following) * (first + second)
    return x


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Tensor:  # noqa: ARG001 - a sampler's signature
    """DPM++ of second order over two steps: one evaluation a step, and the estimate before it."""
    before: tuple[float, Tensor] | None = None
    for sigma, following in pairwise(sigmas):
        denoised = denoise(x, sigma)
        corrected = denoised
        if before is not None and following > 0:
            # Half the ratio of this step's length to the one before, both by the logarithm.
            weight = math.log(sigma / following) / math.log(before[0] / sigma) / 2
            corrected = (1 + weight) * denoised - weight * before[1]
        x = _step(x, corrected, sigma, following)
        before = (sigma, denoised)
    return x


def starts_variance_preserving(name: str) -> bool:
    """Whether a sampler begins with a latent of variance 1 in all: `sqrt(1 + sigma^2)` of noise in place of `sigma`.

    True for DDIM and DDPM. Written over noise levels, DDIM without noise is Euler, and DDPM is Euler with ancestral
    noise: the posterior's mean and variance (Ho et al. 2020, equation 7) are `_ancestral`'s two levels. What remains of
    the difference is how they begin.
    """
    return name in {"DDIM", "DDPM"}


SAMPLERS: dict[str, Sampler] = {
    "DDIM": euler,
    "DDPM": euler_ancestral,
    "K_DPMPP_2M": dpmpp_2m,
    "K_DPMPP_2S_ANCESTRAL": dpmpp_2s_ancestral,
    "K_DPMPP_SDE": dpmpp_sde,
    "K_DPM_2": dpm_2,
    "K_DPM_2_ANCESTRAL": dpm_2_ancestral,
    "K_EULER": euler,
    "K_EULER_ANCESTRAL": euler_ancestral,
    "K_HEUN": heun,
    "K_LMS": lms,
}


def _step(x: Tensor, denoised: Tensor, sigma: float, following: float) -> Tensor:
    """Go straight towards `denoised`, from level `sigma` to level `following`."""
    ratio = following / sigma
    return ratio * x + (1 - ratio) * denoised


def _midpoint_step(denoise: Denoise, x: Tensor, sigma: float, following: float) -> Tensor:
    denoised = denoise(x, sigma)
    if following == 0:
        return denoised
    middle = math.sqrt(sigma * following)
    halfway = _step(x, denoised, sigma, middle)
    return x + (following - sigma) * (halfway - denoise(halfway, middle)) / middle


def _ancestral(sigma: float, following: float) -> tuple[float, float]:
    """The level to step down to, and how much new noise leads from there to `following`; their squares add up."""
    return following**2 / sigma, following * math.sqrt(sigma**2 - following**2) / sigma


def _adams_bashforth(nodes: Sequence[float], start: float, end: float) -> Iterator[float]:
    """The weight of the slope at each node: its Lagrange polynomial, integrated from `start` to `end`."""
    half, centre = (end - start) / 2, (end + start) / 2
    for node in nodes:
        others = [other for other in nodes if other != node]
        yield half * sum(
            math.prod((centre + half * point - other) / (node - other) for other in others) for point in _GAUSS_POINTS
        )
