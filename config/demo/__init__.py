"""The demo: every process of the product on this machine, with invented people."""
