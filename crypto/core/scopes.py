"""What a subject's keys are divided into, so that one part can be destroyed while another must be kept."""

from enum import IntEnum


class Scope(IntEnum):
    """One data key per subject and scope. Destroying the key of a scope erases everything sealed in it."""

    IDENTITY = 1  # who the person is and how to reach them
    RECORD = 2  # what a law says must be kept for years
    CONSENTED = 3  # what rests on the person's consent alone
