"""Tests: `unit` and `contract` know one part, `integration` several, `journeys` the whole loop."""
