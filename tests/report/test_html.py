"""The one HTML page: it says what the Markdown says, needs nothing else, runs nothing that a results file brings."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nervbench.records import Status
from nervbench.report.html import page
from nervbench.report.pages import generate, one_page, publish, write
from tests.report.factory import a_run, failed
from tests.report.test_pages import run, stored

__all__ = ["run"]
PICTURE = b"<svg xmlns='http://www.w3.org/2000/svg'/>"


class Elements(HTMLParser):
    """Every element with its attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def shown(**texts: str) -> str:
    """The page of these texts, whose every picture is there."""
    return page({name.replace("__", "/") + ".md": text for name, text in texts.items()}, lambda _: PICTURE).decode()


def body(**texts: str) -> str:
    """What is in its main part."""
    return shown(**texts).partition("<main")[2].partition("</main>")[0]


def test_needs_nothing_else(run: Path) -> None:
    """No element leads out of the page, and the policy allows its own script only."""
    write(run)
    text = (run / "report.html").read_text()
    elements = Elements(text)
    for tag, attributes in elements.found:
        assert not {"src", "href", "action", "srcset"} & attributes.keys() or (
            (attributes.get("src") or "data:").startswith("data:") and (attributes.get("href") or "#").startswith("#")
        ), (tag, attributes)
    assert not elements.of("link")
    (policy,) = (each["content"] for each in elements.of("meta") if each.get("http-equiv"))
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    hashed = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert len(script) == 1
    assert f"script-src 'sha256-{hashed}'" in (policy or "")
    assert "default-src 'none'" in (policy or "")


def test_same_bytes(run: Path) -> None:
    """The same results give the same bytes."""
    assert one_page(run, generate(run)) == one_page(run, generate(run))


def test_says_what_the_pages_say(run: Path) -> None:
    """Every case and every heading of the Markdown is there."""
    write(run)
    text = Elements((run / "report.html").read_text()).text
    for result in a_run():
        assert result.case.name in text
    for heading in re.findall(r"(?m)^## (.+)$", (run / "report.md").read_text()):
        assert heading in text


def test_committed(run: Path, tmp_path: Path) -> None:
    """All pages of the committed folder are in one, and what was a link to another page leads to its place."""
    publish(run, tmp_path / "reports")
    elements = Elements((tmp_path / "reports" / "index.html").read_text())
    anchors = {attributes["id"] for _, attributes in elements.found if "id" in attributes}
    links = {str(attributes["href"])[1:] for attributes in elements.of("a")}
    assert {"index", "xeon-2.5ghz-2-threads"} <= anchors
    assert links <= anchors


def test_markup_of_others(run: Path) -> None:
    """What a results file has stays text, in tables too."""
    evil = "<img src=x onerror=alert(1)> | <script>alert(2)</script> [a](javascript:alert(3)) ![b](http://c/d.png)"
    row = failed(Status.CRASHED, evil)
    stored(run / "results.jsonl", [replace(row, case=replace(row.case, name=evil, model=evil))])
    write(run)
    elements = Elements((run / "report.html").read_text())
    assert "<img src=x onerror=alert(1)>" in elements.text
    assert len(elements.of("script")) == 1
    assert all((each.get("src") or "").startswith("data:") for each in elements.of("img"))
    assert all((each.get("href") or "").startswith("#") for each in elements.of("a"))
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)


def test_tables() -> None:
    """Heads, numbers to the right, markup in cells, an escaped bar in one; long texts may be broken."""
    found = body(a="| case | FPS |\n| --- | ---: |\n| a\\|b **c** | 12.3 |\n| " + 50 * "x" + " | – |\n")
    assert '<th scope="col">case</th><th scope="col" class=number>FPS</th>' in found
    assert "<td>a|b <strong>c</strong></td><td class=number>12.3</td>" in found
    assert f"<td class=long>{50 * 'x'}</td>" in found


def test_links() -> None:
    """A link to a page leads to its part, from a folder too; a link to another file leads nowhere."""
    found = body(index="[one](suites/x/suite.md) [two](results.jsonl)", suites__x__suite="# X\n\n[up](../../index.md)")
    assert '<a href="#suites-x-suite">one</a> <a href="#">two</a>' in found
    assert '<a href="#index">up</a>' in found


def test_frames() -> None:
    """Pictures of a frame lie on each other, with a handle and words; one alone has no handle."""
    head = "| frame | PSNR, dB | source | decoded | difference |\n| --- | ---: | --- | --- | --- |\n"
    whole = "| 7 | 31.20 | ![frame 7, source](a.png) | ![frame 7, decoded](b.png) | ![frame 7, difference](c.png) |\n"
    alone = "| 8 | – | ![frame 8, source](a.png) | – | – |\n"
    first, second = body(a=head + whole + alone).split("<figure")[1:]
    assert 'class="decoded" alt="frame 7, decoded" src="data:image/png;base64,' in first
    assert 'type="range"' in first
    assert 'type="checkbox"' in first
    assert "<figcaption>Frame 7, PSNR 31.20 dB</figcaption>" in first
    assert "<input" not in second


@pytest.mark.parametrize("content", [None, b""])
def test_no_picture(content: bytes | None) -> None:
    """A picture that is not there is its words."""
    assert b"[a figure]" in page({"a.md": "# A\n\n![a figure](figures/a.svg)\n"}, lambda _: content)
