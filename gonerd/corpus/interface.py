"""Articles that an interface gives as JSON: the HTML in them, as a page like any other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from gonerd.corpus.html import decode
from gonerd.corpus.sources import JSON, Source


def page_html(body: bytes, content_type: str | None, source: Source | None) -> str:
    """Return the HTML of a page: its body as it is, or what the source says that its JSON holds, "" if it does not."""
    text = decode(body, content_type)
    if source is None or not source.body.startswith(JSON):
        return text
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    found = _text_at(answer, source.body.removeprefix(JSON))
    if not found:
        return ""
    title, published = (escape(_text_at(answer, path)) if path else "" for path in (source.title, source.published))
    head = f"<title>{title}</title>" if title else ""
    head += f'<meta property="article:published_time" content="{published}">' if published else ""
    headline = f"<h1>{title}</h1>" if title else ""
    return f"<html><head>{head}</head><body><article>{headline}{found}</article></body></html>"


def value_at(value: Any, path: str) -> Any:
    """Return what lies under a path of keys and positions ("details.parts.0.body"), or None."""
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _text_at(answer: Any, path: str) -> str:
    """Return the text under a path; a list of texts is joined, and what is no text is none."""
    found = value_at(answer, path)
    if isinstance(found, list):
        return "\n".join(item for item in found if isinstance(item, str))
    return found if isinstance(found, str) else ""
