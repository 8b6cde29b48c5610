"""The creators' page as a person has it open: what they see and do, and what the browser reports."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, Response

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MILLISECONDS = 15_000


class Site(NamedTuple):
    """A deployed page, a key for it, and where the emulator takes faults."""

    url: str
    key: str
    faults_url: str
    guest_key: str = ""

    def fault(self, kind: str, **fields: Any) -> None:
        """Let the model fail from now on, or `times` times."""
        httpx2.put(self.faults_url, json={"fault": kind, **fields}).raise_for_status()

    def heal(self) -> None:
        """End every fault."""
        httpx2.delete(self.faults_url).raise_for_status()


class Studio:
    """One browser profile with the page in one tab.

    `requests` has the bodies of all requests for images, in order. `most_at_once` is how many of them were under way
    at the same time.
    """

    def __init__(self, browser: Browser, site: Site, **context: Any) -> None:
        self.site = site
        self.context: BrowserContext = browser.new_context(
            viewport=context.pop("viewport", {"width": 1360, "height": 860}), **context
        )
        self.context.set_default_timeout(PATIENCE_MILLISECONDS)
        self.page: Page = self.context.new_page()
        self.requests: list[dict[str, Any]] = []
        self.call_ids: list[str] = []
        self.addresses: list[str] = []
        self.most_at_once = self._at_once = 0
        self._messages: list[str] = []
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self._messages.append(f"uncaught: {error}"))
        self.page.on("request", self._note_request)
        self.page.on("requestfinished", self._note_end)
        self.page.on("requestfailed", self._note_end)

    def open(self, fragment: str | None = None) -> Studio:
        """Open the page by the link that creators get, and wait for its form."""
        self.page.goto(f"{self.site.url}#{fragment or f'key={self.site.key}'}")
        self.prompt.wait_for()
        return self

    def close(self) -> None:
        """Close the profile. The browser must have had nothing to complain about, but refused requests."""
        self.context.close()
        assert self._messages == []

    @property
    def prompt(self) -> Locator:
        """The question that everything begins with."""
        return self.page.get_by_label("What does it show?")

    @property
    def images(self) -> Locator:
        """The tiles of finished images, newest first."""
        return self.page.locator(".tile .open")

    @property
    def failed(self) -> Locator:
        """The tiles of images that failed."""
        return self.page.locator(".tile.failed")

    def button(self, name: str) -> Locator:
        """The button of this name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def choose(self, name: str) -> None:
        """Choose the radio tile of this name."""
        self.page.get_by_role("radio", name=name).check()

    def create(self, words: str, *, wait: int | None = 1) -> None:
        """Create images of `words`, and wait for that many finished ones in all."""
        self.prompt.fill(words)
        self.button("Create").click()
        if wait is not None:
            self.wait_for_images(wait)

    def wait_for_images(self, count: int) -> None:
        """Wait until that many images are there."""
        self.images.nth(count - 1).wait_for()

    def open_image(self, index: int = 0) -> Locator:
        """Open an image large."""
        self.images.nth(index).click()
        viewer = self.page.get_by_role("dialog", name="Image")
        viewer.locator(".frame img").wait_for()
        return viewer

    def saved(self, index: int = 0) -> bytes:
        """The file that Save gives."""
        viewer = self.open_image(index)
        with self.page.expect_download() as download:
            viewer.get_by_role("button", name="Save").click()
        data = Path(download.value.path()).read_bytes()
        viewer.get_by_role("button", name="Close").click()
        return data

    def violations(self) -> list[str]:
        """What axe-core finds to be inaccessible in the page as it is."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")["violations"]
        return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]

    def drop(self, name: str, data: bytes, media_type: str = "image/png") -> None:
        """Drop a file onto the page."""
        transfer = self.page.evaluate_handle(
            """([name, type, bytes]) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
                return transfer;
            }""",
            [name, media_type, list(data)],
        )
        self.page.dispatch_event("main", "drop", {"dataTransfer": transfer})

    def stored(self) -> str:
        """Everything that the browser keeps for the page, as text, images aside."""
        kept = self.page.evaluate(
            """async () => {
                const rows = [];
                for (const { name } of await indexedDB.databases()) {
                    const open = indexedDB.open(name);
                    const base = await new Promise((resolve) => { open.onsuccess = () => resolve(open.result); });
                    for (const store of base.objectStoreNames) {
                        const all = base.transaction(store).objectStore(store).getAll();
                        rows.push(await new Promise((resolve) => { all.onsuccess = () => resolve(all.result); }));
                    }
                    base.close();
                }
                return rows;
            }"""
        )
        return json.dumps(kept)

    def _note_message(self, message: ConsoleMessage) -> None:
        # Chromium reports every status from 400 on as an error of the page.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self._messages.append(f"{message.type}: {message.text}")

    def _note_request(self, request: Request) -> None:
        self.addresses.append(request.url)
        if "/generation/" in request.url:
            self.requests.append(json.loads(request.post_data or "{}"))
            self.call_ids.append(request.headers["idempotency-key"])
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)

    def _note_end(self, request: Request) -> None:
        if "/generation/" in request.url:
            self._at_once -= 1


def pixels(data: bytes) -> Image.Image:
    """An image file's pixels."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def picture(width: int, height: int) -> bytes:
    """A PNG of this size, in two colours."""
    image = Image.new("RGB", (width, height), (20, 90, 160))
    image.paste((240, 200, 40), (0, 0, width // 2, height))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def host(url: str) -> str:
    """The host and port of an address; empty for data and blobs."""
    return urlsplit(url).netloc


def headers_of(response: Response) -> Mapping[str, str]:
    """The headers of an answer."""
    return response.headers
