"""`closeloop init` and `closeloop go-live`: from nothing to a team at work, each way tried first."""
