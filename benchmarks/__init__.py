"""Measurements that can be rerun: `python -m benchmarks.NAME` from the repository root."""
