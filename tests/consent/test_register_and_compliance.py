"""The pages for those who check the clinic say what the product does, because they are made of it."""

import pytest

from consent.register_page import PLACE, page
from tools import compliance


@pytest.mark.requirement("NDR-21", "GBT35273-11.3")
def test_the_register_is_made_of_the_registry() -> None:
    assert PLACE.read_text("utf-8") == page(), "run `manage.py processing_register`"


def test_every_requirement_has_its_proof_or_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert compliance.main("check") == 0, capsys.readouterr().out


def test_a_proof_of_nothing_and_a_requirement_without_a_word_are_found() -> None:
    proofs = {"PIPL-99": ["tests/x.py::test_x"]}
    faults = list(compliance._faults([{"id": "PIPL-06", "code": ["nowhere.py"]}], proofs))
    assert faults == [
        "tests/x.py::test_x proves PIPL-99, which nobody requires",
        "PIPL-06 has neither a proof nor a word about what is missing",
        "PIPL-06 names nowhere.py, which is not there",
    ]
