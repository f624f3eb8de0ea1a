"""Pages that need nothing else: one file, no request, and a policy that runs no script but the page's own.

What a page shows travels as JSON in an element that no browser runs, and the page's script puts it in place as text
(`page`); or it is in the page as escaped elements (`whole`).
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any

from gonerd import __version__

BASE = Path(__file__).with_name("pages.css")
"""The style that all pages share: colours, typefaces, focus."""

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="gonerd $version">
<meta name="referrer" content="no-referrer">
<title>$title</title>
<link rel="icon" href="data:,">
<style>$style</style>
</head>
<body>
$body
<script>$script</script>
</body>
</html>
""")


def policy(style: str, script: str, *, connect: str = "") -> str:
    """Return the Content-Security-Policy that allows this style and this script, by hash, and an empty icon.

    Args:
        style: content of the page's style element.
        script: content of its script element.
        connect: where the script may send requests: nowhere, unless this names a source.
    """
    return (
        f"default-src 'none'; style-src '{_source_hash(style)}'; script-src '{_source_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'" + (f"; connect-src {connect}" if connect else "")
    )


def _source_hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def embedded_json(value: Any) -> str:
    """Return a value as JSON that no text in it can break out of its element: `<`, `>` and `&` are escaped."""
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return content.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def page(
    body: Path, *, scripts: Iterable[Path], styles: Iterable[Path], title: str, data: Any, connect: str = ""
) -> str:
    """Return a page as HTML.

    Args:
        body: file of the elements that stand still.
        scripts: files that make up the script, in order; they share one scope.
        styles: files of the page's own style, after the one that all pages share.
        title: foreign text; escaped.
        data: what the script finds in the element `data`.
        connect: see `policy`.
    """
    code = "\n".join(path.read_text(encoding="utf-8") for path in scripts)
    element = f'<script type="application/json" id="data">{embedded_json(data)}</script>'
    return whole(
        f"{body.read_text(encoding='utf-8').rstrip()}\n{element}",
        title=title,
        style="".join(path.read_text(encoding="utf-8") for path in (BASE, *styles)),
        script=f'"use strict";\n(function () {{\n{code}}})();\n',
        connect=connect,
    )


def whole(body: str, *, title: str, style: str, script: str, connect: str = "") -> str:
    """Return a page of its parts, with the policy that allows its style and script.

    Args:
        body: the elements, in which everything foreign is escaped already.
        title: foreign text; escaped.
        style: content of the style element.
        script: content of the script element, which stands last.
        connect: see `policy`.
    """
    return PAGE.substitute(
        policy=policy(style, script, connect=connect),
        version=__version__,
        title=html.escape(title),
        style=style,
        body=body,
        script=script,
    )
