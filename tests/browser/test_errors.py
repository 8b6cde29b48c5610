"""Every error in the page's words, on the tile that failed, with one action that helps."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import OpenStudio
from playwright.sync_api import Route, expect
from studio import Site, Studio, picture

pytestmark = pytest.mark.allow_loopback


def test_refused_words_are_edited(studio: Studio) -> None:
    studio.create("a dragon over a castle", wait=None)
    expect(studio.failed).to_contain_text("The service refuses these words.")
    studio.prompt.fill("")
    studio.failed.get_by_role("button", name="Edit the words").click()

    expect(studio.prompt).to_be_focused()
    expect(studio.prompt).to_have_value("a dragon over a castle")
    expect(studio.failed).to_have_count(0)


def test_content_filter_gets_another_seed(studio: Studio) -> None:
    studio.site.fault("filtered", times=1)
    studio.create("a boat", wait=None)
    expect(studio.failed).to_contain_text("The content filter held this image back.")
    studio.failed.get_by_role("button", name="Try another seed").click()
    studio.wait_for_images(1)

    assert studio.requests[0]["seed"] != studio.requests[1]["seed"]


def test_a_key_that_no_longer_works(open_studio: OpenStudio) -> None:
    studio = open_studio()
    studio.page.goto(f"{studio.site.url}#key=wrong")

    expect(studio.page.get_by_role("alert")).to_contain_text("This link's key no longer works.")
    studio.page.get_by_label("Access key").fill(studio.site.key)
    studio.button("Open").click()
    studio.create("a boat")


def test_a_key_that_is_refused_later_loses_nothing(studio: Studio) -> None:
    def refuse(route: Route) -> None:
        route.fulfill(status=403, json={"id": "7", "name": "forbidden", "message": "No."})

    studio.page.route("**/text-to-image", refuse, times=1)
    studio.create("a boat", wait=None)
    expect(studio.failed).to_contain_text("This link's key no longer works.")
    studio.failed.get_by_role("button", name="Enter another key").click()
    expect(studio.page.get_by_label("Access key")).to_be_focused()
    studio.page.get_by_label("Access key").fill(studio.site.key)
    studio.button("Open").click()
    expect(studio.prompt).to_have_value("a boat")
    studio.failed.get_by_role("button", name="Try again").click()
    studio.wait_for_images(1)


def test_a_used_up_quota_is_not_repeated(open_studio: OpenStudio, site: Site) -> None:
    studio = open_studio(site._replace(key=site.guest_key))
    # Of two requests, the page's own for the presets is the first.
    studio.open()
    studio.create("a boat")
    studio.create("a boat", wait=None)

    expect(studio.failed).to_contain_text("quota is used up")
    assert len(studio.requests) == 2


def test_slow_images_get_fewer_steps(studio: Studio) -> None:
    studio.site.fault("slow", times=1, seconds=8)
    studio.create("a boat", wait=None)
    expect(studio.failed).to_contain_text("Took longer than the 6 seconds that this service waits.")
    studio.failed.get_by_role("button", name="Try with 30 steps").click()
    studio.wait_for_images(1)

    assert [request["steps"] for request in studio.requests] == [50, 30]


@pytest.mark.parametrize(
    ("fault", "note"),
    [
        ({"kind": "throttled", "times": 2}, "Busy"),
        ({"kind": "not_ready", "times": 1}, "The model starts."),
        ({"kind": "server_error", "times": 1}, "Busy"),
    ],
    ids=["429", "503", "502"],
)
def test_what_passes_is_repeated_under_the_same_call_id(
    open_studio: OpenStudio, fault: dict[str, Any], note: str
) -> None:
    studio = open_studio()
    studio.page.clock.install()
    studio.open()
    studio.site.fault(**fault)
    studio.create("a boat", wait=None)
    for _ in range(fault["times"]):
        expect(studio.page.locator(".tile.pausing")).to_contain_text(note)
        # What Retry-After says is waited for: a model that starts takes half a minute.
        studio.page.clock.fast_forward(31_000)
    studio.wait_for_images(1)

    assert len(studio.requests) > 1
    assert len(set(studio.call_ids)) == 1


def test_a_lost_connection_is_repeated_and_paid_once(studio: Studio) -> None:
    studio.page.route("**/text-to-image", lambda route: route.abort("connectionreset"), times=1)
    studio.create("a boat")

    assert len(studio.requests) == 2
    assert len(set(studio.call_ids)) == 1


def test_retry_after_is_obeyed(studio: Studio) -> None:
    def busy(route: Route) -> None:
        body = {"id": "7", "name": "conflict", "message": "Still being drawn."}
        route.fulfill(status=409, json=body, headers={"Retry-After": "3"})

    studio.page.route("**/text-to-image", busy, times=1)
    studio.create("a boat", wait=None)
    expect(studio.page.locator(".tile.pausing")).to_contain_text("Is being drawn")
    studio.page.wait_for_timeout(2_000)
    assert len(studio.requests) == 1
    studio.wait_for_images(1)


def test_too_large_an_image_is_made_smaller_once(studio: Studio) -> None:
    def too_large(route: Route) -> None:
        route.fulfill(status=413, json={"id": "7", "name": "request_too_large", "message": "Too large."})

    studio.drop("start.png", picture(1024, 1024))
    expect(studio.page.get_by_text("1024 × 1024, from the image")).to_be_visible()
    studio.page.route("**/image-to-image", too_large, times=1)
    studio.create("two colours")

    first, second = studio.requests
    assert first["init_image"] != second["init_image"]
    assert len(set(studio.call_ids)) == 2


def test_an_image_that_stays_too_large_is_replaced(studio: Studio) -> None:
    def too_large(route: Route) -> None:
        route.fulfill(status=413, json={"id": "7", "name": "request_too_large", "message": "Too large."})

    studio.drop("start.png", picture(1024, 1024))
    expect(studio.page.get_by_text("1024 × 1024, from the image")).to_be_visible()
    studio.page.route("**/image-to-image", too_large)
    studio.create("two colours", wait=None)
    studio.failed.get_by_role("button", name="Choose another image").click()

    expect(studio.page.get_by_text("from the image")).to_be_hidden()
    expect(studio.prompt).to_have_value("two colours")


def test_other_failures_say_so_with_the_request_id_under_details(studio: Studio) -> None:
    def fail(route: Route) -> None:
        route.fulfill(status=500, json={"id": "request-7", "name": "internal_error", "message": "It broke."})

    studio.page.route("**/text-to-image", fail, times=1)
    studio.create("a boat", wait=None)
    expect(studio.failed).to_contain_text("Something failed in the service.")
    studio.failed.get_by_text("Details").click()
    expect(studio.failed).to_contain_text("It broke.")
    expect(studio.failed).to_contain_text("Request request-7")
    expect(studio.prompt).to_have_value("a boat")
    studio.failed.get_by_role("button", name="Try again").click()
    studio.wait_for_images(1)


def test_an_error_is_announced(studio: Studio) -> None:
    studio.create("a dragon", wait=None)

    expect(studio.page.get_by_role("status", name="News")).to_have_text("No image: The service refuses these words.")


def test_the_state_of_the_service_is_shown(open_studio: OpenStudio) -> None:
    studio = open_studio()
    body = {"status": "unavailable", "name": "model_not_ready", "message": "Starting.", "id": "7"}
    studio.page.route("**/health", lambda route: route.fulfill(status=503, json=body))
    studio.open()

    expect(studio.page.locator(".service")).to_have_text("Starting, this takes some minutes")
