"""The order of a rollout: ring after ring, one environment at a time, nothing after a failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Protocol

from sdxl.errors import SdxlError, UsageError
from stacks.environment import Environment
from stacks.environment.pipeline import Pipeline, Ring, SmokeTest

StepName = Literal["preflight", "deploy", "smoke test"]
State = Literal["done", "failed", "interrupted", "untouched"]


class Steps(Protocol):
    """What is done with an environment. Each raises SdxlError where it fails, and says what to do."""

    def preflight(self, environment: Environment) -> str:
        """Look for what would make the deployment fail; return what was found in short."""

    def deploy(self, environment: Environment) -> str:
        """Deploy its stacks; those that are as they should be stay as they are."""

    def smoke_test(self, environment: Environment, kind: SmokeTest) -> str:
        """See whether the deployment works."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One environment's place in a rollout."""

    ring: Ring
    environment: Environment


@dataclass(kw_only=True)
class Outcome:
    """What became of one environment. `failed_at` is the step that failed or was interrupted."""

    step: Step
    state: State = "untouched"
    deployed: bool = False
    failed_at: StepName | None = None
    message: str = ""
    said: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        environment = self.step.environment
        return {
            "ring": self.step.ring.name,
            "environment": environment.name,
            "account": environment.account,
            "region": environment.region,
            "state": self.state,
            "deployed": self.deployed,
            "failed_at": self.failed_at,
            "message": self.message,
            "steps": self.said,
        }


class Rollout:
    """The rings that one run deploys. All of them, only `ring`, or all from `from_ring` on."""

    def __init__(
        self,
        pipeline: Pipeline,
        environments: Mapping[str, Environment],
        *,
        ring: str | None = None,
        from_ring: str | None = None,
    ) -> None:
        """Raises UsageError for a ring that there is not, and for both choices together."""
        self.rings = _chosen(pipeline.rings, ring, from_ring)
        self.steps = tuple(
            Step(ring=found, environment=environments[name]) for found in self.rings for name in found.environments
        )
        self.outcomes = [Outcome(step=step) for step in self.steps]

    @property
    def is_done(self) -> bool:
        """Whether every environment is deployed and tested."""
        return all(outcome.state == "done" for outcome in self.outcomes)

    def run(self, steps: Steps, *, enter: Callable[[Ring], None], show: Callable[[str], None]) -> None:
        """Go through the rings until the end or the first failure, which is kept in `outcomes` and not raised.

        A ring's environments are all looked at before any of them is changed. `enter` is called before each ring and
        may refuse it by raising. An interruption is kept too, and raised.
        """
        for ring in self.rings:
            enter(ring)
            members = [outcome for outcome in self.outcomes if outcome.step.ring is ring]
            show(f"ring {ring.name}: {', '.join(ring.environments)}")
            for outcome in members:
                if not _do(outcome, "preflight", steps.preflight, show):
                    return
            for outcome in members:
                if not _do(outcome, "deploy", steps.deploy, show):
                    return
                if not _do(outcome, "smoke test", partial(steps.smoke_test, kind=ring.smoke_test), show):
                    return
                outcome.state = "done"

    def summary(self) -> list[str]:
        """Return a line for each environment: what became of it."""
        return [_line(outcome) for outcome in self.outcomes]

    def how_to_resume(self) -> str:
        """Return what to do after a failure."""
        failed = next((item for item in self.outcomes if item.state in ("failed", "interrupted")), None)
        if failed is None:
            return ""
        return (
            "Fix the cause, then run the same command again: what is deployed already stays as it is, and is tested "
            f"again. To start where it stopped: sdxl rollout --from-ring {failed.step.ring.name}"
        )


def _chosen(rings: Sequence[Ring], ring: str | None, from_ring: str | None) -> tuple[Ring, ...]:
    if ring is not None and from_ring is not None:
        raise UsageError("--ring is one ring and --from-ring that one and all after it: give one of the two.")
    names = [item.name for item in rings]
    wanted = ring or from_ring
    if wanted is None:
        return tuple(rings)
    if wanted not in names:
        raise UsageError(f"There is no ring {wanted!r}. In order, the rings are {', '.join(names)}.")
    place = names.index(wanted)
    return tuple(rings[place : place + 1] if ring else rings[place:])


def _do(outcome: Outcome, name: StepName, act: Callable[[Environment], str], show: Callable[[str], None]) -> bool:
    environment = outcome.step.environment
    # Said even if it is cut short: stacks may be changed from here on.
    if name == "deploy":
        outcome.deployed = True
    try:
        said = act(environment)
    except SdxlError as exc:
        outcome.state, outcome.failed_at, outcome.message = "failed", name, str(exc)
        show(f"{environment.name}: {name} FAILED")
        return False
    except KeyboardInterrupt:
        outcome.state, outcome.failed_at, outcome.message = "interrupted", name, "interrupted"
        raise
    outcome.said.append(f"{name}: {said}")
    show(f"{environment.name}: {name} ok: {said}")
    return True


def _line(outcome: Outcome) -> str:
    environment = outcome.step.environment
    place = f"{outcome.step.ring.name}/{environment.name} ({environment.account}, {environment.region})"
    if outcome.state == "done":
        return f"done       {place}"
    if outcome.state == "untouched":
        return f"untouched  {place}"
    changed = "its stacks may be changed" if outcome.deployed else "nothing changed there"
    return f"{outcome.state:<10} {place}: at its {outcome.failed_at}; {changed}"
