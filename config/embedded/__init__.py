"""PostgreSQL and Valkey of our own, from wheels: `python -m config.embedded [--data DIR | --ephemeral] -- CMD…`."""
