"""Making images: with the keyboard alone, with every setting, several at once, and from another image."""

from __future__ import annotations

import pytest
from conftest import OpenStudio
from playwright.sync_api import expect
from studio import Studio, picture, pixels

pytestmark = pytest.mark.allow_loopback


def test_first_image_by_keyboard_alone(studio: Studio) -> None:
    page = studio.page
    while not studio.prompt.evaluate("element => element === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.type("A lighthouse at dusk")
    page.keyboard.press("Control+Enter")
    studio.wait_for_images(1)

    while not studio.images.first.evaluate("element => element === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    viewer = page.get_by_role("dialog", name="Image")
    expect(viewer.get_by_role("img", name="A lighthouse at dusk")).to_be_visible()
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    assert studio.images.first.evaluate("element => element === document.activeElement")


def test_nothing_is_sent_without_words(studio: Studio) -> None:
    studio.button("Create").click()

    expect(studio.page.get_by_text("Say what the image shows.")).to_be_visible()
    expect(studio.prompt).to_be_focused()
    assert studio.requests == []


def test_every_setting_reaches_the_service(studio: Studio) -> None:
    page = studio.page
    studio.choose("Widescreen, 1344 × 768")
    studio.button("All 18 styles").click()
    studio.choose("Origami")
    page.get_by_text("Advanced", exact=True).click()
    page.get_by_label("Keep out").fill("text, people")
    page.get_by_role("spinbutton", name="How strictly it follows your words").fill("9")
    page.get_by_role("spinbutton", name="Steps").fill("20")
    page.get_by_label("Seed", exact=True).fill("77")
    page.get_by_label("Sampler").select_option("K_EULER")
    studio.create("a paper crane")

    assert studio.requests == [
        {
            "text_prompts": [{"text": "a paper crane", "weight": 1}, {"text": "text, people", "weight": -1}],
            "cfg_scale": 9,
            "steps": 20,
            "seed": 77,
            "sampler": "K_EULER",
            "samples": 1,
            "width": 1344,
            "height": 768,
            "style_preset": "origami",
        }
    ]
    assert pixels(studio.saved()).size == (1344, 768)


def test_the_form_offers_what_the_service_offers(studio: Studio) -> None:
    page = studio.page
    page.get_by_text("Advanced", exact=True).click()
    offered = studio.context.request.get(f"{studio.site.url}v1/presets", headers={"x-api-key": studio.site.key}).json()

    studio.button(f"All {len(offered['styles'])} styles").click()

    for style in offered["styles"]:
        expect(page.get_by_role("radio", name=style["label"])).to_be_attached()
        expect(page.get_by_text(style["description"], exact=True)).to_be_visible()
    for size in offered["sizes"]:
        label = f"{size['label']}, {size['width']} × {size['height']}"
        expect(page.get_by_role("radio", name=label, exact=True)).to_be_attached()
    names = [sampler["name"] for sampler in offered["samplers"] if sampler["supported"]]
    shown = page.get_by_label("Sampler").locator("option").all_inner_texts()
    assert [text.removesuffix(" (recommended)") for text in shown] == names
    assert studio.prompt.get_attribute("maxlength") == str(offered["limits"]["prompt_characters"])


def test_several_images_have_seeds_in_a_row_and_two_requests_at_most(studio: Studio) -> None:
    studio.page.get_by_text("Advanced", exact=True).click()
    studio.page.get_by_label("Seed", exact=True).fill("100")
    studio.page.get_by_role("radio", name="4 images").check()
    studio.create("four boats", wait=4)

    assert sorted(request["seed"] for request in studio.requests) == [100, 101, 102, 103]
    assert {request["samples"] for request in studio.requests} == {1}
    assert len(set(studio.call_ids)) == 4
    assert studio.most_at_once == 2


def test_a_seed_is_drawn_by_the_page_so_that_a_repeat_is_the_same_image(studio: Studio) -> None:
    studio.create("a boat")
    studio.create("a boat", wait=2)

    first, second = (request["seed"] for request in studio.requests)
    assert first
    assert second
    assert first != second


def test_what_waits_can_be_cancelled_and_what_is_drawn_is_kept(studio: Studio) -> None:
    studio.site.fault("slow", seconds=2)
    studio.page.get_by_role("radio", name="4 images").check()
    studio.create("four boats", wait=None)
    studio.page.locator(".tile.running").nth(1).wait_for()

    studio.button("Cancel what waits").click()
    studio.wait_for_images(2)

    assert len(studio.requests) == 2
    expect(studio.page.locator(".tile")).to_have_count(2)


def test_elapsed_and_usual_seconds_are_shown_and_no_progress_is_invented(studio: Studio) -> None:
    studio.create("a boat")
    studio.site.fault("slow", seconds=2)
    studio.create("a boat", wait=None)

    running = studio.page.locator(".tile.running")
    expect(running).to_contain_text("usually")
    expect(running).to_contain_text("1 s")
    assert studio.page.get_by_role("progressbar").count() == 0
    studio.wait_for_images(2)


def test_image_to_image_is_fitted_and_its_crop_shown(studio: Studio) -> None:
    chosen = {"name": "start.png", "mimeType": "image/png", "buffer": picture(1000, 500)}
    studio.page.get_by_label("Choose an image", exact=True).set_input_files(chosen)  # type: ignore[arg-type]

    expect(studio.page.get_by_text("1408 × 704, from the image")).to_be_visible()
    expect(studio.page.get_by_text("The whole image is used.")).to_be_visible()
    studio.page.get_by_role("spinbutton", name="How much of it stays").fill("0.6")
    studio.create("two colours")

    [request] = studio.requests
    assert request["image_strength"] == 0.6
    assert "width" not in request
    assert pixels(studio.saved()).size == (1408, 704)


def test_image_of_another_ratio_is_cropped_in_its_middle(studio: Studio) -> None:
    studio.drop("start.png", picture(1200, 1000))

    expect(studio.page.get_by_text("The part inside the frame is used.")).to_be_visible()
    studio.button("Remove the image").click()
    expect(studio.page.get_by_text("Square, 1024 × 1024", exact=True)).to_be_visible()


def test_a_file_that_is_no_image_is_refused_in_words(studio: Studio) -> None:
    studio.drop("notes.png", b"not an image")

    expect(studio.page.get_by_text("This file is not an image that can be read here.")).to_be_visible()


def test_start_from_an_image_of_the_history(studio: Studio) -> None:
    studio.create("a boat")
    studio.open_image().get_by_role("button", name="Start from it").click()

    expect(studio.page.get_by_text("1024 × 1024, from the image")).to_be_visible()
    studio.create("a boat in a storm", wait=2)

    assert "init_image" in studio.requests[1]


def test_same_again_keeps_the_seed_and_variations_draw_new_ones(studio: Studio) -> None:
    studio.create("a boat")
    studio.open_image().get_by_role("button", name="Same again").click()
    expect(studio.prompt).to_have_value("a boat")
    studio.create("a red boat", wait=2)
    studio.open_image(1).get_by_role("button", name="Variations").click()
    studio.wait_for_images(6)

    seeds = [request["seed"] for request in studio.requests]
    assert seeds[0] == seeds[1]
    assert len(set(seeds)) == 5


def test_masks_are_greyed_with_a_reason_where_the_model_has_none(open_studio: OpenStudio, sites: dict) -> None:  # type: ignore[type-arg]
    studio = open_studio(sites["open"]).open()
    studio.create("a boat")
    viewer = studio.open_image()
    repaint = viewer.get_by_role("button", name="Repaint a part")

    assert repaint.get_attribute("aria-disabled") == "true"
    expect(viewer.get_by_text("cannot repaint")).to_be_visible()
    repaint.click(force=True)
    expect(studio.page.get_by_role("dialog", name="Repaint a part")).to_be_hidden()
