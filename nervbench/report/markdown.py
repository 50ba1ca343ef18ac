"""The little Markdown that pages need. What comes from a results file passes through ``escape`` and stays text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from urllib.parse import quote

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_SPECIAL = re.compile(r"[\\`*\[\]|~$]")
_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_AUTOLINK = re.compile(r":(?=//)|(?<=www)\.|@(?=\w)", re.IGNORECASE)
_LEADING = re.compile(r"^(?=[#+=-])")
_LEADING_NUMBER = re.compile(r"^(\d+)([.)])(?=\s|$)")


def plain(text: str) -> str:
    """A text on one line without control, direction or surrogate characters."""
    if text.isascii() and text.isprintable():  # nearly all are, of very many
        return " ".join(text.split())
    kept = (" " if unicodedata.category(letter) in {"Cc", "Zl", "Zp"} else letter for letter in text)
    return " ".join("".join(letter for letter in kept if unicodedata.category(letter)[0] != "C").split())


def escape(text: str) -> str:
    r"""A text that Markdown and HTML show as it is: no markup, link, table border or list begins in it.

    >>> escape("<b>*a*|b</b>")
    '&lt;b&gt;\\*a\\*\\|b&lt;/b&gt;'
    >>> escape("nerv-s/fp32/eager/b1"), escape("OMP_NUM_THREADS")
    ('nerv-s/fp32/eager/b1', 'OMP_NUM_THREADS')
    """
    text = plain(text).translate(_ENTITIES)
    text = _SPECIAL.sub(lambda found: "\\" + found[0], text)
    text = _UNDERSCORE.sub(r"\\_", text)
    text = _AUTOLINK.sub(lambda found: f"&#{ord(found[0])};", text)
    return _LEADING.sub(r"\\", _LEADING_NUMBER.sub(r"\1\\\2", text))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """A table; the columns of these places are aligned right. Cells are Markdown already."""
    numbers = set(right)
    marks = ["---:" if column in numbers else "---" for column in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, marks, *rows))


def bullets(items: Iterable[str]) -> str:
    """A list; the items are Markdown."""
    return "\n".join(f"- {item}" for item in items)


def link(text: str, path: str) -> str:
    """A link to a file; both are plain text."""
    return f"[{escape(text)}]({quote(path)})"


def image(text: str, path: str) -> str:
    """A picture from a file; both are plain text."""
    return f"!{link(text, path)}"


def sections(parts: Iterable[tuple[str, str]]) -> str:
    """Second-level sections, those without a body left out."""
    return "\n\n".join(f"## {head}\n\n{body}" for head, body in parts if body)


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names in a row, escaped, the surplus only counted.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(escape(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
