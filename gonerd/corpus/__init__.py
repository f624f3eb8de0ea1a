"""From raw web sources to Documents: crawl, extract, filter, deduplicate."""
