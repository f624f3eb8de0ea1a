"""A small stage that tests run in other processes: `python stage_script.py INPUTS OUT WORKERS SECONDS`.

Every fifth document is dropped, the others get one word more. SECONDS is how long a document takes.
"""

import os
import sys
import time
from functools import partial
from pathlib import Path

from gonerd.formats import jsonl
from gonerd.records import Document, Dropped, Reason
from gonerd.store import Stage, run_stage


def write_inputs(folder: Path, *, shards: int, documents: int) -> list[Path]:
    """Write input shards of numbered documents and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(shards):
        numbers = range(shard * documents, (shard + 1) * documents)
        jsonl.write(
            folder / f"in{shard}.jsonl",
            [
                Document(f"d{number}", f"Text {number} 👩‍👩‍👧 e\u0301x".replace("e\u0301", "é"), "made")
                for number in numbers
            ],
        )
    return sorted(folder.iterdir())


def read(path):
    return jsonl.read(path, Document)


def work(seconds, word, documents):
    for document in documents:
        time.sleep(seconds)
        if int(document.id[1:]) % 5 == 0:
            yield Dropped(document.id, Reason.TOO_SHORT, "a fifth")
        else:
            yield Document(document.id, f"{document.text} {word}", "made")


def die(documents):
    for _ in documents:
        os._exit(7)
    yield from ()


def refuse(documents):
    for document in documents:
        raise ValueError(f"cannot do {document.id}")
    yield from ()


def stage(*, word="more", seconds=0.0):
    """The stage; only the word is a setting, since the time it takes does not change what it writes."""
    return Stage("numbers", {"word": word}, read, partial(work, seconds, word))


if __name__ == "__main__":
    inputs, out, workers, seconds = sys.argv[1:]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    run_stage(stage(seconds=float(seconds)), sorted(Path(inputs).iterdir()), Path(out), workers=int(workers))
