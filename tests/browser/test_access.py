"""Who may use the page, and what the browser is told: keys, sign-in, headers, and no other host."""

from __future__ import annotations

import re

import httpx2
import pytest
from conftest import OpenStudio
from playwright.sync_api import Route, expect
from studio import Site, Studio, host

pytestmark = pytest.mark.allow_loopback


def test_the_key_is_in_no_address_and_in_no_storage_that_stays(studio: Studio) -> None:
    studio.create("a boat")

    assert studio.page.url == studio.site.url
    assert studio.page.evaluate("() => history.length") <= 2
    assert not [address for address in studio.addresses if studio.site.key in address.partition("#")[0]]
    assert studio.page.evaluate("() => Object.values(localStorage).join()") == ""
    assert studio.site.key not in studio.stored()
    assert studio.site.key not in studio.page.content()


def test_the_key_lasts_as_long_as_the_tab_unless_it_is_remembered(studio: Studio, open_studio: OpenStudio) -> None:
    studio.page.reload()
    studio.prompt.wait_for()
    other_tab = studio.context.new_page()
    other_tab.goto(studio.site.url)
    expect(other_tab.get_by_label("Access key")).to_be_visible()

    studio.page.get_by_label("Remember the key on this computer").check()
    other_tab.reload()
    expect(other_tab.get_by_label("What does it show?")).to_be_visible()

    other_tab.get_by_role("button", name="Forget the key").click()
    expect(other_tab.get_by_label("Access key")).to_be_visible()
    assert studio.page.evaluate("() => Object.values(localStorage).join()") == ""


def test_nothing_comes_from_another_host(studio: Studio) -> None:
    studio.create("a boat")

    assert {host(address) for address in studio.addresses} - {""} == {host(studio.site.url)}


@pytest.mark.parametrize("path", ["", "console/access.json"])
def test_headers_are_strict(site: Site, path: str) -> None:
    answer = httpx2.get(site.url + path)

    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_files_are_kept_by_their_names_and_the_page_is_asked_for_again(site: Site) -> None:
    page = httpx2.get(site.url)
    assert page.headers["cache-control"] == "no-cache"
    assert httpx2.get(site.url, headers={"if-none-match": page.headers["etag"]}).status_code == 304
    names = re.findall(r'"(console/main-[0-9a-f]+\.(?:js|css))"', page.text)
    assert len(names) == 2
    for name in names:
        answer = httpx2.get(site.url + name)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert httpx2.head(site.url + name).headers["etag"] == answer.headers["etag"]
    assert not re.search(r"<script>|<style>|\sstyle=|\son\w+=", page.text)


def test_unknown_files_are_not_found(site: Site) -> None:
    answer = httpx2.get(site.url + "console/../api.py")
    assert httpx2.get(site.url + "console/nothing.js").status_code == 404
    assert answer.status_code in {403, 404}


def sign_in_at_the_emulator(studio: Studio, emulator_url: str) -> None:
    """Lead the user pool's domain to the emulator, which serves its pages."""

    def lead(route: Route) -> None:
        request = route.request
        host_name = host(request.url)
        address = request.url.replace(f"https://{host_name}", emulator_url)
        answer = route.fetch(url=address, headers={**request.headers, "host": host_name}, max_redirects=0)
        route.fulfill(response=answer)

    studio.context.route(re.compile(r"https://[^/]+\.amazoncognito\.com/"), lead)


def test_people_sign_in_and_the_token_stays_in_memory(open_studio: OpenStudio, sites: dict[str, Site]) -> None:
    site = sites["people"]
    studio = open_studio(site)
    sign_in_at_the_emulator(studio, site.faults_url.removesuffix("/_emulator/faults"))
    studio.page.goto(site.url)
    studio.button("Sign in").click()
    studio.page.get_by_label("Email").fill("creator@example.com")
    studio.page.get_by_role("button", name="Sign in").click()
    studio.prompt.wait_for()
    assert studio.page.url == site.url
    studio.create("a boat")

    assert studio.page.evaluate("() => Object.values(localStorage).join()") == ""
    assert "ey" not in studio.page.evaluate("() => Object.keys(sessionStorage).join()")
    assert studio.page.evaluate("() => sessionStorage.getItem('sdxl.sign-in')") is None


def test_a_sign_in_that_this_page_did_not_begin_is_not_taken(open_studio: OpenStudio, sites: dict[str, Site]) -> None:
    studio = open_studio(sites["people"])
    studio.page.goto(f"{studio.site.url}?code=stolen&state=forged")

    expect(studio.button("Sign in")).to_be_visible()
    assert studio.page.url == studio.site.url
    assert not [address for address in studio.addresses if "oauth2/token" in address]
