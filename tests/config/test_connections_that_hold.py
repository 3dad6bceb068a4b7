"""A connection that is kept between requests: a quiet one holds, one that the server has closed is not used again."""

import select
from datetime import UTC, datetime

import pytest
from django.db import DataError, connection


@pytest.mark.django_db
def test_a_line_that_the_server_has_closed_is_noticed_before_it_is_used() -> None:
    line = connection.copy()
    line.connect()
    try:
        assert line.is_usable()
        with line.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (server,) = cursor.fetchone()
        assert line.is_usable()

        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [server])
        assert select.select([line.connection], [], [], 30)[0]

        assert not line.is_usable()
    finally:
        line.close()
    assert not line.is_usable()


@pytest.mark.django_db
def test_a_transaction_that_has_failed_is_no_line_to_go_on_with() -> None:
    line = connection.copy()
    line.connect()
    try:
        line.set_autocommit(False)
        with pytest.raises(DataError), line.cursor() as cursor:
            cursor.execute("SELECT 'no id'::uuid")

        assert not line.is_usable()
    finally:
        line.close()


@pytest.mark.django_db
def test_a_moment_comes_in_utc() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT timestamptz '2026-03-01 08:00:00+08'")
        (moment,) = cursor.fetchone()

    assert moment == datetime(2026, 3, 1, tzinfo=UTC)
    assert moment.tzinfo is UTC
