"""From gold to a dataset: build, split, describe, load."""
