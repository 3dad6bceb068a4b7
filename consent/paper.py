"""A notice as PDF, and the form somebody fills in by hand where nobody wants a screen: the same words, with empty boxes.

On the form nothing is ticked and no name is printed: the service number names the person, and its QR code leads the desk
back to where the signed paper is recorded.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import segno
from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.utils.translation import override

from audit.purposes import Purpose
from clinics.models import Clinic
from clinics.paper import pdf_of
from consent.models import ConsentNotice
from consent.notices import ITEMS
from patients.models import Patient

_FOLDER: Final = Path(__file__).parent / "data" / "paper"
_REGIONS: Final = {"zh-hans": ("zh", "cn"), "en": ("en", "gb")}


def notice_pdf(clinic: Clinic, notice: ConsentNotice, address: str) -> bytes:
    """One version, word for word, in its own language; `address` is where it stands for anybody. Raises PaperUnavailable."""
    with override(notice.locale):
        data = {
            **_language(notice.locale),
            "clinic": clinic.name,
            "title": notice.title,
            "facts": _facts(notice),
            "items": _items(notice, ITEMS),
            "fingerprint": f"{_('Fingerprint (SHA-256)')} {notice.fingerprint}",
            "address": address,
            "code": _picture(address),
        }
    return pdf_of(_FOLDER / "notice.typ", data)


def form_pdf(
    patient: Patient,
    clinic: Clinic,
    notices: Mapping[Purpose, ConsentNotice],
    *,
    address: str,
    locale: str,
    at: datetime,
) -> bytes:
    """The form for one patient, with an empty box for each purpose; `address` is where the signed paper is recorded.

    What every notice says alike stands once, before the purposes. Raises PaperUnavailable.
    """
    shown = list(notices.values())
    common = [code for code in ITEMS if len({notice.items[code] for notice in shown}) == 1]
    own = [code for code in ITEMS if code not in common]
    with override(locale):
        data = {
            **_language(locale),
            "clinic": clinic.name,
            "title": _("Permissions: form on paper"),
            "lead": _(
                "Each box stands by itself. Tick only what you agree to; an empty box is a no, and you are treated all the same."
            ),
            "number_label": _("Service number"),
            "number": f"{patient.service_number} · {localdate(at):%Y-%m-%d}",
            "code": _picture(address),
            "code_label": _("for the desk"),
            "common_title": _("Holds for all of them"),
            "common": _items(shown[0], common) if shown else [],
            "purposes": [
                {
                    "title": notice.title,
                    "facts": f"{_facts(notice)} · {notice.fingerprint[:16]}",
                    "items": _items(notice, own),
                    "yes": _("Yes, I agree to this: %(purpose)s") % {"purpose": notice.title},
                }
                for notice in shown
            ],
            "sign_title": _("Who signs"),
            "sign_lead": _(
                "For somebody else: write your relation and the paper that lets you decide. The witness saw the person sign."
            ),
            "blanks": _blanks(),
        }
    return pdf_of(_FOLDER / "form.typ", data)


def _blanks() -> list[str]:
    return [
        _("Name"),
        _("Date"),
        _("Signature"),
        _("For somebody else: relation and paper"),
        _("Witness: name"),
        _("Witness: signature"),
    ]


def _language(locale: str) -> dict[str, str]:
    language, region = _REGIONS.get(locale, _REGIONS["zh-hans"])
    return {"lang": language, "region": region}


def _facts(notice: ConsentNotice) -> str:
    return _("Version %(version)s, in force since %(day)s") % {
        "version": notice.version,
        "day": f"{notice.effective_from:%Y-%m-%d}",
    }


def _items(notice: ConsentNotice, codes: Iterable[str]) -> Sequence[Mapping[str, Any]]:
    return [{"heading": str(ITEMS[code]), "words": notice.items[code]} for code in codes]


def _picture(address: str) -> str:
    picture = BytesIO()
    segno.make(address, error="m").save(picture, kind="svg", scale=4, border=1, xmldecl=False)
    return picture.getvalue().decode()
