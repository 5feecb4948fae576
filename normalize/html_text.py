"""An HTML body as the text a reader sees.

Tags are cut out by expressions whose time is linear in the page: real HTML parsers take minutes for a hundred thousand
nested elements, and a stranger can send those. What comes out is text only, never markup to be shown.
"""

from __future__ import annotations

import html
import re
from itertools import zip_longest

# Stand-ins that no mail contains.
_LINE, _GAP, _CELL = "\ue0f0", "\ue0f1", "\ue0f2"
_UNSEEN = re.compile(
    r"<!--(?:.*?-->|.*\Z)|<(script|style|title|noscript|xml)\b[^<>]*>(?:.*?</\1\s*>|.*\Z)|<!\[[^<>]*\]>",
    re.IGNORECASE | re.DOTALL,
)
_PRE = re.compile(r"<pre\b[^<>]*>(?:.*?</pre\s*>|.*\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9:]*)\b[^<>]*>|<[!?][^<>]*>")
_LINES = frozenset(
    ["br", "div", "li", "ul", "ol", "dl", "dt", "dd", "tr", "tbody", "blockquote", "pre", "center", "form", "main"]
)
_GAPS = frozenset(["p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "hr"])


def html_to_text(source: str) -> str:
    """The words of an HTML page: a line for a block, a tab between cells, no markup, scripts or styles."""
    source = _UNSEEN.sub("", source)
    source = _PRE.sub(lambda match: match[0].replace("\n", _LINE), source)
    source = re.sub(r"[ \t\r\n\f]+", " ", source)
    return _laid_out(html.unescape(_TAG.sub(_stand_in, source)).replace("\xa0", " "))


def _stand_in(tag: re.Match[str]) -> str:
    name = (tag[1] or "").lower()
    if name in _LINES:
        return _LINE
    if name in _GAPS:
        return _GAP
    return _CELL if name in {"td", "th"} and tag[0].startswith("</") else ""


def _laid_out(text: str) -> str:
    # blanks first: the expressions below are linear only where blanks stand alone
    pieces = re.split(f"([ {_LINE}{_GAP}]*[{_LINE}{_GAP}][ {_LINE}{_GAP}]*)", re.sub(" {2,}", " ", text))
    words = (re.sub(f" ?{_CELL} ?", "\t", piece.strip(f" {_CELL}")) for piece in pieces[::2])
    breaks = (_break(piece) for piece in pieces[1::2])
    return "".join(each for pair in zip_longest(words, breaks, fillvalue="") for each in pair).strip()


def _break(marks: str) -> str:
    # a block's end and the next one's begin are one line break
    return "\n\n" if _GAP in marks or marks.count(_LINE) > 2 else "\n"
