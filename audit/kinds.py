"""How opened data were used. Opening is not seeing: the kind says which of the two it was."""

from enum import StrEnum


class Kind(StrEnum):
    """What happened to what an access scope opened."""

    LISTED = "listed"  # masked identity in a list; the patient sees a monthly count
    MATCHED = "matched"  # opened to compare, not shown: only the number is kept
    VIEWED = "viewed"  # a chart or a form
    REVEALED = "revealed"  # an unmasked value, with a reason
    PLAYED = "played"  # a recording
    EXPORTED = "exported"  # a file
    PRINTED = "printed"  # paper
    COMPUTED = "computed"  # a job: rules, risk, previews; the patient sees a monthly count


SEEN = frozenset({Kind.VIEWED, Kind.REVEALED, Kind.PLAYED, Kind.EXPORTED, Kind.PRINTED})
"""The ways in which a person comes to see somebody. A list, a search and a job meet people without looking at them."""
