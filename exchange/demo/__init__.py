"""Invented people for the demo: nobody here exists, and the same seed always invents the same ones."""
