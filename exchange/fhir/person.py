"""The person a bundle is about."""

import re
from dataclasses import dataclass
from datetime import date

from exchange.fhir.document import Node
from exchange.fhir.times import whole_day
from patients.errors import IdNumberInvalid
from patients.identity import read_id_number

_CHINESE = re.compile(r"[\u3400-\u9fff\U00020000-\U000323af·]+")
_ID_SYSTEMS = frozenset({"urn:oid:2.16.156.10011.1.3", "urn:oid:2.16.840.1.113883.2.23.1.9.1"})
_OLD_NAMES = frozenset({"old", "maiden", "nickname", "anonymous", "temp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedPerson:
    """Who the file is about, as far as it says. `phone` and `id_number` are as printed."""

    name: str
    sex: str
    born_on: date | None
    phone: str = ""
    email: str = ""
    id_number: str = ""
    has_died: bool = False


def parse_person(patient: Node) -> ParsedPerson:
    """Read a Patient resource. Raises Broken at the first part that is not what FHIR says."""
    gender = patient.text("gender")
    birth = patient.get("birthDate")
    return ParsedPerson(
        name=_name(patient),
        sex=gender if gender in ("male", "female") else "unknown",
        born_on=whole_day(birth) if birth else None,
        phone=_contact(patient, "phone"),
        email=_contact(patient, "email"),
        id_number=_id_number(patient),
        has_died=bool(patient.flag("deceasedBoolean")) or patient.get("deceasedDateTime") is not None,
    )


def _name(patient: Node) -> str:
    """The name in use: Chinese names are written together, others with spaces, the given name first."""
    names = sorted(patient.items("name"), key=lambda name: name.text("use") in _OLD_NAMES)
    if not names:
        return ""
    first = names[0]
    family = first.text("family")
    given = [part.as_text() for part in first.items("given")]
    if not family and not given:
        return " ".join(first.text("text").split())
    together = "".join([family, *given])
    return together if _CHINESE.fullmatch(together) else " ".join(filter(None, [*given, family]))


def _contact(patient: Node, system: str) -> str:
    """The first way to reach the person by `system`, a mobile phone before others."""
    found = [
        point
        for point in patient.items("telecom")
        if point.text("system") == system and point.text("use") != "old"
    ]
    found.sort(key=lambda point: point.text("use") != "mobile")
    return found[0].text("value") if found else ""


def _id_number(patient: Node) -> str:
    """The resident identity number: by its system, or by its form and check character under another one."""
    for identifier in patient.items("identifier"):
        value = identifier.text("value")
        try:
            return read_id_number(value, today=date.max).number
        except IdNumberInvalid as error:
            if identifier.text("system") in _ID_SYSTEMS:
                raise identifier.broken(error.explanation) from None
    return ""
