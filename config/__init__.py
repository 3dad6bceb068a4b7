"""Settings, addresses and processes. Nothing below imports this package."""
