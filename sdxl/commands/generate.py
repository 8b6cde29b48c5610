"""`sdxl generate`: a prompt in, PNG files out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from sdxl.client import Client, GenerationRequest, GenerationResult, Retries, Retry, TextPrompt
from sdxl.client.requests import MaskSource, read_image
from sdxl.commands import completion, options
from sdxl.commands.completion import SIZES
from sdxl.commands.kept_settings import KeptSettings, read_kept_settings
from sdxl.commands.output_files import OutputPattern
from sdxl.console import Progress, print_result, say
from sdxl.deployment.choose import choose_deployment
from sdxl.deployment.record import Deployment
from sdxl.errors import UsageError

ADVANCED = "Advanced"
CHANGE = "Change an image"
_WIDTH_X_HEIGHT = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")
_MASK_SOURCES: dict[str, MaskSource] = {
    "white": "MASK_IMAGE_WHITE",
    "black": "MASK_IMAGE_BLACK",
    "transparent": "INIT_IMAGE_ALPHA",
}


def generate(  # noqa: PLR0917 - one parameter per option
    prompt: Annotated[
        str | None,
        typer.Argument(
            help="What the image shows. With --like, that of the file.", metavar="PROMPT", show_default=False
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="By use (square, widescreen, ultrawide, fullscreen, mobile-landscape, mobile-portrait, tall) or as "
            "WIDTHxHEIGHT. Default: the API's, 1024x1024.",
            show_default=False,
            autocompletion=completion.sizes,
        ),
    ] = None,
    style: Annotated[
        str | None,
        typer.Option(
            help="Style to draw in, as in photographic; `sdxl presets` lists them.",
            show_default=False,
            autocompletion=completion.styles,
        ),
    ] = None,
    negative: Annotated[str | None, typer.Option(help="What to keep out of the image.", show_default=False)] = None,
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
    like: Annotated[
        Path | None,
        typer.Option(
            help="Image of this API whose settings to draw with, its prompt and seed among them; other options come "
            "before them.",
            show_default=False,
        ),
    ] = None,
    init_image: Annotated[
        Path | None,
        typer.Option(
            help="PNG, JPEG or WebP to start from; its size is kept.", rich_help_panel=CHANGE, show_default=False
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="How much of the init image stays: 0 little, 1 all. Default: the API's, 0.35.",
            rich_help_panel=CHANGE,
            show_default=False,
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Image of the init image's size; only where it is white is anything repainted.",
            rich_help_panel=CHANGE,
            show_default=False,
        ),
    ] = None,
    repaint: Annotated[
        str | None,
        typer.Option(
            help="What is repainted: white or black of --mask, or transparent, the init image's own. Default: white.",
            rich_help_panel=CHANGE,
            show_default=False,
        ),
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
        str | None,
        typer.Option(
            help="Sampler name, as in K_DPMPP_2M.", rich_help_panel=ADVANCED, autocompletion=completion.samplers
        ),
    ] = None,
    env: options.Environment = None,
    local: options.Local = None,
    url: options.Url = None,
    api_key: options.ApiKey = None,
    retry_for: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a busy or starting API.", rich_help_panel=options.PANEL)
    ] = Retries.for_seconds,
) -> None:
    """Generate images from a PROMPT and save them as PNG files.

    The call goes to the deployment on this machine, if there is one of that environment.
    Otherwise it goes to the environment's AWS account, with your credentials. stderr says which.
    The same seed and parameters make the same image again.

    Examples:

      sdxl generate "a lighthouse at dawn, watercolor"

      sdxl generate "a red fox in snow" --size widescreen --samples 3 -o foxes/

      sdxl generate "a red fox in snow" --seed 42 --steps 30 -o fox-{seed}.png

      sdxl generate "a red fox, oil painting" --init-image photo.png --strength 0.5

      sdxl generate "a hat" --init-image fox.png --mask where-the-hat-is-white.png

      sdxl generate --like out/a-red-fox-42.png --steps 50

      sdxl generate "a city at night" --env prod --aws --json | jq -r '.images[].path'
    """
    if prompt is not None and not prompt.strip():
        raise UsageError("The prompt is empty. Say what the image should show.")
    kept = KeptSettings() if like is None else read_kept_settings(like)
    prompt = prompt or kept.prompt
    if prompt is None:
        raise UsageError("There is no PROMPT. Say what the image should show, or name an image with --like.")
    if init_image is not None and size is not None:
        raise UsageError("--size is given with --init-image, whose own size is kept. Leave it out.")
    for option, given in (("--mask", mask), ("--repaint", repaint), ("--strength", strength)):
        if init_image is None and given is not None:
            raise UsageError(f"{option} needs --init-image, the image to change.")
    negative, seed = negative or kept.negative, kept.seed if seed is None else seed
    width, height = (kept.width, kept.height) if size is None and init_image is None else (None, None)
    if size is not None:
        width, height = parse_size(size)
    request = GenerationRequest(
        text_prompts=(TextPrompt(prompt), *((TextPrompt(negative, -1.0),) if negative else ())),
        width=width,
        height=height,
        seed=seed,
        steps=kept.steps if steps is None else steps,
        samples=samples if samples > 1 else None,
        cfg_scale=kept.cfg_scale if cfg_scale is None else cfg_scale,
        sampler=sampler or kept.sampler,
        style_preset=style or kept.style,
        image_strength=strength,
        init_image=_image("--init-image", init_image),
        mask=_image("--mask", mask),
        mask_source=_mask_source(repaint, mask),
    )
    pattern = OutputPattern(output=output, prompt=prompt, seed=seed, overwrite=force)
    pattern.check(samples)
    deployment = choose_deployment(options.target(env, local, url, api_key), note=say)
    say(f"Using {deployment.describe()}")
    result = _call(deployment, request, retry_for)
    for warning in result.warnings:
        say(warning, style="yellow")
    _report(deployment, result, pattern.save(result.images), as_json=as_json)


def _image(option: str, path: Path | None) -> bytes | None:
    return None if path is None else read_image(option, path)


def _mask_source(repaint: str | None, mask: Path | None) -> MaskSource | None:
    if repaint is None:
        return None
    if repaint not in _MASK_SOURCES:
        raise UsageError(f"--repaint is {repaint!r}. Use one of {', '.join(_MASK_SOURCES)}.")
    if mask is None and repaint != "transparent":
        raise UsageError(f"--repaint {repaint} says what to repaint of --mask, which is not given.")
    return _MASK_SOURCES[repaint]


def parse_size(value: str) -> tuple[int, int]:
    """Return (width, height) for a preset's name or for "1344x768". Bounds are the API's to check."""
    name = "".join(value.lower().replace("\u00d7", "x").split())
    if name in SIZES:
        return SIZES[name]
    if found := _WIDTH_X_HEIGHT.fullmatch(name):
        return int(found[1]), int(found[2])
    raise UsageError(f"--size {value!r} is not a size. Use one of {', '.join(SIZES)}, or WIDTHxHEIGHT as in 1344x768.")


def _call(deployment: Deployment, request: GenerationRequest, retry_for_seconds: float) -> GenerationResult:
    retries = Retries(for_seconds=retry_for_seconds) if retry_for_seconds else Retries.none()
    with (
        Progress("Generating"),
        Client(deployment.api_url, deployment.api_key, retries=retries, on_retry=_say_retry) as client,
    ):
        return client.generate(request)


def _say_retry(retry: Retry) -> None:
    status = f" ({retry.status})" if retry.status else ""
    say(f"{retry.message.rstrip('.')}{status}: trying again in {retry.wait_seconds:.0f} s", style="yellow")


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
