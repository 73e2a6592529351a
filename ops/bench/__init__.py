"""Benchmarks: how fast closeloop is, at what cost, and beside whom. See README.md here."""
