"""`sdxl plan`: waits, failures and cost of an environment's scaling under given arrivals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer

from sdxl.commands import completion
from sdxl.console import Progress, print_result, print_table, results, say
from sdxl.cost.amounts import UNKNOWN, Amount, total
from sdxl.cost.prices import Price, Throughput, instance_price, throughput
from sdxl.cost.prices import seconds_per_image as parsed_seconds
from sdxl.errors import SdxlError, UsageError
from sdxl.plan.arrivals import Arrivals, at_curve, at_rate, parsed_curve, parsed_rate, read_arrivals
from sdxl.plan.modes import (
    DEFAULT_STARTUP_MINUTES,
    MODES,
    Deployment,
    Mode,
    Routing,
    configured_mode,
    deployment_of,
    time_limit_seconds,
)
from sdxl.plan.outcome import Outcome
from sdxl.plan.picture import picture
from sdxl.plan.recommend import Goal, recommend
from sdxl.plan.simulation import Work, simulate
from sdxl.project import ENVIRONMENTS
from stacks.catalog import load_catalog
from stacks.environment import Environment, EnvironmentFileError, Variant, find_environment

_ARRIVALS, _MODEL, _SEARCH = "What arrives", "What is assumed", "What to search"
_DEFAULT_DAYS = 7
_DEFAULT_MAX_INSTANCES = 20
_WIDTH = 80
_TIMELINE_COLUMNS = 168
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def plan(
    *,
    env: Annotated[
        str, typer.Option("--env", metavar="NAME", help="Environment to play.", autocompletion=completion.environments)
    ],
    rate: Annotated[
        str | None,
        typer.Option(
            "--rate", metavar="N/h", help="Requests at one rate: N/s, N/min, N/h or N/day.", rich_help_panel=_ARRIVALS
        ),
    ] = None,
    curve: Annotated[
        str | None,
        typer.Option(
            "--curve",
            metavar="FILE|NUMBERS",
            help="Requests per hour for 24 hours of a day, or 168 of a week from Monday.",
            rich_help_panel=_ARRIVALS,
        ),
    ] = None,
    arrivals: Annotated[
        Path | None,
        typer.Option(
            "--arrivals", metavar="FILE.csv", help="Times of requests, one a line.", rich_help_panel=_ARRIVALS
        ),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option("--days", metavar="N", help=f"Days to play; default: {_DEFAULT_DAYS}.", rich_help_panel=_ARRIVALS),
    ] = None,
    seconds_per_image: Annotated[
        str | None,
        typer.Option(
            "--seconds-per-image",
            metavar="S|published",
            help="Seconds that one instance takes for one image, as you measured it; or the published A10 figure.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    variation: Annotated[
        float,
        typer.Option(
            "--variation",
            metavar="CV",
            help="How these seconds vary: standard deviation / mean. 0: not at all.",
            rich_help_panel=_MODEL,
        ),
    ] = 0.0,
    startup_minutes: Annotated[
        float,
        typer.Option(
            "--startup-minutes", metavar="M", help="Minutes until a new instance draws.", rich_help_panel=_MODEL
        ),
    ] = DEFAULT_STARTUP_MINUTES,
    metric_delay: Annotated[
        float | None,
        typer.Option(
            "--metric-delay",
            metavar="S",
            help="Seconds until an alarm sees a datapoint. Default: one period of the metric.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    mode: Annotated[
        list[str] | None,
        typer.Option(
            "--mode",
            metavar="MODE",
            help="As if the endpoint were real-time, asynchronous or components. May be repeated to search.",
            rich_help_panel=_MODEL,
            autocompletion=completion.modes,
        ),
    ] = None,
    routing: Annotated[
        Routing,
        typer.Option(
            "--routing",
            metavar="HOW",
            help="How SageMaker chooses an instance: random or least-outstanding.",
            rich_help_panel=_MODEL,
        ),
    ] = "random",
    variant: Annotated[
        str | None,
        typer.Option("--variant", metavar="NAME", help="Variant; default: the first one.", rich_help_panel=_MODEL),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Same seed, same result.", rich_help_panel=_MODEL)
    ] = 0,
    search: Annotated[
        bool,
        typer.Option("--recommend", help="Search the cheapest scaling that keeps --p95.", rich_help_panel=_SEARCH),
    ] = False,
    p95: Annotated[
        float | None,
        typer.Option(
            "--p95", metavar="S", help="Seconds that 95 % of the requests wait at most.", rich_help_panel=_SEARCH
        ),
    ] = None,
    max_failed: Annotated[
        float,
        typer.Option(
            "--max-failed", metavar="PERCENT", help="Requests that may fail at most.", rich_help_panel=_SEARCH
        ),
    ] = 1.0,
    max_instances: Annotated[
        int, typer.Option("--max-instances", metavar="N", help="Most instances to search.", rich_help_panel=_SEARCH)
    ] = _DEFAULT_MAX_INSTANCES,
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the files are.", show_default="environments/")
    ] = ENVIRONMENTS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Play arrivals against an environment's scaling: waits, failures and cost. Needs no AWS account.

    A simulation of its policies, schedules, cooldowns and start-up times. docs/plan.md says what it leaves out.

      sdxl plan --env prod --rate 600/h --seconds-per-image 7.5

      sdxl plan --env prod --curve day.txt --seconds-per-image published --recommend --p95 30
    """
    _check_numbers(
        ("--days", days, 1, 366),
        ("--variation", variation, 0, 3),
        ("--startup-minutes", startup_minutes, 0, 240),
        ("--metric-delay", metric_delay, 0, 3600),
        ("--p95", p95, 0, 21_600),
        ("--max-failed", max_failed, 0, 100),
        ("--max-instances", max_instances, 1, 100),
    )
    if search and p95 is None:
        raise UsageError("--recommend needs a wait to keep: add --p95 S, such as --p95 30.")
    if p95 is not None and not search:
        raise UsageError("--p95: received without --recommend. Add --recommend, or leave --p95 out.")
    environment = _environment(directory, env)
    played_variant = _variant(environment, variant)
    modes = _modes(mode or (), environment, played_variant, search=search)
    speed = _throughput(seconds_per_image, played_variant)
    requests = _arrivals(rate, curve, arrivals, days=days, timezone=_timezone(played_variant), seed=seed)
    subject = _Subject(
        environment=environment,
        variant=played_variant,
        speed=speed,
        variation=variation,
        seed=seed,
        arrivals=_share(requests, played_variant.share, seed),
    )
    deployment = deployment_of(
        environment,
        played_variant,
        mode=modes[0] if mode and not search else None,
        startup_minutes=startup_minutes,
        metric_delay_seconds=metric_delay,
        routing=routing,
    )
    outcomes: dict[str, Outcome] = {}
    with Progress(f"Playing {len(subject.arrivals.times):,} requests against {env}") as progress:
        outcomes["the file" if search else env] = subject.play(deployment)
        if p95 is not None:
            goal = Goal(p95_seconds=p95, failed_percent=max_failed)
            outcomes["recommended"] = _recommended(subject, deployment, goal, modes, max_instances, show=progress.show)
    if as_json:
        print_result(json.dumps(_as_json(subject, list(outcomes.values())), indent=2))
        return
    _show(subject, outcomes)


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """What is the same for every deployment that is played."""

    environment: Environment
    variant: Variant
    speed: Throughput
    variation: float
    seed: int
    arrivals: Arrivals

    @property
    def work(self) -> Work:
        assert self.speed.seconds_per_image is not None  # noqa: S101 - refused before
        return Work(seconds_per_image=self.speed.seconds_per_image, variation=self.variation)

    @property
    def price(self) -> Price:
        return instance_price(load_catalog().instance_type(self.variant.instance_types[0]))

    @property
    def usd_per_hour(self) -> Amount:
        software = [UNKNOWN] if self.variant.model.source == "optimized" else []
        return total([self.price.amount, *software])

    def play(self, deployment: Deployment) -> Outcome:
        return Outcome(simulate(self.arrivals, deployment, self.work, seed=self.seed), self.usd_per_hour)

    def notes(self, outcome: Outcome) -> Iterator[str]:
        """What the figures do not say by themselves."""
        name, price = self.variant.instance_types[0], self.price
        deployment = outcome.played.deployment
        yield f"seconds per image: {self.speed.source}"
        if deployment.routing != "random":
            yield "the stacks deploy SageMaker's random routing; --routing is played as if they set it"
        yield f"a new instance draws after {deployment.startup_seconds / 60:g} minutes (--startup-minutes)"
        if price.usd is None:
            yield f"the price of {name} is unknown, so the cost is"
        elif price.is_of_other_region(self.environment.region):
            yield f"the price of {name} is {price.region}'s; that of {self.environment.region} is unknown"
        if self.variant.model.source == "optimized":
            yield "the software charge of the Marketplace listing comes on top"
        others = [one.name for one in self.environment.all_variants if one.name != self.variant.name]
        if others:
            yield (
                f"{self.variant.name} gets {self.variant.share:.0%} of the requests; not played and not in the cost: "
                f"{', '.join(others)}"
            )
        for schedule in deployment.schedules:
            if schedule.reason is not None:
                yield f"the schedule {schedule.name} ({schedule.schedule}) is not played: {schedule.reason}"
        limit = deployment.time_limit_seconds
        if limit is not None and self.work.seconds_per_image > limit:
            yield f"an image takes longer than the {limit:g} s that the API leaves the model: every request fails"


