"""What reaches the log: the place of a failure and its kind, never the words that were in hand."""

import logging
import sys
from io import StringIO

import pytest
from django.conf import settings
from django.db import DataError, connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.log import log_response

from config.logs import NO_PAGE, Discreet
from config.settings.base import LOGGING
from crypto.errors import KeysMissing

NAME = "鵷鷇·阿不都"


@pytest.fixture
def written() -> StringIO:
    return StringIO()


@pytest.fixture
def log(written: StringIO) -> logging.Logger:
    logger = logging.Logger("here")
    handler = logging.StreamHandler(written)
    handler.setFormatter(Discreet("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    return logger


def test_a_traceback_tells_the_place_and_the_kind_but_not_the_words(
    log: logging.Logger, written: StringIO
) -> None:
    try:
        try:
            int(NAME)
        except ValueError as error:
            raise LookupError(f"no {NAME}") from error
    except LookupError:
        log.exception("while reading")
    assert NAME not in written.getvalue()
    assert "ValueError" in written.getvalue()
    assert "LookupError" in written.getvalue()
    assert __name__.rpartition(".")[2] in written.getvalue()


def test_our_own_errors_are_told_whole_because_they_carry_ids_alone(
    log: logging.Logger, written: StringIO
) -> None:
    log.warning("not sent: %s", KeysMissing("clinic 7 has no key"))
    assert "clinic 7 has no key" in written.getvalue()


def test_somebody_elses_exception_as_an_argument_is_told_by_its_kind(
    log: logging.Logger, written: StringIO
) -> None:
    log.warning("%s %s", "not read:", ValueError(NAME))
    assert written.getvalue() == "WARNING not read: ValueError\n"


@pytest.mark.django_db
def test_what_the_database_says_about_a_value_stays_out_but_its_code_stays_in(
    log: logging.Logger, written: StringIO
) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::uuid", [NAME])
    except DataError:
        log.exception("while reading")
    assert NAME not in written.getvalue()
    assert "22P02" in written.getvalue()


def test_an_address_that_somebody_typed_is_not_repeated(log: logging.Logger, written: StringIO) -> None:
    for path in (f"/patients/{NAME}/", "/patients/018f0000-0000-7000-8000-000000000000/"):
        request = RequestFactory().get(path)
        log_response(
            "%s: %s",
            "Not Found",
            request.path,
            request=request,
            response=HttpResponse(status=404),
            logger=log,
        )
    assert written.getvalue().splitlines() == [
        f"WARNING Not Found: {NO_PAGE}",
        "WARNING Not Found: /patients/<uuid:patient_id>/",
    ]


def test_a_failed_task_is_told_without_its_arguments_and_words(
    log: logging.Logger, written: StringIO
) -> None:
    try:
        raise ValueError(NAME)
    except ValueError as error:
        context = {
            "name": "followups.tasks.turn", "id": "7", "description": "raised unexpected",
            "exc": repr(error), "traceback": f"… {NAME}", "args": f"({NAME!r},)", "kwargs": "{}",
        }  # fmt: skip
        log.error("Task %(name)s[%(id)s] %(description)s: %(exc)s %(args)s", context, exc_info=sys.exc_info())
    assert NAME not in written.getvalue()
    assert "Task followups.tasks.turn[7] raised unexpected: ValueError" in written.getvalue()


def test_every_handler_of_the_settings_is_discreet() -> None:
    assert {handler["formatter"] for handler in LOGGING["handlers"].values()} == {"discreet"}
    assert settings.ADMINS == []  # nobody gets mails about errors, with variables and addresses in them
