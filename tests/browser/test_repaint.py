"""Repainting a part: the mask that is painted, and the pixels that the model then changes."""

from __future__ import annotations

import base64

import pytest
from PIL import ImageChops
from playwright.sync_api import Locator, expect
from studio import Studio, pixels

pytestmark = pytest.mark.allow_loopback


def open_editor(studio: Studio) -> Locator:
    studio.create("a boat")
    studio.open_image().get_by_role("button", name="Repaint a part").click()
    editor = studio.page.get_by_role("dialog", name="Repaint a part")
    editor.locator(".area img").wait_for()
    return editor


def mask_of(studio: Studio, request: int = -1) -> bytes:
    return base64.b64decode(studio.requests[request]["mask_image"])


def submit(editor: Locator, studio: Studio, images: int = 2) -> None:
    editor.get_by_role("button", name="Repaint", exact=True).click()
    studio.wait_for_images(images)


def stroke(studio: Studio, editor: Locator) -> None:
    """Draw a line from the middle of the picture to the right."""
    box = editor.locator(".area").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    studio.page.mouse.move(x, y)
    studio.page.mouse.down()
    studio.page.mouse.move(x + box["width"] / 4, y, steps=5)
    studio.page.mouse.up()


def test_only_painted_pixels_change(studio: Studio) -> None:
    editor = open_editor(studio)
    stroke(studio, editor)
    editor.get_by_label("What should be there?").fill("a whale")
    submit(editor, studio)

    mask = pixels(mask_of(studio)).convert("L")
    assert {color for _, color in mask.getcolors() or []} == {0, 255}
    assert mask.size == (1024, 1024)
    assert studio.requests[-1]["mask_source"] == "MASK_IMAGE_WHITE"
    assert studio.requests[-1]["text_prompts"][0]["text"] == "a whale"
    before, after = pixels(studio.saved(1)), pixels(studio.saved(0))
    changed = ImageChops.difference(before, after).convert("L").point(lambda value: 255 if value else 0)
    assert changed.getbbox() is not None
    assert ImageChops.subtract(changed, mask).getbbox() is None


def test_painting_by_keyboard(studio: Studio) -> None:
    editor = open_editor(studio)
    editor.get_by_role("application").focus()
    studio.page.keyboard.press("ArrowLeft")
    studio.page.keyboard.press("Enter")
    submit(editor, studio)

    left, top, right, bottom = pixels(mask_of(studio)).getbbox() or (0, 0, 0, 0)
    assert ((left + right) // 2, (top + bottom) // 2) == (496, 512)


def test_undo_redo_invert_clear_and_eraser(studio: Studio) -> None:
    editor = open_editor(studio)
    undo, redo = (editor.get_by_role("button", name=name) for name in ("Undo", "Redo"))
    expect(undo).to_be_disabled()
    stroke(studio, editor)
    undo.click()
    expect(undo).to_be_disabled()
    editor.get_by_role("button", name="Repaint", exact=True).click()
    expect(editor.get_by_text("Paint over a part first.")).to_be_visible()
    redo.click()
    editor.get_by_role("button", name="Invert").click()
    editor.get_by_role("application").focus()
    studio.page.keyboard.press("e")
    expect(editor.get_by_role("button", name="Eraser")).to_have_attribute("aria-pressed", "true")
    studio.page.keyboard.press("Control+z")
    submit(editor, studio)

    # The stroke is back, and nothing else.
    left, _, right, _ = pixels(mask_of(studio)).getbbox() or (0, 0, 0, 0)
    assert 460 < left < 480
    assert 800 < right < 820


def test_the_mask_is_kept_for_the_next_try(studio: Studio) -> None:
    editor = open_editor(studio)
    stroke(studio, editor)
    submit(editor, studio)
    studio.open_image(1).get_by_role("button", name="Repaint a part").click()
    submit(editor, studio, 3)

    assert mask_of(studio) == mask_of(studio, -2)


def test_zoom_does_not_move_the_brush(studio: Studio) -> None:
    editor = open_editor(studio)
    box = editor.locator(".holder").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    studio.page.mouse.move(x, y)
    for _ in range(4):
        studio.page.mouse.wheel(0, -100)
    studio.page.mouse.down()
    studio.page.mouse.up()
    submit(editor, studio)

    left, top, right, bottom = pixels(mask_of(studio)).getbbox() or (0, 0, 0, 0)
    assert abs((left + right) / 2 - 512) <= 2
    assert abs((top + bottom) / 2 - 512) <= 2
    assert 78 <= right - left <= 82