def _check_numbers(*numbers: tuple[str, float | None, float, float]) -> None:
    for option, value, low, high in numbers:
        if value is not None and not low <= value <= high:
            raise UsageError(f"{option}: received {value:g}. Allowed are numbers from {low:g} to {high:g}.")


def _environment(directory: Path, name: str) -> Environment:
    try:
        return find_environment(directory, name)
    except EnvironmentFileError as exc:
        raise UsageError(str(exc)) from exc


def _variant(environment: Environment, name: str | None) -> Variant:
    variants = environment.production_variants
    if not variants:
        raise UsageError(
            f"--env: received {environment.name!r}, whose model is Bedrock's: it has no instances to scale. Allowed "
            "are environments with the model source open or optimized."
        )
    found = next((one for one in variants if name in (None, one.name)), None)
    if found is None:
        raise UsageError(
            f"--variant: received {name!r}. Allowed in {environment.name} is {', '.join(one.name for one in variants)}."
        )
    return found


def _modes(names: Sequence[str], environment: Environment, variant: Variant, *, search: bool) -> Sequence[Mode]:
    if len(names) > 1 and not search:
        raise UsageError(f"--mode: received {len(names)} modes. Allowed is one, or several with --recommend.")
    unknown = next((name for name in names if name not in MODES), None)
    if unknown is not None:
        raise UsageError(f"--mode: received {unknown!r}. Allowed are {', '.join(MODES)}.")
    modes = [MODES[name] for name in dict.fromkeys(names)] or [configured_mode(environment)]
    source = variant.model.source
    for mode in modes:
        if source not in mode.sources:
            raise UsageError(
                f"--mode: received {mode.name!r}, and the model source of {environment.name} is {source!r}. Allowed "
                f"is {', '.join(one.name for one in MODES.values() if source in one.sources)}."
            )
    return modes


