"""The noise levels that a model was trained with, and which of them a number of steps visits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

Prediction = Literal["epsilon", "v_prediction"]


class UnsupportedScheduleError(ValueError):
    """The weights were trained with noise that this engine cannot undo."""


class NoiseLevels:
    """Levels by timestep, and timesteps by level.

    `prediction` says what the model's output means: the noise, or Salimans and Ho's velocity (2022).
    """

    def __init__(self, betas: np.ndarray, prediction: Prediction = "epsilon") -> None:
        kept = np.cumprod(1 - betas)
        self._sigmas = np.sqrt((1 - kept) / kept)
        self._logs = np.log(self._sigmas)
        self.prediction = prediction

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> NoiseLevels:
        """Read a diffusers scheduler's configuration; what a sampler makes of it does not matter here.

        Raises:
            UnsupportedScheduleError: it names betas or an output that are not supported.
        """
        count, schedule = int(config["num_train_timesteps"]), config["beta_schedule"]
        start, end = float(config["beta_start"]), float(config["beta_end"])
        if schedule == "scaled_linear":
            betas = np.linspace(start**0.5, end**0.5, count) ** 2
        elif schedule == "linear":
            betas = np.linspace(start, end, count)
        else:
            raise UnsupportedScheduleError(f"beta_schedule is {schedule!r}, supported are scaled_linear and linear.")
        if config.get("rescale_betas_zero_snr"):
            raise UnsupportedScheduleError("rescale_betas_zero_snr is true: noise without end is not supported.")
        prediction = config.get("prediction_type", "epsilon")
        if prediction not in ("epsilon", "v_prediction"):
            raise UnsupportedScheduleError(
                f"prediction_type is {prediction!r}, supported are epsilon and v_prediction."
            )
        return cls(betas, prediction)

    def visited(self, steps: int) -> list[float]:
        """The levels of `steps` steps, falling, with 0 behind them.

        Evenly spaced from the last timestep down ("trailing"). SDXL's own grid is at most one timestep beside it; the
        "leading" of SDXL's configuration files begins 18 to 98 timesteps below full noise.
        """
        count = len(self._sigmas)
        timesteps = np.round(np.arange(count, 0, -count / steps)).astype(int)[:steps] - 1
        return [float(self._sigmas[timestep]) for timestep in timesteps] + [0.0]

    def timestep(self, sigma: float) -> float:
        """The timestep of a level, a fraction between two of those trained: linear in the level's logarithm."""
        return float(np.interp(np.log(sigma), self._logs, np.arange(len(self._logs))))
