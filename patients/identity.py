"""What identifies a person: names, phones and ID numbers, how they are read, checked and half hidden.

Pure functions: text in, typed values out, nothing opened and nothing stored.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Final

import phonenumbers

from patients.choices import PhoneOwner, Sex
from patients.errors import IdNumberFlaw, IdNumberInvalid, PhoneInvalid

HIDDEN: Final = "*"
MIDDLE_DOTS: Final = re.compile(r"\s*[·•・．‧∙⋅･]\s*")  # the dot of 阿依古丽·买买提 is typed in eight ways
NOT_DIGITS: Final = re.compile(r"\D")
COMPOUND_SURNAMES: Final = frozenset(
    [
        "欧阳",
        "司马",
        "上官",
        "诸葛",
        "东方",
        "皇甫",
        "尉迟",
        "公孙",
        "慕容",
        "令狐",
        "司徒",
        "司空",
        "夏侯",
        "长孙",
        "宇文",
        "端木",
        "百里",
        "东郭",
        "南宫",
        "西门",
        "申屠",
        "独孤",
    ]
)
MAINLAND_MOBILE: Final = re.compile(r"1[3-9]\d{9}")
ID_NUMBER: Final = re.compile(r"\d{17}[\dX]")
ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
ID_CHECK_CHARACTERS: Final = "10X98765432"
OLDEST_BIRTH_YEAR: Final = 1880


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIdentity:
    """What is known of a person when their card is opened. `phone` is E.164, `id_number` already checked."""

    name: str
    sex: Sex = Sex.UNKNOWN
    birth_date: date | None = None
    id_number: str | None = None
    phone: str | None = None
    phone_owner: PhoneOwner = PhoneOwner.SELF
    email: str | None = None

    def sealed_parts(self) -> dict[str, str | None]:
        """The parts of the blob `Patient.identity`."""
        return {
            "name": tidy_name(self.name),
            "birth_date": self.birth_date.isoformat() if self.birth_date else None,
            "id_number": self.id_number or None,
            "phone": self.phone or None,
            "email": self.email or None,
        }


@dataclass(frozen=True, slots=True)
class IdNumber:
    """A valid 18-character resident identity number and what it says of its holder."""

    number: str
    born_on: date
    sex: Sex


def tidy_name(text: str) -> str:
    """The name as we keep it: NFC, one space between words, one kind of middle dot."""
    if text.isalpha() and unicodedata.is_normalized("NFC", text):
        return text  # nothing to tidy in 张晓芳
    name = " ".join(unicodedata.normalize("NFC", text).split())
    return MIDDLE_DOTS.sub("·", name)


def read_id_number(text: str, *, today: date) -> IdNumber:
    """Read a resident identity number. Raises IdNumberInvalid saying what is wrong with it.

    Source: GB 11643-1999; the last character is ISO 7064 MOD 11-2 over the first seventeen.
    """
    number = unicodedata.normalize("NFKC", text).replace(" ", "").upper()
    if len(number) != 18:
        raise IdNumberInvalid(IdNumberFlaw.LENGTH)
    if not ID_NUMBER.fullmatch(number):
        raise IdNumberInvalid(IdNumberFlaw.CHARACTERS)
    try:
        born_on = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        raise IdNumberInvalid(IdNumberFlaw.BIRTH_DATE) from None
    if not born_on.year >= OLDEST_BIRTH_YEAR or born_on > today:
        raise IdNumberInvalid(IdNumberFlaw.BIRTH_DATE)
    if id_check_character(number[:17]) != number[17]:
        raise IdNumberInvalid(IdNumberFlaw.CHECKSUM)
    return IdNumber(number, born_on, Sex.MALE if int(number[16]) % 2 else Sex.FEMALE)


def id_check_character(first_seventeen: str) -> str:
    """The eighteenth character that belongs to these seventeen digits."""
    total = sum(int(digit) * weight for digit, weight in zip(first_seventeen, ID_WEIGHTS, strict=True))
    return ID_CHECK_CHARACTERS[total % 11]


def read_phone(text: str, region: str = "CN") -> str:
    """A phone as E.164, such as +8613800001234. Raises PhoneInvalid, also for a local number without area code."""
    typed = unicodedata.normalize("NFKC", text)
    try:
        parsed = phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException:
        raise PhoneInvalid from None
    national = str(parsed.national_number)
    mainland_mobile = parsed.country_code == 86 and MAINLAND_MOBILE.fullmatch(national)
    # a new mobile segment is opened before the library knows it, so the shape of a mainland mobile is enough
    if not mainland_mobile and not phonenumbers.is_valid_number(parsed):
        raise PhoneInvalid
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def mask_name(name: str | None) -> str:
    """First and last character: 张*芳, 张*, 欧阳*静, 阿*·*提, J* S*. The star never tells how much it hides."""
    tidy = tidy_name(name or "")
    if not tidy:
        return ""
    if "·" in tidy:
        parts = [part for part in tidy.split("·") if part]
        return f"{parts[0][0]}{HIDDEN}·{HIDDEN}{parts[-1][-1]}" if len(parts) > 1 else HIDDEN
    if tidy.isascii():
        return " ".join(word[0] + HIDDEN for word in tidy.split())
    if len(tidy) == 1:
        return HIDDEN
    shown = 2 if len(tidy) > 2 and tidy[:2] in COMPOUND_SURNAMES else 1
    if len(tidy) <= shown + 1:
        return tidy[:shown] + HIDDEN
    return tidy[:shown] + HIDDEN + tidy[-1]


def mask_phone(phone: str | None) -> str:
    """138****1234: the first three and the last four of the national number."""
    digits = NOT_DIGITS.sub("", (phone or "").removeprefix("+86"))
    if not digits:
        return ""
    if len(digits) < 9:
        return HIDDEN * 4 + digits[-2:]
    return digits[:3] + HIDDEN * 4 + digits[-4:]


def mask_id_number(number: str | None) -> str:
    """350***********012X: the first three and the last four of eighteen; of other papers the last two."""
    if not number:
        return ""
    if len(number) != 18:
        return HIDDEN * 4 + number[-2:] if len(number) > 4 else HIDDEN * 4
    return number[:3] + HIDDEN * 11 + number[-4:]


def mask_email(address: str | None) -> str:
    """w***@example.com: the first character, and where it leads."""
    if not address:
        return ""
    local, _at, domain = address.partition("@")
    return f"{local[:1]}{HIDDEN * 3}@{domain}"
