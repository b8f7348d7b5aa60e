"""What families share: registry, builders, weight files, costs, catalogue."""
