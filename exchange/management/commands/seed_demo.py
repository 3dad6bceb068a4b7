"""Fills an empty installation with invented people; on a filled one it changes nothing."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import now

from audit.actors import system_actor
from exchange.demo.house import (
    ACCOUNTS,
    CLINICS,
    PASSWORD,
    is_begun,
    is_open,
    open_house,
    receive_visitors,
    teams_in,
)
from exchange.demo.lives import portal_phones, settle
from exchange.demo.story import tell
from exchange.services.decoys import open_decoys

DECOYS_AGO = (timedelta(days=240, hours=3), timedelta(days=420, hours=5))  # one in each care team


class Command(BaseCommand):
    help = "Invent a chain of two clinics with staff, patients, check-ups, to-dos and consents."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--patients", type=int, default=300, help="how many people to invent (default 300)"
        )
        parser.add_argument("--accounts", action="store_true", help="only print the accounts")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["accounts"]:
            self._print_accounts()
            return
        if is_open():
            self.stdout.write("seed_demo: the demo's people are here already.")
            return
        if is_begun():
            raise CommandError(
                "An earlier start was cut off while people were invented: run `make demo-reset`."
            )
        at = now()
        clinics = open_house()
        for done, total in settle(clinics, count=options["patients"], at=at):
            if done % 50 == 0 or done == total:
                self.stdout.write(f"seed_demo: {done} of {total} people")
                self.stdout.flush()
        for clinic in clinics.values():
            tell(clinic, at=at)
            for team, ago in zip(teams_in(clinic), DECOYS_AGO, strict=True):
                list(open_decoys(clinic, 1, team=team, by=system_actor("demo", clinic.pk), at=at - ago))
        receive_visitors()

    def _print_accounts(self) -> None:
        self.stdout.write(f"Accounts (all invented; every password is {PASSWORD}):")
        for account in ACCOUNTS:
            role = account.role.label
            self.stdout.write(f"  {account.username:<14}{account.name}  {role}  {CLINICS[account.clinic][0]}")
        for code, phones in portal_phones().items():
            shown = ", ".join(phones)
            self.stdout.write(f"  portal /p/{code}/  phones {shown}")
        self.stdout.write(f"Codes and reminders arrive in the mailbox: {settings.MAILBOX_URL}")
