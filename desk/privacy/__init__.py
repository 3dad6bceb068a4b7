"""The privacy desk: what the log says, whether it is whole, and what is handed to those who check it."""
