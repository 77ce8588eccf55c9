"""From documents to a cited answer."""
