"""Where text comes from: one TOML file a source, with its licence, its hosts and how its pages are found."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gonerd import resources
from gonerd.errors import GonerdError, unknown_name
from gonerd.formats import jsonl

NAME = re.compile(r"[a-z][a-z0-9_]*")
# For each kind of discovery, the settings that it needs besides the URLs to start from.
DISCOVERY_KINDS: dict[str, tuple[str, ...]] = {
    "sitemap": (),
    "feed": (),
    "listing": ("link",),
    "json_pages": ("items", "url", "parameter"),
    "json_cursor": ("items", "url", "cursor"),
    "mediawiki": (),
    "urls": (),
}

PAGE, JSON = "page", "json:"


@dataclass(frozen=True, slots=True)
class Discovery:
    """How the URLs of articles are found: the kind of interface and the URLs to start from.

    Paths into JSON are keys and positions with dots between them. A template names fields of the listing's item in
    braces (`{uuid}`), and always knows `{url}` and `{path}`, the article's URL and the path in it.
    """

    kind: str  # "urls": those to start from are the articles themselves
    start: tuple[str, ...]
    request: str = ""  # template of the URL that is asked for in place of the article's
    link: str = ""  # listing: CSS selector of the links to articles
    next: str = ""  # listing: CSS selector of the link to the next page
    items: str = ""  # JSON: path of the list of articles
    url: str = ""  # JSON: template of an article's URL
    date: str = ""  # JSON: path of an item's date
    parameter: str = ""  # JSON: query parameter of the page's number, or of the cursor
    first: int = 1  # json_pages: number of the first page
    step: int = 1  # json_pages: what is added for the next page (for an offset, the size of a page)
    terms: str = ""  # link to the terms of an interface for programs; its listings go by these, not by robots.txt
    cursor: str = ""  # json_cursor: path of the next cursor; without `parameter`, of the next page's URL


@dataclass(frozen=True, slots=True)
class Source:
    """A web site whose text may be redistributed, as its public documentation describes it."""

    name: str  # lower-case letters, digits and underscores: it begins every document's id
    license: str  # as the Hub or SPDX names it
    license_url: str  # where the licence is stated
    language: str  # ISO 639-1
    hosts: tuple[str, ...]  # nothing outside them is ever requested
    discovery: Discovery
    documentation: str = ""  # link to the public description of the interface
    article: str | None = None  # regular expression that the URL of an article matches; None: all do
    exclude: tuple[str, ...] = ()  # regular expressions of URLs that are no articles
    body: str = PAGE  # where the text is: "page", or "json:a.b" for the HTML that a JSON answer holds under a, b
    title: str | None = None  # with a JSON body: the path of its headline
    published: str | None = None  # with a JSON body: the path of its date, ISO 8601
    keep: tuple[str, ...] = ()  # CSS selectors of the elements that hold the text; none: found by extraction
    remove: tuple[str, ...] = ()  # CSS selectors of what is no text inside them
    crawl_delay: float = 1.0  # seconds between two requests to one host
    verified: str = "never"  # the date on which the file was last checked against the live site

    def is_article(self, url: str) -> bool:
        """Tell whether the source's patterns take `url` for an article."""
        wanted = self.article is None or re.search(self.article, url) is not None
        return wanted and not any(re.search(pattern, url) for pattern in self.exclude)


def source_names() -> list[str]:
    """Return the names of the sources that come with the package, sorted."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def load_source(name_or_path: str | Path) -> Source:
    """Return a source, by the name of one that comes with the package or by the path of a TOML file.

    Raises:
        GonerdError: there is no such source, or its file is not what a source file must be.
    """
    if isinstance(name_or_path, Path) or name_or_path.endswith(".toml"):
        return _read(Path(name_or_path))
    if name_or_path not in source_names():
        raise unknown_name("source", name_or_path, source_names())
    return _read(_folder() / f"{name_or_path}.toml")


def _folder() -> Path:
    return resources.folder("corpus") / "sources"


def _read(path: Path) -> Source:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise GonerdError("no such file", where=path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GonerdError(f"not a TOML file ({error})", where=path) from error
    return _checked(_parse(content, path), path)


def _parse(content: dict[str, Any], path: Path) -> Source:
    _refuse_unknown_keys(content, Source, path)
    discovery = content.get("discovery")
    if isinstance(discovery, dict):
        _refuse_unknown_keys(discovery, Discovery, path)
        if discovery.get("kind") not in DISCOVERY_KINDS:
            raise unknown_name("discovery kind", str(discovery.get("kind")), DISCOVERY_KINDS, where=path)
    if type(content.get("crawl_delay")) is int:
        content["crawl_delay"] = float(content["crawl_delay"])
    if "verified" in content:
        content["verified"] = str(content["verified"])  # TOML has a type for dates
    try:
        return jsonl.from_json(Source, content)
    except ValueError as error:
        raise GonerdError(str(error), where=path) from error


def _refuse_unknown_keys(content: dict[str, Any], kind: type[Any], path: Path) -> None:
    known = [field.name for field in fields(kind)]
    for key in content:
        if key not in known:
            raise unknown_name("key", key, known, where=path)


def _checked(source: Source, path: Path) -> Source:
    """Return the source, or raise for a value that the crawl or the extraction would trip over."""
    if not NAME.fullmatch(source.name):
        raise GonerdError(f"name {source.name!r} must be lower-case letters, digits and underscores", where=path)
    if not source.hosts or not source.discovery.start:
        raise GonerdError("a source needs at least one host and one URL to start from", where=path)
    if source.body != PAGE and not (source.body.startswith(JSON) and source.body[len(JSON) :].strip(".")):
        raise GonerdError(f'body must be "page" or "json:" and a path, not {source.body!r}', where=path)
    if source.crawl_delay < 0:
        raise GonerdError("crawl_delay must not be negative", where=path)
    _check_discovery(source.discovery, path)
    _check_patterns([*([source.article] if source.article else []), *source.exclude], path)
    selectors = [*source.keep, *source.remove, source.discovery.link, source.discovery.next]
    _check_selectors([selector for selector in selectors if selector], path)
    return source


def _check_discovery(discovery: Discovery, path: Path) -> None:
    missing = [name for name in DISCOVERY_KINDS[discovery.kind] if not getattr(discovery, name)]
    if missing:
        raise GonerdError(f"discovery of the kind {discovery.kind!r} needs {missing[0]!r}", where=path)
    if discovery.step < 1:
        raise GonerdError("discovery.step must be at least 1", where=path)


def _check_patterns(patterns: list[str], path: Path) -> None:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise GonerdError(f"not a regular expression: {pattern!r} ({error})", where=path) from error


def _check_selectors(selectors: list[str], path: Path) -> None:
    if not selectors:
        return
    import soupsieve

    for selector in selectors:
        try:
            soupsieve.compile(selector)
        except soupsieve.SelectorSyntaxError as error:
            message = str(error).splitlines()[0]
            raise GonerdError(f"not a CSS selector: {selector!r} ({message})", where=path) from error
