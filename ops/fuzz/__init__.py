"""Coverage-guided fuzzing of what reads strangers' bytes; see `ops/fuzz/run`."""
