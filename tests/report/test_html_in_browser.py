"""The HTML page in headless Chromium: it loads without a complaint, sorts, slides, and can be used with keys alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nervbench.report.pages import write
from tests.report.factory import a_run
from tests.report.test_pages import stored

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run's page: two models, pictures of two frames."""
    folder: Path = tmp_path_factory.mktemp("page") / "run"
    stored(folder / "results.jsonl", a_run())
    (folder / "frames").mkdir()
    chance = np.random.default_rng(0)
    for index in (0, 65):
        source = chance.integers(0, 200, (90, 160, 3), dtype=np.uint8)
        pictures = {"source": source, "decoded": source + 10, "difference": np.full_like(source, 40)}
        for kind, picture in pictures.items():
            Image.fromarray(picture).save(folder / "frames" / f"nerv-xs-{index:04d}-{kind}.png")
    return write(folder).with_suffix(".html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser that is silent."""
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield opened
        opened.close()


@pytest.fixture
def shown(browser: Any, address: str) -> Iterator[Any]:
    """The page in a window; at the end nothing has complained and nothing was asked of the network."""
    complaints: list[str] = []
    window = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    window.on("console", lambda said: complaints.append(said.text))
    window.on("pageerror", lambda error: complaints.append(str(error)))
    window.on(
        "request", lambda asked: None if asked.url.startswith(("file:", "data:")) else complaints.append(asked.url)
    )
    window.set_default_timeout(5000)
    window.goto(address)
    yield window
    assert complaints == []
    window.close()


def column(window: Any, table: int, place: int) -> list[str]:
    """The texts of a column."""
    cells = (
        f"Array.from(document.querySelectorAll('table')[{table}].tBodies[0].rows, row => row.cells[{place}].innerText)"
    )
    found: list[str] = window.evaluate(cells)
    return found


def head(window: Any, table: int, words: str) -> Any:
    """The button in the head of a column."""
    return window.locator("table").nth(table).get_by_role("button", name=words, exact=True)


def test_loads(shown: Any) -> None:
    """Title, a heading, every picture drawn, and nothing wider than the window."""
    assert shown.title().startswith("Decoding NeRV on")
    sizes = shown.evaluate("Array.from(document.images, image => image.naturalWidth)")
    assert len(sizes) == 6 + 6
    assert min(sizes) > 0
    assert shown.evaluate("document.documentElement.scrollWidth") <= 1280


def test_sorts(shown: Any) -> None:
    """By numbers, down again, and as it was; what is unknown comes last either way, and a reader is told how."""
    before = column(shown, 0, 3)
    speed = head(shown, 0, "FPS (interval)")
    speed.click()
    rising = [float(text.split()[0]) for text in column(shown, 0, 3) if text != "–"]
    assert rising == sorted(rising)
    assert column(shown, 0, 3)[-1] == "–"
    assert shown.locator("th[aria-sort=ascending]").count() == 1
    speed.click()
    falling = [float(text.split()[0]) for text in column(shown, 0, 3) if text != "–"]
    assert falling == rising[::-1]
    assert column(shown, 0, 3)[-1] == "–"
    speed.click()
    assert column(shown, 0, 3) == before
    assert shown.locator("th[aria-sort]").count() == 0


def test_sorts_with_prefixes(shown: Any) -> None:
    """482 ms is less than 1.1 s."""
    table = shown.evaluate(
        "Array.from(document.querySelectorAll('table')).findIndex(table => table.innerText.includes('least time'))"
    )
    head(shown, table, "least time by arithmetic").press("Enter")
    assert column(shown, table, 2) == ["482 ms", "1.10 s"]


def test_slides(shown: Any) -> None:
    """With the arrow keys, the decoded frame is uncovered as far as the handle says; the list changes the frame."""
    handle = shown.locator("input[type=range]").first
    handle.focus()
    for _ in range(10):
        handle.press("ArrowRight")
    assert shown.evaluate("document.querySelector('.stage').style.getPropertyValue('--at')") == "60%"
    clip = shown.evaluate("getComputedStyle(document.querySelector('.stage .decoded')).clipPath")
    assert "calc(40%)" in clip or "40%" in clip
    assert shown.locator(".frame figcaption").all_inner_texts()[0] == "Frame 0, PSNR 28.13 dB"
    shown.locator(".choice select").select_option(index=1)
    assert [frame.is_visible() for frame in shown.locator(".frame").all()] == [False, True]
    shown.locator("input[type=checkbox]").nth(1).check()
    assert (
        shown.evaluate(
            "getComputedStyle(document.querySelectorAll('.frame')[1].querySelector('.difference')).visibility"
        )
        == "visible"
    )


def test_dark_and_light(shown: Any) -> None:
    """The button changes the ground; without it, it is as the system says."""
    ground = "getComputedStyle(document.body).backgroundColor"
    assert shown.evaluate(ground) == "rgb(255, 255, 255)"
    shown.get_by_role("button", name="Dark", exact=True).click()
    assert shown.evaluate(ground) == "rgb(0, 0, 0)"
    shown.get_by_role("button", name="Light", exact=True).click()
    assert shown.evaluate(ground) == "rgb(255, 255, 255)"
    shown.emulate_media(color_scheme="dark")
    assert shown.evaluate(ground) == "rgb(255, 255, 255)"
    shown.reload()
    assert shown.evaluate(ground) == "rgb(0, 0, 0)"


def test_keys_reach_everything(shown: Any) -> None:
    """From the start the first stop leads past the contents, and every control can be reached."""
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.className") == "skip"
    unreachable = "Array.from(document.querySelectorAll('button, input, select, a')).filter(each => each.tabIndex < 0)"
    assert shown.evaluate(f"{unreachable}.length") == 0


def test_without_script(browser: Any, address: str) -> None:
    """All that is measured can be read."""
    context = browser.new_context(java_script_enabled=False)
    window = context.new_page()
    window.goto(address)
    assert window.locator("table").first.is_visible()
    assert window.locator(".frame").nth(1).is_visible()
    context.close()
