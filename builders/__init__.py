"""gonerd.builders: the datasets builder."""