def _throughput(text: str | None, variant: Variant) -> Throughput:
    speed = throughput(parsed_seconds(text), load_catalog().instance_type(variant.instance_types[0]))
    if text is None or speed.seconds_per_image is None:
        raise UsageError(
            f"--seconds-per-image: {speed.source}. Allowed are a number above 0, as you measured it on one "
            f"{variant.instance_types[0]}, or the word 'published'."
        )
    return speed


def _timezone(variant: Variant) -> str:
    """The time zone of the schedules, in which the times of the day are; UTC without any."""
    return variant.scaling.schedules[0].timezone if variant.scaling is not None and variant.scaling.schedules else "UTC"


def _arrivals(
    rate: str | None, curve: str | None, path: Path | None, *, days: int | None, timezone: str, seed: int
) -> Arrivals:
    given = [name for name, value in (("--rate", rate), ("--curve", curve), ("--arrivals", path)) if value is not None]
    if len(given) != 1:
        raise UsageError(
            f"Received {' and '.join(given) or 'no arrivals'}. Allowed is one of --rate N/h, --curve FILE and "
            "--arrivals FILE.csv. Write for example --rate 120/h."
        )
    random = Random(f"{seed}:arrivals")  # noqa: S311 - no secret
    if rate is not None:
        return at_rate(parsed_rate(rate), days=days or _DEFAULT_DAYS, random=random)
    if curve is not None:
        return at_curve(parsed_curve(curve), days=days or _DEFAULT_DAYS, random=random)
    if days is not None:
        raise UsageError("--days: received with --arrivals, whose times say how many days there are. Leave it out.")
    assert path is not None  # noqa: S101 - one of the three is given
    return read_arrivals(path, timezone)


def _share(arrivals: Arrivals, share: float, seed: int) -> Arrivals:
    """The requests that the function sends to a variant with this share."""
    if share == 1.0:
        return arrivals
    draw = Random(f"{seed}:variant").random  # noqa: S311 - no secret
    times = [moment for moment in arrivals.times if draw() < share]
    return Arrivals(times=times, days=arrivals.days, start_minute=arrivals.start_minute)


def _recommended(
    subject: _Subject,
    like: Deployment,
    goal: Goal,
    modes: Sequence[Mode],
    max_instances: int,
    *,
    show: Callable[[str], None],
) -> Outcome:
    def play(deployment: Deployment) -> Outcome:
        show(deployment.text())
        return subject.play(deployment)

    limits = [(mode, time_limit_seconds(mode, subject.environment)) for mode in modes]
    found = recommend(like, subject.work, goal, modes=limits, max_instances=max_instances, play=play)
    if found.best is None:
        closest = found.closest
        raise SdxlError(
            f"No scaling of up to {max_instances} instances keeps 95 % of the waits within {goal.p95_seconds:g} s and "
            f"failures within {goal.failed_percent:g} %; {found.played} were played. The closest: "
            f"{closest.played.deployment.text()}, with {closest.failed_percent:.1f} % failed and a p95 wait of "
            f"{_seconds(closest.waits[95])} s. Raise --max-instances, --p95 or --max-failed, or draw faster."
        )
    return found.best


