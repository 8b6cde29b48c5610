"""`sdxl generate`: a prompt in, PNG files out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from sdxl.client import RETRY_FOR_SECONDS, Client, GenerationRequest, GenerationResult, Retry, TextPrompt
from sdxl.console import Progress, print_result, say
from sdxl.deployments import Deployment
from sdxl.errors import UnavailableError, UsageError
from sdxl.output_files import OutputPattern
from sdxl.target import Target, choose_deployment

WHERE = "Where to"
ADVANCED = "Advanced"


def generate(  # noqa: PLR0917 - one parameter per option
    prompt: Annotated[str, typer.Argument(help="What the image shows.", metavar="PROMPT", show_default=False)],
    size: Annotated[
        str | None,
        typer.Option(
            help="By use (square, widescreen, ultrawide, fullscreen, mobile-landscape, mobile-portrait, tall) or as "
            "WIDTHxHEIGHT. Default: the API's, 1024x1024.",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, max=10, help="How many images.")] = 1,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="File, or folder/, to save to; {seed} and {index} in the name are filled in. Default: "
            "out/<prompt>-<seed>.png.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a line per image.")] = False,
    negative: Annotated[
        str | None, typer.Option(help="What to keep out of the image.", rich_help_panel=ADVANCED)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Same seed, same image. Default: random.", rich_help_panel=ADVANCED)
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="More is finer and slower.", rich_help_panel=ADVANCED)
    ] = None,
    cfg_scale: Annotated[
        float | None, typer.Option(min=0, help="How strictly to follow the prompt; 5-15.", rich_help_panel=ADVANCED)
    ] = None,
    sampler: Annotated[
        str | None, typer.Option(help="Sampler name, as in K_DPMPP_2M.", rich_help_panel=ADVANCED)
    ] = None,
    env: Annotated[
        str | None,
        typer.Option(
            "--env",
            help="Environment, a file in environments/. Default: the one on this machine, otherwise dev.",
            show_default=False,
            rich_help_panel=WHERE,
        ),
    ] = None,
    local: Annotated[
        bool | None,
        typer.Option(
            "--local/--aws", help="Insist on this machine, or on AWS.", show_default=False, rich_help_panel=WHERE
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Address of any deployment. Also read from SDXL_API_URL.", rich_help_panel=WHERE),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            help="Key for --url. Also read from SDXL_API_KEY, which no process list shows.", rich_help_panel=WHERE
        ),
    ] = None,
    retry_for: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a busy or starting API.", rich_help_panel=WHERE)
    ] = RETRY_FOR_SECONDS,
) -> None:
    """Generate images from a PROMPT and save them as PNG files.

    The call goes to the deployment on this machine, if there is one of that environment.
    Otherwise it goes to the environment's AWS account, with your credentials. stderr says which.
    The same seed and parameters make the same image again.

    Examples:

      sdxl generate "a lighthouse at dawn, watercolor"

      sdxl generate "a red fox in snow" --size widescreen --samples 3 -o foxes/

      sdxl generate "a red fox in snow" --seed 42 --steps 30 -o fox-{seed}.png

      sdxl generate "a city at night" --env prod --aws --json | jq -r '.images[].path'
    """
    if not prompt.strip():
        raise UsageError("The prompt is empty. Say what the image should show.")
    width, height = _size(size)
    request = GenerationRequest(
        prompts=(TextPrompt(text=prompt), *([TextPrompt(text=negative, weight=-1.0)] if negative else [])),
        width=width,
        height=height,
        seed=seed,
        steps=steps,
        samples=samples if samples > 1 else None,
        cfg_scale=cfg_scale,
        sampler=sampler,
    )
    pattern = OutputPattern(output=output, prompt=prompt, seed=seed, overwrite=force)
    pattern.check(samples)
    place: dict[bool | None, Literal["local", "aws"] | None] = {True: "local", False: "aws", None: None}
    target = Target(environment=env, place=place[local], url=url, api_key=api_key)
    deployment = choose_deployment(target, note=say)
    say(f"Using {deployment.describe()}")
    result = _call(deployment, request, retry_for)
    _report(deployment, result, pattern.save(result.images), as_json=as_json)


def _size(size: str | None) -> tuple[int | None, int | None]:
    if size is None:
        return None, None
    from sdxl.sizes import parse_size  # noqa: PLC0415 - imports the API's own presets, which only this option needs

    return parse_size(size)


def _call(deployment: Deployment, request: GenerationRequest, retry_for_seconds: float) -> GenerationResult:
    with (
        Progress("Generating"),
        Client(
            deployment.api_url, deployment.api_key, retry_for_seconds=retry_for_seconds, on_retry=_say_retry
        ) as client,
    ):
        result = client.generate(request)
    if not result.images:
        raise UnavailableError("The API answered without an image.")
    return result


def _say_retry(retry: Retry) -> None:
    say(f"{retry.message} ({retry.status}): trying again in {retry.wait_seconds:g} s", style="yellow")


def _report(deployment: Deployment, result: GenerationResult, paths: list[Path], *, as_json: bool) -> None:
    images = []
    for image, path in zip(result.images, paths, strict=True):
        width, height = image.size
        images.append(
            {
                "path": str(path),
                "seed": image.seed,
                "width": width,
                "height": height,
                "finish_reason": image.finish_reason,
            }
        )
        if image.finish_reason == "CONTENT_FILTERED":
            say(f"{path}: the content filter changed this image. Another prompt or seed may pass.", style="yellow")
        if not as_json:
            print_result(f"{path}  seed {image.seed}  {width}x{height}  {result.seconds:.1f} s")
    if as_json:
        target = {"kind": deployment.kind, "environment": deployment.environment, "api_url": deployment.api_url}
        print_result(
            json.dumps({"deployment": target, "seconds": round(result.seconds, 3), "images": images}, indent=2)
        )
