"""Which licences allow a dataset to hold the text: one table, and the reading of what documents say of theirs.

What is decided here:

- Non-commercial licences (CC BY-NC, CC BY-NC-SA) pass: a dataset that is given away is no commercial use, and the
  licence goes with every row and into the card. Whoever takes it up for profit must leave those rows out.
- No-derivatives licences (CC BY-ND, CC BY-NC-ND) do not: the text of a page is picked out of it, cut into tokens and
  interleaved with tags, and it is not settled that this is the unchanged work. They can be released stand-off.
- Anything that the table does not know is refused. A document may state several licences, parted by `;`, each with
  what it is of ("text CC-BY-4.0; annotations CC-BY-4.0"); all of them must pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from gonerd.dataset.config import BuildConfig
from gonerd.formats.removed import Removed
from gonerd.records import Dropped, Reason

_VERSION = r"-[1-4]\.\d(-[a-z]{2,3})?"  # with the country of a ported licence

# Names as patterns over the folded name (lower case, hyphens for spaces), and what speaks against redistribution.
LICENSES: tuple[tuple[str, str | None], ...] = (
    (r"cc0(-1\.0)?|cc-zero", None),
    (r"public-domain|pdm(-1\.0)?|cc-pdm-1\.0|cc-pddc|pddl(-1\.0)?", None),
    (rf"cc-by(-sa)?({_VERSION})?", None),
    (rf"cc-by-nc(-sa)?({_VERSION})?", None),
    (rf"cc-by-(nc-)?nd({_VERSION})?", "it forbids derivatives, and an annotated text may be one"),
    (r"odc-by(-1\.0)?|odbl(-1\.0)?|cdla-(permissive|sharing)-[12]\.0", None),
    (r"ogl-(uk|canada)-[1-3]\.0|etalab-2\.0|dl-de-(by|zero)-2\.0", None),
    (r"mit|apache-2\.0|bsd-[23]-clause|gfdl(-1\.[123])?(-only|-or-later)?", None),
    (r"eu-reuse-notice|reuse-authorised-with-acknowledgement", None),  # Commission Decision 2011/833/EU
    (r"europarl-terms", None),  # "not aware of any copyright restrictions"; the Parliament authorises reuse
)
# What a licence may be said to be of, before or after its name.
_SUBJECT = re.compile(r"^((the-)?(annotated-corpus|annotations|european-parliament-text|text(-wikipedia)?)(,-|-))")
_REMARK = re.compile(r"\([^()]*\)")


@cache
def objection(stated: str | None) -> str | None:
    """Return why a document of this licence must not be redistributed, or None if it may be."""
    if not stated or not stated.strip():
        return "no licence is known"
    for part in _REMARK.sub(" ", stated).split(";"):
        name = _SUBJECT.sub("", "-".join(part.casefold().split()))
        against = _judge(name)
        if against:
            return f"{stated!r}: {against}"
    return None


def _judge(name: str) -> str | None:
    for pattern, against in LICENSES:
        if re.fullmatch(pattern, name):
            return against
    return "not a licence known to allow redistribution"


def objections(licenses: Iterable[str | None]) -> list[str]:
    """Return what speaks against redistributing documents of these licences, sorted; empty if nothing does."""
    return sorted({against for stated in licenses if (against := objection(stated))})


@dataclass(frozen=True, slots=True)
class Refusals:
    """What a build leaves out before it looks at a text: what was to be removed, and what must not be passed on."""

    config: BuildConfig
    removed: Removed

    def find(self, document_id: str, url: str | None, stated: str | None) -> Dropped | None:
        """Return why a document with this address and licence is left out, or None if it is not."""
        if removed := self.removed.find(document_id, url):
            return removed
        if self.config.standoff_only or self.config.any_license:
            return None
        against = objection(stated)
        return Dropped(document_id, Reason.LICENSE, against) if against else None
