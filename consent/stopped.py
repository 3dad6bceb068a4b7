"""What ended with a permission, as the person is told."""

from dataclasses import dataclass

from consent.purposes import Words


@dataclass(frozen=True, slots=True)
class Stopped:
    """One thing that ended with a permission, in words for the patient. `on_its_way`: it had started and goes on."""

    words: Words
    on_its_way: bool = False

    def __str__(self) -> str:
        return str(self.words)
