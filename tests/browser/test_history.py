"""What stays in the browser: the history, saved files, links, and how safe the page is against what they hold."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path

import httpx2
import pytest
from conftest import OpenStudio
from playwright.sync_api import expect
from studio import Site, Studio, picture, pixels

pytestmark = pytest.mark.allow_loopback

HOSTILE = {
    "prompt": "<img src=x onerror=\"document.title='taken'\">",
    "negative_prompt": ["not a text"],
    "style_preset": "no-such-style",
    "width": 100_000,
    "height": -64,
    "cfg_scale": "9",
    "steps": 1e9,
    "seed": 1.5,
    "sampler": "__proto__",
    "image_strength": None,
    "__proto__": {"polluted": True},
}


def link(settings: object) -> str:
    return "settings=" + base64.urlsafe_b64encode(json.dumps(settings).encode()).decode().rstrip("=")


def test_history_is_there_after_a_reload(studio: Studio) -> None:
    studio.create("a boat")
    before = studio.saved()
    studio.page.reload()
    studio.wait_for_images(1)

    assert studio.saved() == before
    expect(studio.page.get_by_text("1 image,")).to_be_visible()


def test_the_words_survive_a_reload(studio: Studio) -> None:
    studio.prompt.fill("a boat, half written")
    studio.page.reload()

    expect(studio.prompt).to_have_value("a boat, half written")


def test_images_are_turned_by_arrows_starred_searched_and_deleted(studio: Studio) -> None:
    studio.create("a boat")
    studio.create("a lighthouse", wait=2)
    viewer = studio.open_image()
    expect(viewer.get_by_role("heading")).to_have_text("a lighthouse")
    studio.page.keyboard.press("ArrowRight")
    expect(viewer.get_by_role("heading")).to_have_text("a boat")
    viewer.get_by_role("button", name="Star", exact=True).click()
    studio.page.keyboard.press("Escape")

    studio.button("Starred only").click()
    expect(studio.images).to_have_count(1)
    studio.button("Starred only").click()
    studio.page.get_by_role("searchbox").fill("light")
    expect(studio.images).to_have_count(1)
    studio.page.get_by_role("searchbox").fill("whale")
    expect(studio.page.get_by_text('No image with "whale".')).to_be_visible()
    studio.page.get_by_role("searchbox").fill("")

    studio.open_image().get_by_role("button", name="Delete").click()
    expect(studio.images).to_have_count(1)
    studio.button("Undo").click()
    expect(studio.images).to_have_count(2)
    studio.open_image().get_by_role("button", name="Delete").click()
    expect(studio.images).to_have_count(1)
    studio.page.reload()
    expect(studio.images).to_have_count(1)


def test_export_is_a_zip_of_images_with_their_settings(studio: Studio) -> None:
    studio.create("a boat")
    studio.create("a boat", wait=2)
    with studio.page.expect_download() as download:
        studio.button("Export as zip").click()

    with zipfile.ZipFile(Path(download.value.path())) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert sorted(archive.read(name) for name in names) == sorted(studio.saved(index) for index in range(2))
    assert len(set(names)) == 2
    assert all(name.startswith("a-boat-") and name.endswith(".png") for name in names)


def test_a_saved_image_is_a_sound_png_that_carries_its_settings(studio: Studio, open_studio: OpenStudio) -> None:
    studio.choose("Tall, 768 × 1344")
    studio.create("a boat, ein Schiff, 船")
    saved = studio.saved()
    # Pillow checks the chunk's sum.
    pixels(saved)

    other = open_studio().open()
    other.drop("a-boat.png", saved)

    expect(other.page.get_by_text("The settings of this image are in the form.")).to_be_visible()
    expect(other.prompt).to_have_value("a boat, ein Schiff, 船")
    other.button("Create").click()
    other.wait_for_images(1)
    assert other.requests == studio.requests


def test_a_link_loads_the_settings_in_a_fresh_profile(studio: Studio, open_studio: OpenStudio) -> None:
    studio.context.grant_permissions(["clipboard-read", "clipboard-write"])
    studio.create("a boat")
    viewer = studio.open_image()
    viewer.get_by_role("button", name="Copy link").click()
    expect(studio.page.get_by_text("Copied.")).to_be_visible()
    copied = studio.page.evaluate("() => navigator.clipboard.readText()")
    assert studio.site.key not in copied
    assert copied.startswith(studio.site.url)

    other = open_studio()
    other.open(f"{copied.partition('#')[2]}&key={other.site.key}")

    expect(other.prompt).to_have_value("a boat")
    assert other.page.url == other.site.url
    other.button("Create").click()
    other.wait_for_images(1)
    assert other.requests == studio.requests


def test_hostile_settings_in_a_link_change_nothing_but_the_words(open_studio: OpenStudio) -> None:
    studio = open_studio()
    studio.open(f"{link(HOSTILE)}&key={studio.site.key}")

    expect(studio.prompt).to_have_value(HOSTILE["prompt"])  # type: ignore[arg-type]
    studio.button("Create").click()
    studio.wait_for_images(1)
    studio.open_image()

    [request] = studio.requests
    assert (request["width"], request["height"], request["steps"], request["cfg_scale"]) == (1024, 1024, 50, 7)
    assert request["sampler"] == "K_DPMPP_2M"
    assert request["seed"] == int(request["seed"]) != 0
    assert "style_preset" not in request
    assert studio.page.title() == "Image studio"
    assert studio.page.evaluate("() => ({}).polluted") is None


@pytest.mark.parametrize(
    "fragment", ["settings=%%%", "settings=eyJ", link([1]), link({"prompt": 7}), link(None), "settings="]
)
def test_a_broken_link_leaves_a_page_that_works(open_studio: OpenStudio, fragment: str) -> None:
    studio = open_studio()
    studio.open(f"{fragment}&key={studio.site.key}")

    expect(studio.page.get_by_text("The link holds no settings that can be used here.")).to_be_visible()
    expect(studio.prompt).to_have_value("")


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"prompt": 1}', "x" * 50_000, '{"prompt":"' + "x" * 5_000 + '"}'])
def test_a_dropped_png_with_any_text_is_safe(studio: Studio, text: str) -> None:
    data = picture(128, 128)
    chunk = b"iTXtsdxl-settings\0\0\0\0\0" + text.encode()
    studio.drop("x.png", data[:33] + (len(chunk) - 4).to_bytes(4) + chunk + bytes(4) + data[33:])

    if text.startswith('{"prompt":"'):
        expect(studio.prompt).to_have_value("x" * 2_000)
    else:
        # It is no settings, so it is an image to start from.
        expect(studio.page.get_by_text("1024 × 1024, from the image")).to_be_visible()
        expect(studio.prompt).to_have_value("")


def test_the_page_works_where_nothing_can_be_kept(open_studio: OpenStudio) -> None:
    studio = open_studio()
    studio.page.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined })")
    studio.open()
    studio.create("a boat")

    expect(studio.page.get_by_text("This browser keeps no images")).to_be_visible()
    assert pixels(studio.saved()).size == (1024, 1024)


def test_a_full_browser_asks_before_it_deletes(studio: Studio) -> None:
    studio.page.evaluate("() => { navigator.storage.estimate = async () => ({ usage: 95, quota: 100 }); }")
    studio.create("a boat")

    notice = studio.page.get_by_role("alert").filter(has_text="This browser is nearly full.")
    expect(notice).to_contain_text("Delete the 1 oldest image without a star?")
    notice.get_by_role("button", name="Keep all").click()
    expect(notice).to_be_hidden()
    expect(studio.images).to_have_count(1)
    studio.create("a second boat", wait=2)
    notice.get_by_role("button", name="Delete them").click()
    expect(studio.images).to_have_count(0)


def test_nothing_but_image_files_is_exported(studio: Studio) -> None:
    studio.create("../../etc/passwd <script>")
    with studio.page.expect_download() as download:
        studio.button("Export as zip").click()

    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        [name] = archive.namelist()
    assert "/" not in name
    assert "<" not in name


@pytest.mark.parametrize("file_format", ["jpeg", "webp"])
def test_settings_come_from_a_jpeg_and_a_webp_too(studio: Studio, site: Site, file_format: str) -> None:
    # Given an image that the API answered to another program
    answer = httpx2.post(
        f"{site.url}v1/images/generations",
        json={"prompt": "a boat & 船", "response_format": "b64_json", "output_format": file_format, "steps": 31},
        headers={"x-api-key": site.key},
        timeout=60,
    )
    image = base64.b64decode(answer.json()["data"][0]["b64_json"])

    studio.drop(f"boat.{file_format}", image)

    expect(studio.page.get_by_text("The settings of this image are in the form.")).to_be_visible()
    expect(studio.prompt).to_have_value("a boat & 船")
