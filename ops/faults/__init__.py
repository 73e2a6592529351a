"""Kills workers at random moments, before a relay in a bad temper; reports what was lost and what doubled."""
