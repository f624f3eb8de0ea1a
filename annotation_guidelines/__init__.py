"""gonerd.annotation_guidelines: guidelines and label schemes (data)."""
