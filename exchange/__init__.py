"""Data in and out: reading reports from files."""
