"""What the quickstart says about its dataset and models, and how it trains them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gonerd.dataset.config import BuildConfig
    from gonerd.leaderboard.submission import Submission
    from gonerd.training.config import FinetuneConfig
    from gonerd.training.distill import DistillConfig

ANNOTATORS = (
    "The site's articles were annotated twice, independently, by a large language model working from the one-page "
    "quick card."
)
AGREEMENT = (
    "F1 0.991 on exact spans with labels. Both annotators are the same kind of model: this shows that the tools work, "
    "not how reliably people annotate."
)
GUIDELINES = (
    "The one-page card annotation_guidelines/quick_card.md of gonerd; the gold was read again against the full "
    "guideline, annotation_guidelines/gonerd.md."
)
ADJUDICATION = (
    "The differences were settled one by one by another such model, every decision is kept, and the gold was read "
    "again against the guideline."
)
GENERATED = " The generated documents carry the gold that they were generated with."


def dataset_config() -> BuildConfig:
    """Return how the quickstart's dataset is built and described."""
    from gonerd.dataset.config import BuildConfig

    return BuildConfig(
        name="gonerd-quickstart",
        summary="A fictional county newspaper's articles and generated documents, with named entities. Made to try "
        "gonerd offline, not to train anything for use.",
        annotators=ANNOTATORS + GENERATED,
        guidelines=GUIDELINES,
        agreement=AGREEMENT,
        adjudication=ADJUDICATION,
        annotations_creators="machine-generated",
        language_creators="machine-generated",
    )


def sample_config() -> BuildConfig:
    """Return how the site alone is built and described: the configuration `sample` of the package."""
    from gonerd.dataset.config import BuildConfig

    return BuildConfig(
        name="gonerd-sample",
        summary="The articles of a fictional county newspaper, with named entities. Made to try gonerd offline.",
        annotators=ANNOTATORS,
        guidelines=GUIDELINES,
        agreement=AGREEMENT,
        adjudication=ADJUDICATION,
        annotations_creators="machine-generated",
        language_creators="machine-generated",
    )


def finetune_config(seed: int) -> FinetuneConfig:
    """Return how the teacher is trained: from nothing, in a minute and a half of one core."""
    from gonerd.training.config import FinetuneConfig

    return FinetuneConfig(
        max_steps=450, learning_rate=3e-3, batch_tokens=2048, max_length=256, evaluations=2, seed=seed
    )


def distill_config(seed: int) -> DistillConfig:
    """Return how the student is taught."""
    from gonerd.training.distill import DistillConfig

    return DistillConfig(max_steps=260, learning_rate=3e-3, batch_tokens=2048, max_length=256, evaluations=2, seed=seed)


def submission(name: str) -> Submission:
    """Return what the quickstart's models say about themselves on the board."""
    from gonerd.leaderboard.submission import Submission

    return Submission(
        name=f"Quickstart {name}",
        organisation="gonerd",
        contact="the quickstart on this machine",
        license="CC0-1.0",
        open_weights=True,
        teacher="Quickstart teacher" if name == "student" else None,
        distillation="soft labels, gold labels, hidden states" if name == "student" else None,
        training_data="gonerd-quickstart, train split",
        test_documents_seen=False,
    )
