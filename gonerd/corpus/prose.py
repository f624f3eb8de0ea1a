"""From trafilatura's tree to paragraphs, and which of them are the page talking about itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import Any

from gonerd.corpus.tidy import PARTED
from gonerd.records import normalize_text

_BREAK = "\u2028"  # stands for <br> until paragraphs are put together
_INVISIBLE = re.compile(
    "[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\u0000-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f]"
)
_JOINERS = re.compile(r"[\u200c\u200d](?=[\x20-\x7e\s]|$)")  # of use in emoji and other scripts only
_REPEAT_WORDS = 12  # a paragraph of so many words is not meant to stand twice; a shorter one may be a refrain
_PROMOTION_WORDS = 45

# What pages say of themselves, in English: a paragraph that begins so, and is short.
_PROMOTION = re.compile(
    r"""(
      (click|tap)\ here\b
    | (sign\ up|subscribe|register)\b.*\b(newsletters?|inbox|updates|alerts|e-?mail\ list|channel|youtube)\b
    | get\ .*\b(newsletters?|inbox|delivered|subscription|app\b|by\ clicking\ here)
    | (like|follow|find|join)\ .*\bon\ (twitter|facebook|instagram|linkedin|youtube|telegram|x)\b
    | (reach|e-?mail|contact|write\ to)\ .*(@\w|\btwitter\b)
    | (have|got)\ a\ (news\ )?tip\b
    | (like|liked|enjoy|enjoyed|love)\ (this|the|our)\ (story|article|post|piece)\b
    | thanks\ for\ (signing\ up|subscribing)
    | tell\ us\ what\ you\ think | leave\ a\ (comment|reply) | post\ (a\ )?comment
    | (you\ may|you\ might)\ (also\ )?like
    | (copyright|©|\(c\))\ .*\b(19|20)\d\d\b
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_BUTTON = re.compile(
    r"(advertisement|comments?|share|print|e-?mail|reply|explore further|read (more|next)|see (more|also)( photos)?"
    r"|(to )?(read|see|view|continue reading) the (full|whole|entire|rest of the) (story|article)"
    r"|(more|related|top|partner|latest) (stories|articles|news|coverage)|related|all rights reserved)\W*",
    re.IGNORECASE,
)
_POINTER = re.compile(
    r"(related|read( more| also| next)?|see also|more|also (on|read)( \S+\.\w+)?|watch|don.t miss)\b[:\s|-]*",
    re.IGNORECASE,
)


def clean(text: str) -> str:
    """Return `text` in NFC, on one line, with single spaces and without invisible characters."""
    return normalize_text(" ".join(_JOINERS.sub("", _INVISIBLE.sub("", text.replace(PARTED, " "))).split()))


def paragraphs(body: Any) -> Iterator[str]:
    """Yield the paragraphs of trafilatura's tree (TEI-like: head, p, list/item, table/row/cell, quote, lb)."""
    parts: list[str] = []
    for event, element in _events(body):
        tag = element.tag if isinstance(element.tag, str) else ""
        if tag == "cell":
            if event == "end" and element.getnext() is not None:
                parts.append(" | ")
        elif tag == "lb":
            parts.append(_BREAK if event == "start" else "")
        elif tag not in ("hi", "ref", "del", "graphic", "") and not (tag in ("p", "head") and _in_cell(element)):
            yield from _flush(parts)
        text = element.text if event == "start" and tag else element.tail if event == "end" else None
        parts.append(text or "")
    yield from _flush(parts)


def _events(element: Any) -> Iterator[tuple[str, Any]]:
    yield "start", element
    for child in element:
        yield from _events(child)
    yield "end", element


def _in_cell(element: Any) -> bool:
    return any(parent.tag == "cell" for parent in element.iterancestors())


def _flush(parts: list[str]) -> Iterator[str]:
    """Yield what has come together: two line breaks in a row end a paragraph, a single one is a space."""
    text = "".join(parts)
    parts.clear()
    for piece in re.split(rf"{_BREAK}\s*{_BREAK}", text):
        line = clean(piece).strip("| ") if " | " in piece and not piece.strip(" |") else clean(piece)
        if line:
            yield line


def of_the_article(lines: Sequence[str], *, links: Collection[str]) -> list[str]:
    """Return the paragraphs without repeats and without what the page says of itself.

    Left out are: a paragraph equal to the one before it; the second of two long ones (three or more of a kind are a
    refrain, such as an interviewer's question); short paragraphs that ask to subscribe, follow, share or write in, and
    the labels of buttons; pointers to other articles ("Related: …") and capitals, where they are links; and links alone
    at the end of the text.

    Args:
        lines: paragraphs, in order.
        links: the texts of the page's links.
    """
    known = frozenset(links)
    kept: list[str] = []
    often = Counter(key for key, _ in groupby(lines) if len(key.split()) >= _REPEAT_WORDS)
    seen: set[str] = set()
    for line in lines:
        repeated = line in seen and often[line] == 2
        if (kept and line == kept[-1]) or repeated or _is_promotion(line, known):
            continue
        seen.add(line)
        kept.append(line)
    end = len(kept)
    while end and kept[end - 1] in known:
        end -= 1
    return kept[:end] if 2 * end > len(kept) else kept


def _is_promotion(line: str, links: Collection[str]) -> bool:
    if _BUTTON.fullmatch(line):
        return True
    if line in links and line.isupper() and " " in line:
        return True
    if (pointer := _POINTER.match(line)) and (line[pointer.end() :] in links or (line in links and ":" in pointer[0])):
        return True
    return len(line.split()) <= _PROMOTION_WORDS and _PROMOTION.match(line) is not None
