"""Deploys environments ring by ring: preflight, `cdk deploy` and a smoke test each, and a stop at the first failure."""

from sdxl.rollout.runner import Outcome, Rollout, Step, Steps
from sdxl.rollout.smoke_test import SmokeTestResult, smoke_test

__all__ = ["Outcome", "Rollout", "SmokeTestResult", "Step", "Steps", "smoke_test"]
