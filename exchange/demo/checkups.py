"""Invents a person's yearly check-ups: values that belong to one body and move slowly. Pure."""

from datetime import datetime, time, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

from exchange.demo.people import InventedPerson
from records.catalogue import INDICATOR_SYSTEM
from records.parsed import Coding, ParsedObservation, ParsedReport, PrintedNumber, PrintedText

CLINIC_TIME = ZoneInfo("Asia/Shanghai")
YEARS = 5
URGENT = (4, 6)  # of every hundred and twenty, one in either clinic
DECIMALS = {
    "fpg": 2,
    "tc": 2,
    "tg": 2,
    "ldl": 2,
    "hdl": 2,
    "k": 2,
    "hba1c": 1,
    "bmi": 1,
    "height": 1,
    "weight": 1,
    "waist": 1,
}


def invent_checkups(person: InventedPerson, *, number: int, until: datetime) -> list[ParsedReport]:
    """One to five yearly check-ups before `until`, oldest first. `number` tells the person's files apart."""
    random = Random(f"checkups {number}")  # noqa: S311 (the same values every time is the point)
    years = random.choice((1, 2, 3, 5, 5))
    last = until - timedelta(days=random.randrange(2, 150))
    height = random.gauss(171 if person.sex == "male" else 159, 5)
    reports = []
    for ago in reversed(range(years)):
        day = (
            (last - timedelta(days=365 * ago + random.randrange(-20, 20) * (ago > 0)))
            .astimezone(CLINIC_TIME)
            .date()
        )
        taken_at = datetime.combine(day, time(8, random.randrange(60)), CLINIC_TIME)
        values = _values(random, person, height, drift=(years - 1 - ago) * random.uniform(-0.02, 0.05))
        reports.append(_report(person, values, number, taken_at))
    if number % 120 in URGENT:  # somebody whose result the visitor has to tell at once
        taken_at = until - timedelta(minutes=70)
        values = {**_values(random, person, height, drift=0), "k": 6.6 + number // 120 / 10}
        reports.append(_report(person, values, number, taken_at))
    return reports


def _values(random: Random, person: InventedPerson, height: float, drift: float) -> dict[str, float]:
    body, male = person.body, person.sex == "male"

    def near(value: float, spread: float) -> float:
        return random.gauss(value, spread)

    bmi = 18.2 + 14 * min(1, body.weight + drift)
    sugar, lipids, pressure = body.sugar + drift, body.lipids + drift, body.pressure + drift
    tg = max(0.4, near(0.6 + 2.6 * lipids * body.weight * 2, 0.3))
    ldl = max(1.2, near(2.0 + 3.2 * lipids, 0.25))
    hdl = max(0.6, near(1.65 - 0.6 * body.weight - (0.15 if male else 0), 0.12))
    fpg = max(3.6, near(4.5 + 3.4 * max(0.0, sugar - 0.25), 0.3))
    sbp = near(104 + 58 * pressure, 5)
    return {
        "height": height,
        "weight": bmi * (height / 100) ** 2,
        "bmi": bmi,
        "waist": near((72 if male else 66) + 30 * body.weight, 2),
        "sbp": sbp,
        "dbp": near(sbp * 0.52 + 14, 4),
        "pulse": near(72, 7),
        "fpg": fpg,
        "hba1c": 2.6 + 0.55 * fpg,
        "tc": ldl + hdl + tg / 2.2,
        "tg": tg,
        "ldl": ldl,
        "hdl": hdl,
        "ua": near((330 if male else 265) + 110 * body.weight, 35),
        "alt": max(8, near(16 + 28 * body.weight, 6)),
        "ast": max(13, near(18 + 14 * body.weight, 4)),
        "hgb": near(152 if male else 132, 8),
        "wbc": max(3.0, near(6.2, 1.1)),
        "plt": max(90, near(225, 40)),
        "k": near(4.2, 0.25),
    }


def _report(
    person: InventedPerson, values: dict[str, float], number: int, taken_at: datetime
) -> ParsedReport:
    prefix = f"{number}-{taken_at:%Y%m%d}"
    observations = [_number(prefix, key, value, taken_at) for key, value in values.items()]
    hepatitis = "阳性" if person.body.hepatitis_b else "阴性"
    observations.append(_observation(prefix, "hbsag", taken_at, PrintedText(hepatitis)))
    return ParsedReport(
        source_system="demo",
        source_id=prefix,
        taken_at=taken_at,
        title="年度体检",
        observations=tuple(observations),
    )


def _number(prefix: str, key: str, value: float, taken_at: datetime) -> ParsedObservation:
    number = Decimal(str(value)).quantize(Decimal(1).scaleb(-DECIMALS.get(key, 0)))
    unit = UNITS[key]
    return _observation(prefix, key, taken_at, PrintedNumber(text=str(number), number=number, unit=unit))


def _observation(
    prefix: str, key: str, taken_at: datetime, value: PrintedNumber | PrintedText
) -> ParsedObservation:
    return ParsedObservation(
        source_id=f"{prefix}-{key}",
        codings=(Coding(INDICATOR_SYSTEM, key),),
        name=key,
        taken_at=taken_at,
        value=value,
    )


UNITS = {
    "height": "cm", "weight": "kg", "bmi": "kg/m²", "waist": "cm", "sbp": "mmHg", "dbp": "mmHg", "pulse": "次/分",
    "fpg": "mmol/L", "hba1c": "%", "tc": "mmol/L", "tg": "mmol/L", "ldl": "mmol/L", "hdl": "mmol/L", "ua": "μmol/L",
    "alt": "U/L", "ast": "U/L", "hgb": "g/L", "wbc": "10⁹/L", "plt": "10⁹/L", "k": "mmol/L",
}  # fmt: skip
