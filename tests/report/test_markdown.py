"""Text from a file stays text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nervbench.report.markdown import escape, image, link, listed, plain, table

MARKUP = "\\`*[]<>|~$"


@given(st.text())
def test_escape_leaves_no_markup(text: str) -> None:
    """After escaping every special letter is behind a backslash or is an entity, and the text is one line."""
    escaped = escape(text)
    rest = re.sub(r"\\.|&(?:amp|lt|gt|#\d+);", "", escaped)
    assert not set(rest) & set(MARKUP)
    assert "&" not in rest
    assert len(escaped.splitlines()) <= 1


@given(st.text(st.sampled_from("\\`*_[](){}<>|~$#+-=.!&;:@/ \n\t1ab") | st.characters()))
def test_a_parser_finds_only_text(text: str) -> None:
    """A Markdown parser makes of an escaped text one paragraph of exactly that text, and of a cell exactly one cell."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    shown = plain(text)
    whole = parser.parse(escape(text))
    assert [token.type for token in whole] == (["paragraph_open", "inline", "paragraph_close"] if shown else [])
    cells = [token for token in parser.parse(table(("a", "b"), [(escape(text), "2")])) if token.type == "inline"]
    assert len(cells) == 4
    for token in [*whole[1:2], cells[2]]:
        children = token.children or []
        assert {child.type for child in children} <= {"text", "text_special"}
        assert "".join(child.content for child in children) == shown


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        ("<script>", "&lt;script&gt;"),
        ("[x](http://y)", r"\[x\](http&#58;//y)"),
        ("www.example.org", "www&#46;example.org"),
        ("me@example.org", "me&#64;example.org"),
        ("_a_ b_c", r"\_a\_ b_c"),
        ("# head", r"\# head"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("line\nbreak\r\n\u2028end", "line break end"),
        ("&lt;", "&amp;lt;"),
        ("a\x00\u202eb", "a b"),
        ("nerv-s/fp32/ov/b1", "nerv-s/fp32/ov/b1"),
        ("Processor @ 2.50GHz", "Processor @ 2.50GHz"),
    ],
)
def test_escape(text: str, escaped: str) -> None:
    """Markup of each kind is disarmed, and names that people paste stay as they are."""
    assert escape(text) == escaped


def test_plain_drops_what_cannot_be_encoded() -> None:
    """A lone surrogate is dropped, so that every page can be written."""
    assert plain("a\ud800b") == "ab"


def test_link_and_image_paths() -> None:
    """A path with blanks, brackets and quotes cannot end the link that it is in."""
    assert link("a]b", 'x (1)".md') == r"[a\]b](x%20%281%29%22.md)"
    assert image("a", "f/a b.png") == "![a](f/a%20b.png)"


def test_table() -> None:
    """A table has one line a row under its head, with the numbers aligned right."""
    assert table(("a", "b"), [("1", "2")], right=[1]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"


def test_listed() -> None:
    """Names beyond the most are counted, and all are escaped."""
    assert listed(["a*", "b", "c"], most=1) == r"a\* and 2 more"
