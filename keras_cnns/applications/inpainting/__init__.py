"""U-Nets, inpainting networks and their discriminators, one family per file."""
