"""What the sample consists of: the site, its true main text, two annotators' passes and the decisions between them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from gonerd.records import Document
from gonerd.resources import folder

ANNOTATORS = ("first", "second")


def sample(*parts: str) -> Path:
    """Return a file or folder of the sample."""
    return folder("sample").joinpath(*parts)


def site_host() -> str:
    """Return the host under which the site is served and crawled."""
    return str(tomllib.loads(sample("source.toml").read_text(encoding="utf-8"))["hosts"][0])


def true_documents() -> Iterator[Document]:
    """Yield the articles with their true main text, under the ids and URLs that a crawl of the site gives them."""
    from gonerd.corpus.extract import document_id

    for page in tomllib.loads(sample("site.toml").read_text(encoding="utf-8"))["page"]:
        if page["kind"] == "article":
            url = f"http://{site_host()}{page['path']}"
            text = sample("text", f"{page['slug']}.txt").read_text(encoding="utf-8").strip("\n")
            yield Document(document_id("sample", url), text, "sample", url=url, license="CC0-1.0")
