"""Readers of other people's networks: as data. Nothing that they read is imported or run."""
