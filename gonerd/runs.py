"""What a run of a stage is: its key, the hash of all that could change its output, and the manifest it ends with."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, datetime
from typing import Any

from gonerd import __version__
from gonerd.records import Dropped, Manifest, Shard


def canonical(config: object) -> dict[str, Any]:
    """Return a configuration (a dataclass or a mapping) as plain JSON values, for manifests and keys.

    Raises:
        TypeError: a value, such as a function, has no text that is the same in every process.
    """
    plain: Any = asdict(config) if is_dataclass(config) and not isinstance(config, type) else config
    return dict(json.loads(json.dumps(plain, sort_keys=True, default=_plain)))


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    text = str(value)
    if " at 0x" in text:
        raise TypeError(f"a configuration cannot hold {type(value).__name__}: its text differs between processes")
    return text


def utc_now() -> str:
    """Return the present time, ISO 8601, UTC, in whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a stage: whatever could change its output is in its key."""

    stage: str
    config: object  # a dataclass or a mapping
    inputs: tuple[str, ...]  # sha256, in order
    started_at: str = field(default_factory=utc_now)

    @property
    def key(self) -> str:
        """The hash of stage, version, configuration and inputs."""
        content = [self.stage, __version__, canonical(self.config), self.inputs]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def manifest(self, outputs: Sequence[Shard], *, read: int, dropped: Iterable[Dropped]) -> Manifest:
        """Return the manifest of this run, which ends now."""
        return Manifest(
            stage=self.stage,
            key=self.key,
            version=__version__,
            config=canonical(self.config),
            inputs=self.inputs,
            outputs=tuple(outputs),
            read=read,
            written=sum(shard.records for shard in outputs),
            dropped=dict(sorted(Counter(record.reason.value for record in dropped).items())),
            started_at=self.started_at,
            finished_at=utc_now(),
        )