def _as_json(subject: _Subject, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "environment": subject.environment.name,
        "variant": subject.variant.name,
        "region": subject.environment.region,
        "instance_type": subject.variant.instance_types[0],
        "throughput": subject.speed.as_json(),
        "variation": subject.variation,
        "seed": subject.seed,
        "currency": "USD",
        "price": subject.price.as_json(),
        "start_minute_of_week": subject.arrivals.start_minute,
        "timezone": _timezone(subject.variant),
        "played": outcomes[0].as_json(_TIMELINE_COLUMNS),
        "recommended": outcomes[1].as_json(_TIMELINE_COLUMNS) if len(outcomes) > 1 else None,
        "notes": list(_notes(subject, outcomes)),
    }


def _notes(subject: _Subject, outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield from subject.notes(outcomes[0])
    if len(outcomes) > 1 and outcomes[0].played.deployment.schedules:
        yield "the recommendation was played without the file's schedules: remove them, or play it with them"


def _show(subject: _Subject, outcomes: dict[str, Outcome]) -> None:
    console = results()
    print_table(("figure", *outcomes), [(name, *cells) for name, cells in _rows(list(outcomes.values()))])
    last = list(outcomes.values())[-1]
    if console.is_terminal:
        weekday, hour = divmod(subject.arrivals.start_minute, 24 * 60)
        print_result("")
        print_result(f"{_WEEKDAYS[weekday]} {hour // 60:02}:00 {_timezone(subject.variant)}, {_days(last.days)}")
        is_ascii = not console.encoding.lower().startswith("utf")
        for line in picture(last, min(console.width, _WIDTH), is_ascii=is_ascii):
            print_result(line)
    if "recommended" in outcomes:
        print_result("")
        print_result(_settings(last.played.deployment, subject.environment))
    for note in _notes(subject, list(outcomes.values())):
        say(f"note: {note}.")


def _rows(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, list[str]]]:
    deployments = [outcome.played.deployment for outcome in outcomes]
    yield "mode", [one.mode.name for one in deployments]
    yield "min to max capacity", [f"{one.min_capacity} to {one.max_capacity}" for one in deployments]
    yield "metric", ["-" if one.tracking is None else one.tracking.metric.name for one in deployments]
    yield "target", ["-" if one.tracking is None else f"{one.tracking.target:g}" for one in deployments]
    yield "requests", [f"{one.requests:,}" for one in outcomes]
    yield "failed", [f"{one.failed_percent:.1f} %" if one.failed else "0" for one in outcomes]
    for reason in dict.fromkeys(reason for one in outcomes for reason in one.failures):
        yield f"failed: {reason}", [f"{one.failures.get(reason, 0):,}" for one in outcomes]
    for percent in outcomes[0].waits:
        yield f"wait until drawing, p{percent}, s", [_seconds(one.waits[percent]) for one in outcomes]
    for percent in outcomes[0].answers:
        yield f"image there after, p{percent}, s", [_seconds(one.answers[percent]) for one in outcomes]
    yield "utilisation", [f"{one.utilisation_percent:.0f} %" for one in outcomes]
    yield (
        "instances, mean and most",
        [f"{one.instance_hours / 24 / one.days:.2f} and {one.most_instances}" for one in outcomes],
    )
    yield "USD a day", [one.usd_per_day.text() for one in outcomes]
    yield "USD per 1,000 images", ["-" if one.usd_per_1000 is None else one.usd_per_1000.text() for one in outcomes]


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return "failed" if math.isinf(value) else f"{value:,.1f}"


def _days(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"


def _settings(deployment: Deployment, environment: Environment) -> str:
    """The recommendation as an environment file has it, if it can have it."""
    mode = "" if deployment.mode == configured_mode(environment) else f"endpoint:\n  mode: {deployment.mode.name}\n"
    if deployment.tracking is None:
        section = mode or "endpoint:\n"
        return f"# Without the section scaling:\n{section}  instance_count: {deployment.min_capacity}"
    tracking = deployment.tracking
    return (
        f"{mode}scaling:\n  min_capacity: {deployment.min_capacity}\n  max_capacity: {deployment.max_capacity}\n"
        f"  target:\n    metric: {tracking.metric.name}\n    target: {tracking.target:g}\n"
        f"  scale_in_cooldown_seconds: {tracking.scale_in_cooldown_seconds}\n"
        f"  scale_out_cooldown_seconds: {tracking.scale_out_cooldown_seconds}"
    )
