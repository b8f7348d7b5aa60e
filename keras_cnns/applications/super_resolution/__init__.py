"""Networks that enlarge pictures, and a discriminator, one family per file."""
