"""From Documents to gold: suggest, import passes, agreement, adjudicate."""
