"""First weights: what a new Longformer sees before it has learned anything."""

import pytest
import torch
from tiny_models import tiny_checkpoint
from transformers import AutoModelForTokenClassification


@pytest.mark.parametrize(("width", "heads", "window"), [(32, 2, 16), (128, 4, 32)])
def test_each_head_starts_by_looking_at_one_neighbour_wherever_it_is(tmp_path, width, heads, window):
    shape = {"width": width, "heads": heads, "window": window, "reach_tokens": 4096}
    folder = tiny_checkpoint(tmp_path / "tiny", "longformer", **shape)
    model = AutoModelForTokenClassification.from_pretrained(folder).longformer
    place = torch.arange(3000, 3033)  # no training document is that long
    words = torch.randint(5, 280, (1, len(place)), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        hidden = model.embeddings(input_ids=words, position_ids=place[None])[0]
        for layer in model.encoder.layer:
            projections = (layer.attention.self.query, layer.attention.self.key)
            query, key = (part(hidden).unflatten(1, (heads, -1)).transpose(0, 1) for part in projections)
            scores = (query @ key.transpose(1, 2) / (width // heads) ** 0.5).softmax(-1)  # (heads, queries, keys)
            for head, neighbour in zip(range(heads), (-1, 1, -2, 2), strict=False):
                middle = torch.arange(window // 2, len(place) - window // 2)
                within = scores[head, middle]
                near = (torch.arange(len(place))[None] - middle[:, None]).abs() <= window // 2
                seen = within.masked_fill(~near, 0)
                assert (seen.argmax(1) == middle + neighbour).all()
