"""The steps of the quickstart, in order."""

from __future__ import annotations

from gonerd.sample.data_steps import annotate_documents, build_dataset, crawl_site, extract_documents
from gonerd.sample.model_steps import build_leaderboard, evaluate_models, train_models
from gonerd.sample.quickstart import Step

STEPS = (
    Step("crawl", crawl_site),
    Step("documents", extract_documents),
    Step("annotation", annotate_documents),
    Step("dataset", build_dataset),
    Step("training", train_models),
    Step("evaluation", evaluate_models),
    Step("leaderboard", build_leaderboard),
)
