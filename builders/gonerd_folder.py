"""The `datasets` builder of a folder that gonerd has built: `load_dataset("gonerd", data_dir=FOLDER)`."""

from __future__ import annotations

from typing import ClassVar

from .gonerd_dataset import GonerdConfig, GonerdDataset


class GonerdFolder(GonerdDataset):
    """Reads any folder, under no name of a release."""

    BUILDER_CONFIGS: ClassVar[list[GonerdConfig]] = []
    DEFAULT_CONFIG_NAME = "default"
