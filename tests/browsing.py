"""What tests of pages share: opening one, and what an accessibility checker and its own policy say of it."""

from __future__ import annotations

import contextlib

DESK, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


@contextlib.contextmanager
def opened(browser, address, *, size=None, scheme="light", **options):
    """Open an address and give the page; in the end fail if its script threw, or its policy blocked something.

    Only its own address may be requested. A fault that a test adds a part of to `page.expected` is none.
    """
    context = browser.new_context(viewport=size or DESK, color_scheme=scheme, **options)
    page = context.new_page()
    faults = []
    page.expected = []
    allowed = (address.partition("#")[0], "data:")
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.on("request", lambda sent: None if sent.url.startswith(allowed) else faults.append(sent.url))
    try:
        page.goto(address)
        yield page
        faults = [fault for fault in faults if not any(part in fault for part in page.expected)]
        assert not faults, faults
    finally:
        context.close()


def serious(page):
    """What axe finds on the page as it stands that is serious or critical: rule and element."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        (rule["id"], node["html"][:160], node.get("failureSummary", "")[:200])
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
