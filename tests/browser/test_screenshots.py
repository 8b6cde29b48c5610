"""The pictures of the page in the documentation: `make screenshots` renews them in docs/images."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from conftest import OpenStudio
from PIL import Image
from playwright.sync_api import expect
from studio import ROOT, Studio

pytestmark = pytest.mark.allow_loopback

IMAGES = ROOT / "docs" / "images"
LARGEST_BYTES = 200_000
PICTURES = ("history", "first-visit", "image", "repaint", "error", "dark", "phone")
SCENES = (
    ("A lighthouse on a cliff at dusk, waves, warm light in the windows", "Widescreen, 1344 × 768", 11),
    ("A bowl of ramen on a wooden table, steam, seen from above", "Square, 1024 × 1024", 4),
    ("A small robot watering plants on a balcony, morning sun", "Tall, 768 × 1344", 21),
    ("Neon street in the rain, reflections", "Ultrawide, 1536 × 640", 8),
    ("Mountains of folded paper under a paper moon", "Mobile landscape, 1216 × 832", 3),
    ("An old map of an island that never was", "Mobile portrait, 832 × 1216", 17),
)


def draw_scenes(studio: Studio) -> None:
    studio.page.get_by_text("Advanced", exact=True).click()
    for number, (words, size, seed) in enumerate(SCENES, start=1):
        studio.choose(size)
        studio.page.get_by_label("Seed", exact=True).fill(str(seed))
        studio.create(words, wait=number)
    studio.page.get_by_text("Advanced", exact=True).click()
    to_the_top(studio)


def to_the_top(studio: Studio) -> None:
    studio.page.evaluate("() => { scrollTo(0, 0); document.querySelector('.form').scrollTop = 0; }")


def keep(studio: Studio, name: str, folder: Path) -> None:
    """Write the picture with few colours: it has to be small."""
    shot = Image.open(io.BytesIO(studio.page.screenshot())).convert("RGB")
    file = folder / f"console-{name}.png"
    # As many colours as fit; dots in their place hide the steps, and take more.
    for dither in (Image.Dither.FLOYDSTEINBERG, Image.Dither.NONE):
        for colors in (256, 128, 64):
            shot.quantize(colors, dither=dither).save(file, optimize=True)
            if file.stat().st_size < LARGEST_BYTES:
                return
    raise AssertionError(f"{name} takes {file.stat().st_size} bytes")


@pytest.mark.skipif("SDXL_SCREENSHOTS" not in os.environ, reason="make screenshots renews the pictures")
def test_pictures_are_taken(open_studio: OpenStudio) -> None:
    folder = ROOT / os.environ["SDXL_SCREENSHOTS"]
    studio = open_studio(viewport={"width": 1440, "height": 900}, reduced_motion="reduce").open()
    keep(studio, "first-visit", folder)
    draw_scenes(studio)
    expect(studio.images).to_have_count(len(SCENES))
    studio.page.wait_for_timeout(500)
    keep(studio, "history", folder)
    studio.page.emulate_media(color_scheme="dark")
    keep(studio, "dark", folder)
    studio.page.emulate_media(color_scheme="light")
    studio.open_image(len(SCENES) - 1)
    keep(studio, "image", folder)
    studio.button("Repaint a part").click()
    box = studio.page.locator(".area").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * 0.35, box["y"] + box["height"] * 0.45
    studio.page.mouse.move(x, y)
    studio.page.mouse.down()
    for step in range(12):
        studio.page.mouse.move(x + step * 18, y + (step % 3) * 12)
    studio.page.mouse.up()
    keep(studio, "repaint", folder)
    studio.page.keyboard.press("Escape")
    studio.create("A dragon over a castle", wait=None)
    studio.failed.wait_for()
    to_the_top(studio)
    keep(studio, "error", folder)
    studio.failed.get_by_role("button", name="Remove").click()
    studio.prompt.fill(SCENES[0][0])
    studio.page.set_viewport_size({"width": 390, "height": 844})
    to_the_top(studio)
    keep(studio, "phone", folder)


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_there_and_small(name: str) -> None:
    assert (IMAGES / f"console-{name}.png").stat().st_size < LARGEST_BYTES
