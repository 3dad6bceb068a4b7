"""How the test run keeps passwords."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class LightArgon2(Argon2PasswordHasher):
    """Argon2 as everywhere, at the least that it can cost: a test asks what a password opens, and not how long a guess takes."""

    time_cost, memory_cost, parallelism = 1, 8, 1
