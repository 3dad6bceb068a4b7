"""Processes of a drill, forked from one that has loaded Django once: to start Python and Django costs more than most of them do with it.

That one holds no connection and no thread of ours. What is forked from it works with the services that its variables name.
"""

import io
import multiprocessing
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final

import django
from django.apps import apps

if not apps.ready:  # in the process that forks: this module is the first of ours that it imports
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    django.setup()
    for loaded_by_every_worker in ("config.urls", "celery.bin.celery", "celery.apps.worker"):
        import_module(loaded_by_every_worker)

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from config.celery import app as celery
from config.environment import Environment
from config.settings.served import read_services

CONTEXT: Final = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])
OF_THE_RUN: Final = ("CACHES",)  # each process of a test run counts in a database of its own


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and its words."""

    returncode: int
    stdout: str
    stderr: str


def start(variables: Mapping[str, str], work: Callable[..., None], *arguments: object) -> BaseProcess:
    """`work` in a process of its own, with the services of these variables. It dies with us, if not before."""
    process = CONTEXT.Process(target=_work, args=(dict(variables), work, arguments), daemon=True)
    process.start()
    return process


def manage(variables: Mapping[str, str], *arguments: str) -> Said:
    """A management command in a process of its own, to its end."""
    here, there = CONTEXT.Pipe(duplex=False)
    process = start(variables, _command, there, arguments)
    there.close()
    try:
        returncode, stdout, stderr = here.recv()
    except EOFError:
        returncode, stdout, stderr = 1, "", "it ended without a word"
    process.join()
    return Said(returncode, stdout, stderr)


def worker(*arguments: str) -> None:
    """What `celery worker` does with these arguments, in a process that was started for it. Says only what goes wrong."""
    celery.worker_main(
        ["--quiet", "worker", "-l", "warning", "--without-mingle", "--without-gossip", *arguments]
    )


def _work(variables: dict[str, str], work: Callable[..., None], arguments: tuple[object, ...]) -> None:
    os.environ.update(variables)
    options = connection.settings_dict["OPTIONS"]["options"]
    served = read_services(Environment(variables), options)
    connection.settings_dict.update(served["DATABASES"]["default"])
    for name, value in served.items():
        if name not in OF_THE_RUN:
            setattr(settings, name, value)
    work(*arguments)


def _command(there: "Connection[tuple[int, str, str], None]", arguments: tuple[str, ...]) -> None:
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except CommandError as refused:
        status = refused.returncode
        err.write(str(refused))
    except SystemExit as ended:
        status = int(ended.code or 0)
    there.send((status, out.getvalue(), err.getvalue()))
