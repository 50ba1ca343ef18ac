"""The pages of a folder as one HTML page that needs nothing else: no network, no other file, no script to be read.

It says what the Markdown pages say, for it is made of them; tables can be sorted, and the pictures of a frame lie on
each other. A policy in its head lets the browser load nothing, and run nothing but the one script that is in it.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import PurePosixPath
from string import Template
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from nervbench.files import slug
from nervbench.report import pictures

Picture = Callable[[str], bytes | None]
"""The content of a picture by its path from the folder, None where there is none."""
TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
LONG = 40
"""Letters of a cell that may be broken into lines."""
_CELL_ENDS = re.compile(r"(?<!\\)\|")
_PLAIN = re.compile(r"[\w ./%×,()–:;+°-]*")
"""A cell in which no letter means anything to Markdown or to HTML (but an underscore, beside which a letter stands)."""
_FRAME = re.compile(r"!\[(?P<alt>frame \d+, (?P<kind>\w+))\]\((?P<path>[^()\s]+)\)")


def page(texts: Mapping[str, str], picture: Picture) -> bytes:
    """The whole page; ``texts`` are the Markdown pages by their paths, in order. The same texts give the same bytes."""
    bodies = [_Page(path, text, texts, picture) for path, text in texts.items()]
    parts = bodies[0].sections if len(bodies) == 1 else [(body.title, body.anchor) for body in bodies]
    script = _asset("page.js")
    links = "".join(f'<li><a href="#{anchor}">{html.escape(name)}</a></li>' for name, anchor in parts)
    articles = "".join(f'<article id="{body.anchor}">{body.html}</article>' for body in bodies)
    filled = Template(_asset("page.html")).substitute(
        title=html.escape(bodies[0].title if bodies else "nervbench"),
        hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=_asset("page.css"),
        script=script,
        links=links,
        articles=articles,
    )
    return filled.encode()


class _Page:
    """One Markdown page as HTML: ``title``, ``anchor``, ``sections`` (heading, anchor) and ``html``."""

    def __init__(self, path: str, text: str, others: Mapping[str, str], picture: Picture) -> None:
        self.anchor = _anchor(path)
        self.title = ""
        self.sections: list[tuple[str, str]] = []
        self._below = PurePosixPath(path).parent
        self._others = others
        self._picture = picture
        self._markdown = MarkdownIt("commonmark", {"html": False})
        self._markdown.add_render_rule("image", lambda _, *given: self._image(*given))
        self.html = "".join(
            self._table(block) if block.startswith("|") else self._text(block) for block in _blocks(text)
        )

    def _text(self, block: str) -> str:
        tokens = self._markdown.parse(block)
        for place, token in enumerate(tokens):
            if token.type == "heading_open":
                self._named(token, tokens[place + 1])
            for child in token.children or ():
                if child.type == "link_open":
                    child.attrSet("href", self._target(str(child.attrGet("href"))))
        return str(self._markdown.renderer.render(tokens, self._markdown.options, {}))

    def _named(self, heading: Token, words: Token) -> None:
        """Give a heading an anchor, and remember it."""
        name = "".join(child.content for child in words.children or ())
        if heading.tag == "h1":
            self.title = self.title or name
        elif heading.tag == "h2":
            anchor = f"{self.anchor}--{slug(name)}"
            heading.attrSet("id", anchor)
            self.sections.append((name, anchor))

    def _target(self, link: str) -> str:
        """A link to another page of ours as an anchor of this one; another file is not here, so it leads nowhere."""
        path = self._path(link)
        return f"#{_anchor(path)}" if path in self._others else "#"

    def _path(self, link: str) -> str:
        """The path of a link from the folder."""
        parts: list[str] = []
        for part in (self._below / unquote(link)).parts:
            if part == "..":
                parts = parts[:-1]
            else:
                parts.append(part)
        return "/".join(parts)

    def _image(self, tokens: list[Token], place: int, options: OptionsDict, env: EnvType) -> str:
        """A picture with its content in it; its words where it has none."""
        words = html.escape(RendererHTML().renderInlineAsText(tokens[place].children, options, env))
        source = self._data(str(tokens[place].attrGet("src")))
        return f'<img class="figure" alt="{words}" src="{source}">' if source else f"[{words}]"

    def _data(self, link: str) -> str | None:
        path = self._path(link)
        content = self._picture(path)
        kind = TYPES.get(PurePosixPath(path).suffix)
        return f"data:{kind};base64,{base64.b64encode(content).decode()}" if content and kind else None

    def _table(self, block: str) -> str:
        """A table that can be sorted, or the pictures of frames on each other."""
        head, marks, *lines = ([cell.strip() for cell in _CELL_ENDS.split(line)[1:-1]] for line in block.splitlines())
        if any(_FRAME.fullmatch(cell) for cell in (lines[0] if lines else ())):
            return "".join(self._frame(line) for line in lines)
        right = [mark.endswith(":") for mark in marks]
        heads = "".join(
            f'<th scope="col"{" class=number" if number else ""}>{self._cell(cell)}</th>'
            for cell, number in zip(head, right, strict=True)
        )
        rows = "\n".join(self._row(line, right) for line in lines)
        table = f"<table><thead><tr>{heads}</tr></thead>\n<tbody>{rows}</tbody></table>"
        return f'<div class="wide" tabindex="0">{table}</div>'

    def _row(self, cells: list[str], right: list[bool]) -> str:
        said = (f"<td{_kind(cell, number)}>{self._cell(cell)}</td>" for cell, number in zip(cells, right, strict=True))
        return f"<tr>{''.join(said)}</tr>"

    def _cell(self, cell: str) -> str:
        if _PLAIN.fullmatch(cell):  # nearly all are, of very many
            return cell
        tokens = self._markdown.parseInline(cell)
        for child in tokens[0].children or ():
            if child.type == "link_open":
                child.attrSet("href", self._target(str(child.attrGet("href"))))
        return str(self._markdown.renderer.render(tokens, self._markdown.options, {}))

    def _frame(self, line: list[str]) -> str:
        """The decoded frame over its source, as far as a handle is moved."""
        index, psnr, *cells = line
        sources = {
            found["kind"]: (html.escape(found["alt"]), data)
            for cell in cells
            if (found := _FRAME.fullmatch(cell)) and (data := self._data(found["path"]))
        }
        shown = "".join(f'<img class="{kind}" alt="{words}" src="{data}">' for kind, (words, data) in sources.items())
        words = f"Frame {html.escape(index)}, PSNR {html.escape(psnr)} dB"
        control = ""
        if {pictures.SOURCE, pictures.DECODED} <= set(sources):
            control = (
                '<label class="split">decoded <input type="range" min="0" max="100" value="50" step="1" '
                f'aria-label="{words}: how much of the decoded frame is shown, in percent"> source</label>'
            )
        if pictures.DIFFERENCE in sources:
            control += f'<label><input type="checkbox"> difference, {pictures.AMPLIFIED} times amplified</label>'
        return (
            f'<figure class="frame"><div class="stage">{shown}</div>{control}<figcaption>{words}</figcaption></figure>'
        )


def _blocks(text: str) -> list[str]:
    """A page's text, tables and what is between them."""
    return [block for block in re.split(r"(?m)((?:^\|.*\n?)+)", text) if block.strip()]


def _kind(cell: str, number: bool) -> str:
    """The class of a cell: a number stands to the right, a long text may be broken."""
    return " class=number" if number and len(cell) < LONG else " class=long" if len(cell) >= LONG else ""


def _anchor(path: str) -> str:
    return slug(path.removesuffix(".md"))


def _asset(name: str) -> str:
    return (files("nervbench.report") / "html_page" / name).read_text(encoding="utf-8")
