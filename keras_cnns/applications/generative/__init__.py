"""Generators, discriminators, critics and refiners, one family per file."""
