"""What the translations say: a count is said as a number, whatever the number is."""

import re
from pathlib import Path

import polib
import pytest
from django.conf import settings

CATALOGUE = Path(settings.BASE_DIR) / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
COUNTED = [entry for entry in polib.pofile(str(CATALOGUE)) if entry.msgid_plural]


@pytest.mark.parametrize("entry", COUNTED, ids=lambda entry: entry.msgid[:40])
def test_the_only_chinese_form_names_every_number_of_the_plural(entry: polib.POEntry) -> None:
    asked = set(re.findall(r"%\((\w+)\)s", entry.msgid_plural))

    assert set(re.findall(r"%\((\w+)\)s", entry.msgstr_plural[0])) == asked
