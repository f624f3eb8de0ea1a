"""`removed.toml`: the documents that someone has asked to be taken out, honoured wherever documents are handed on.

    [[removed]]
    id = "paper-3f2a9c"
    date = 2026-03-01

    [[removed]]
    url = "https://paper.example/2024/an-article"
    date = 2026-03-02

An entry has an id or a URL and the date of the request. It has nothing else: a list of who asked, or why, would be
what they asked not to be published.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gonerd.errors import GonerdError
from gonerd.records import Dropped, Reason
from gonerd.urls import canonical

REMOVED = "removed.toml"
_REMEDY = 'Write [[removed]] with id = "..." or url = "...", and date = 2026-01-31; nothing else'


@dataclass(frozen=True, slots=True)
class Removed:
    """What must not be handed on, with the date of each request (ISO 8601)."""

    ids: Mapping[str, str]
    urls: Mapping[str, str]  # by `same_page`

    def __len__(self) -> int:
        return len(self.ids) + len(self.urls)

    def find(self, document_id: str, *urls: str | None) -> Dropped | None:
        """Return why a document is not handed on, or None if nobody has asked for that.

        Args:
            document_id: its name.
            *urls: its addresses, such as the one asked for and the one that this led to.
        """
        asked = self.ids.get(document_id)
        for url in filter(None, urls):
            asked = asked or self.urls.get(same_page(url))
        return Dropped(document_id, Reason.REMOVED, f"asked for on {asked}") if asked else None


NOTHING_REMOVED = Removed({}, {})


def same_page(url: str) -> str:
    """Return what all spellings of a page's address have in common.

    Scheme, fragment, a final slash, the default port, the case of the host, letters written out or as escapes, and
    parameters of tracking make no other page; a request to take something out must not fail on them.
    """
    try:
        plain = canonical(url)
    except ValueError:  # no address of the web: a file's name, or one without its scheme
        plain = url.strip()
    try:
        parts = urlsplit(plain)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return url.strip()
    place = host.rstrip(".") + (f":{port}" if port not in (None, 80, 443) else "")
    return f"{place}{parts.path.rstrip('/')}" + (f"?{parts.query}" if parts.query else "")


def read_removed(path: Path | None) -> Removed:
    """Return the list of a `removed.toml`; without a path, the empty one.

    Raises:
        GonerdError: the file is missing, is not TOML, or an entry is not an id or a URL with a date.
    """
    if path is None:
        return NOTHING_REMOVED
    found: dict[str, dict[str, str]] = {"id": {}, "url": {}}
    for number, entry in enumerate(_entries(path), start=1):
        key, name, asked = _entry(entry, where=f"{path}, entry {number}")
        found[key][name] = min(asked, found[key].get(name, asked))
    return Removed(found["id"], found["url"])


def _entries(path: Path) -> list[Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise GonerdError("no such file", where=path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GonerdError(f"not a TOML file ({error})", where=path) from error
    entries = content.pop("removed", [])
    if content or not isinstance(entries, list):
        raise GonerdError("expected [[removed]] entries alone", where=path, remedy=_REMEDY)
    return entries


def _entry(entry: Any, *, where: str) -> tuple[str, str, str]:
    """Return `id` or `url`, which one it is, and the date."""
    keys = set(entry) if isinstance(entry, dict) else set()
    if keys not in ({"id", "date"}, {"url", "date"}):
        raise GonerdError("not an entry", where=where, remedy=_REMEDY)
    key = "id" if "id" in keys else "url"
    name, asked = entry[key], entry["date"]
    if not isinstance(name, str) or not name.strip():
        raise GonerdError(f"{key} must be text", where=where, remedy=_REMEDY)
    try:
        day = asked if type(asked) is date else date.fromisoformat(asked)
    except (TypeError, ValueError) as error:
        raise GonerdError("date must be a day", where=where, remedy=_REMEDY) from error
    return key, name if key == "id" else same_page(name), day.isoformat()
