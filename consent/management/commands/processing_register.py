"""`manage.py processing_register`: write docs/processing-register.md from the registry of purposes."""

from typing import Any

from django.core.management.base import BaseCommand

from consent.purposes import rules
from consent.register_page import PLACE, page


class Command(BaseCommand):
    help = "Write docs/processing-register.md from the registry of purposes and the data catalogue."

    def handle(self, **options: Any) -> None:
        PLACE.write_text(page(), "utf-8")
        self.stdout.write(f"{len(rules())} purposes.")
