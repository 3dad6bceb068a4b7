"""Accounts: signing in, second factors, sessions, devices, and what an administrator may do for somebody locked out."""
