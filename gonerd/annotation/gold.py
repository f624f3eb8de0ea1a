"""Writes adjudicated gold as a stage folder, its trail beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gonerd import store
from gonerd.annotation.adjudicate import AdjudicateConfig, Adjudication
from gonerd.formats import jsonl
from gonerd.records import Manifest, Shard

STAGE = "annotate adjudicate"
TRAIL = "trail.jsonl"


def write_gold(adjudication: Adjudication, folder: Path, *, config: AdjudicateConfig) -> Manifest:
    """Write gold, trail and drops as one complete folder; the same adjudication again changes nothing.

    Raises:
        GonerdError: the folder holds something else.
    """
    content = "".join(f"{jsonl.dumps(annotation)}\n" for annotation in adjudication.gold).encode()
    trail = "".join(f"{jsonl.dumps(entry)}\n" for entry in adjudication.trail).encode()
    drops = "".join(f"{jsonl.dumps(record)}\n" for record in adjudication.dropped).encode()
    digests = [hashlib.sha256(data).hexdigest() for data in (content, trail, drops)]
    shard = Shard("00000.jsonl", digests[0], len(adjudication.gold))
    run = store.Run(STAGE, config, tuple(digests))
    if not store.is_current(folder, run):
        with store.replacing(folder, run) as work:
            for name, data in ((shard.name, content), (TRAIL, trail), (store.DROPPED, drops)):
                store.write_atomic(work / name, data)
            read = len(adjudication.gold) + len(adjudication.dropped)
            store.write_json(work / store.MANIFEST, run.manifest([shard], read=read, dropped=adjudication.dropped))
    return store.read_manifest(folder)
