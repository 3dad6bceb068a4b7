"""Invented people by number, so that every process knows what each of them is called; and many of them written at once."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from django.db import connection

from audit.acting import acting
from audit.actors import system_actor
from clinics.models import Clinic
from crypto import keyring
from crypto.core.scopes import Scope
from crypto.core.suites import new_key
from crypto.core.wrap import subject_key_aad
from crypto.ids import uuid7
from crypto.providers import Clear, provider
from crypto.services import new_key_id
from patients.choices import Sex
from patients.models import Patient, PatientSearchPerson
from patients.search_tokens import tokens_of

SURNAMES: Final = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
GIVEN: Final = "芳敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红梅建国文斌志鹏晓雪婷浩宇欣怡子涵梓萱"
OPENED_AT: Final = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
PAGE: Final = 1000


def identity_of(number: int, *, seed: int) -> dict[str, str | None]:
    """What the person with this number is called, and their phone; the same in every process."""
    chance = random.Random(seed * 1_000_003 + number)  # people, not secrets
    name = chance.choice(SURNAMES) + "".join(chance.choices(GIVEN, k=chance.choice((1, 2, 2))))
    return {"name": name, "phone": f"+86138{number:08d}"}


def service_number(number: int) -> str:
    return f"ZZ-{number // 10_000:04d}-{number % 10_000:04d}"


def number_of(patient: Patient) -> int:
    return int(patient.service_number[3:].replace("-", ""))


def open_cards(clinic: Clinic, numbers: Sequence[int], *, seed: int) -> None:
    """People with keys, sealed identities and search tokens, but without cards and carers: in pages, a few statements each."""
    for start in range(0, len(numbers), PAGE):
        with acting(system_actor("drill", clinic.pk)):
            _write(clinic, numbers[start : start + PAGE], seed)


def _write(clinic: Clinic, numbers: Sequence[int], seed: int) -> None:
    identities = {uuid7(): (number, identity_of(number, seed=seed)) for number in numbers}
    _make_keys(clinic.pk, list(identities))
    Patient.objects.sealed_bulk_create(
        Patient(
            id=patient_id,
            subject_id=patient_id,
            clinic=clinic,
            service_number=service_number(number),
            sex=Sex.UNKNOWN,
            created_at=OPENED_AT,
            identity=identity,
        )
        for patient_id, (number, identity) in identities.items()
    )
    people = PatientSearchPerson.objects.bulk_create(
        PatientSearchPerson(clinic=clinic, subject_id=patient_id, patient_id=patient_id)
        for patient_id in identities
    )
    rows = [
        (int(index), key_ver, token, person.pk)
        for person in people
        for index, key_ver, token in tokens_of(clinic.pk, identities[person.subject_id][1])
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_TOKENS, [clinic.pk, *([row[place] for row in rows] for place in range(4))])


_INSERT_TOKENS = """
INSERT INTO patient_search (clinic_id, index, key_ver, token, search_id)
SELECT %s, * FROM unnest(%s::smallint[], %s::smallint[], %s::bigint[], %s::uuid[])
"""


def _make_keys(clinic_id: UUID, subjects: Sequence[UUID]) -> None:
    kek = keyring.active_kek(clinic_id)
    wanted = [(subject_id, scope) for subject_id in subjects for scope in Scope]
    wrapped = provider().wrap(
        [
            Clear(
                kek.reference,
                kek.suite,
                new_key(kek.suite),
                subject_key_aad(
                    clinic_id=clinic_id,
                    subject_id=subject_id,
                    scope=scope,
                    version=1,
                    suite=kek.suite,
                    kek_id=kek.id,
                ),
            )
            for subject_id, scope in wanted
        ]
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_KEYS,
            [
                clinic_id,
                kek.suite.value,
                kek.id,
                [new_key_id() for _key in wanted],
                [subject_id for subject_id, _scope in wanted],
                [scope.value for _subject_id, scope in wanted],
                wrapped,
            ],
        )


_INSERT_KEYS = """
INSERT INTO subject_key (clinic_id, version, suite, kek_id, id, subject_id, scope, wrapped)
SELECT %s, 1, %s, %s, * FROM unnest(%s::bigint[], %s::uuid[], %s::smallint[], %s::bytea[])
"""
