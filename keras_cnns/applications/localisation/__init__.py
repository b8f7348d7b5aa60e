"""Networks that learn where something is without being told."""
