"""Drills: each starts services of its own, breaks what it started, and counts what held."""
