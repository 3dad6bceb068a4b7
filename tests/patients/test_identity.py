"""Names, phones and ID numbers: read, checked, and half hidden."""

from datetime import date

import pytest

from patients.choices import Sex
from patients.errors import IdNumberFlaw, IdNumberInvalid, PhoneInvalid
from patients.identity import (
    id_check_character,
    mask_id_number,
    mask_name,
    mask_phone,
    read_id_number,
    read_phone,
    tidy_name,
)

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("typed", "born_on", "sex"),
    [
        ("11010519491231002X", date(1949, 12, 31), Sex.FEMALE),  # the example printed in GB 11643-1999
        ("440524188001010014", date(1880, 1, 1), Sex.MALE),
        ("９９０１０１ １９６８０４１２ ００２３", date(1968, 4, 12), Sex.FEMALE),
    ],
)
def test_an_id_number_tells_birth_date_and_sex(typed: str, born_on: date, sex: Sex) -> None:
    papers = read_id_number(typed, today=TODAY)

    assert (papers.born_on, papers.sex) == (born_on, sex)
    assert papers.number == papers.number.upper()


@pytest.mark.parametrize(
    ("typed", "flaw"),
    [
        ("110105491231002", IdNumberFlaw.LENGTH),
        ("11010519491231002A", IdNumberFlaw.CHARACTERS),
        ("11010519490231002X", IdNumberFlaw.BIRTH_DATE),
        ("11010520991231002X", IdNumberFlaw.BIRTH_DATE),
        ("110105194912310021", IdNumberFlaw.CHECKSUM),
    ],
)
def test_a_wrong_id_number_says_what_is_wrong(typed: str, flaw: IdNumberFlaw) -> None:
    with pytest.raises(IdNumberInvalid) as refusal:
        read_id_number(typed, today=TODAY)

    assert refusal.value.flaw is flaw
    assert typed not in str(refusal.value)


def test_every_single_slip_and_every_swap_of_neighbours_is_noticed() -> None:
    number = "11010519491231002X"
    slips = {number[:at] + digit + number[at + 1 :] for at in range(17) for digit in "0123456789"}
    swaps = {number[:at] + number[at + 1] + number[at] + number[at + 2 :] for at in range(16)}

    for wrong in (slips | swaps) - {number}:
        assert id_check_character(wrong[:17]) != wrong[17]


@pytest.mark.parametrize(
    ("typed", "e164"),
    [
        ("138 0000 1234", "+8613800001234"),
        ("138-0000-1234", "+8613800001234"),
        ("+86 13800001234", "+8613800001234"),
        ("008613800001234", "+8613800001234"),
        ("１９９００００１２３４", "+8619900001234"),
        ("010-62345678", "+861062345678"),
        ("0591 8765 4321", "+8659187654321"),
        ("+852 9123 4567", "+85291234567"),
    ],
)
def test_a_phone_is_kept_in_one_form(typed: str, e164: str) -> None:
    assert read_phone(typed) == e164


@pytest.mark.parametrize("typed", ["", "1380000123", "12800001234", "62345678", "没有", "1234"])
def test_what_cannot_be_called_is_no_phone(typed: str) -> None:
    with pytest.raises(PhoneInvalid):
        read_phone(typed)


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("张淑芳", "张*芳"),
        ("张芳", "张*"),
        ("欧阳静", "欧阳*"),
        ("欧阳晓静", "欧阳*静"),
        ("王李晓芳", "王*芳"),
        ("阿依古丽·买买提", "阿*·*提"),
        ("阿依古丽•买买提", "阿*·*提"),
        ("John Smith", "J* S*"),
        ("芳", "*"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_name_shows_its_ends_and_not_its_length(name: str | None, masked: str) -> None:
    assert mask_name(name) == masked


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("+8613800001234", "138****1234"),
        ("+861062345678", "106****5678"),
        ("+85291234567", "852****4567"),
        ("12345", "****45"),
        (None, ""),
    ],
)
def test_a_phone_shows_its_ends(phone: str | None, masked: str) -> None:
    assert mask_phone(phone) == masked


def test_an_id_number_shows_three_and_four_characters() -> None:
    assert mask_id_number("35020319490101012X") == "350***********012X"
    assert mask_id_number("G12345678") == "****78"
    assert mask_id_number("A12") == "****"
    assert mask_id_number(None) == ""


def test_a_name_keeps_one_kind_of_dot_and_one_space() -> None:
    assert tidy_name("  阿依古丽 ・ 买买提 ") == "阿依古丽·买买提"
    assert tidy_name("John   Smith") == "John Smith"
