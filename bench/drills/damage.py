"""Damage: whatever is done to a sealed value, a wrapped key or the row around it, it opens as itself in its place or not at all.

Most cases are done on the bytes (`bench.drills.damage_core`); the others in the real database, where the owner of the tables
does the damage and the application reads.
"""

from random import Random

from bench.drills import damage_core, damage_rows
from bench.drills.tally import Scale, Tally

CASES = 10_000
IN_THE_DATABASE = 5  # one case in so many


def run(scale: Scale, tally: Tally, *, seed: int) -> None:
    chance = Random(seed)  # the same damage every time is the point
    cases = scale.of(CASES)
    in_database = cases // IN_THE_DATABASE
    damage_core.run(cases - in_database, tally, chance)
    damage_rows.run(in_database, tally, chance, people=4 if scale is Scale.SMALL else 24)
