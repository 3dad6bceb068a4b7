"""Who acts for a person on the portal: the desk lets a relative in with proof, and ends it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.guards import ClinicRequest, staff_page
from clinics.roles import Permission
from consent.choices import ExpressedBy, Method
from consent.errors import GuardianNeeded, OwnWordNeeded, ProxyWithoutPages
from consent.forms import ProxyForm
from consent.notices import ITEMS, LOCALES
from consent.proxies import Authorisation, end_proxy, give_proxy, who_acts_for
from consent.publishing import current_notice
from crypto.errors import SealBroken
from patients.queries import patient_for


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.RECORD_CONSENT)
@require_http_methods(["GET", "HEAD", "POST"])
def proxies(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """Who sees this person's pages beside themselves; let one more in, until a day."""
    patient, at = patient_for(request.actor, patient_id, Permission.RECORD_CONSENT), timezone.now()
    locale = get_language() or LOCALES[0]
    form = ProxyForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            give_proxy(patient, request.clinic, _said(form), locale=locale, by=request.actor, at=at)
        except ProxyWithoutPages as error:
            form.add_error("number", str(error.message))
        except (GuardianNeeded, OwnWordNeeded) as error:
            form.add_error("expressed_by", str(error.message))
        except SealBroken as error:
            form.add_error(None, str(error.message))
        else:
            messages.success(request, _("They see this person's pages from now on, until that day."))
            return redirect("consent:proxies_of", patient_id=patient.pk)
    notice = current_notice(request.clinic, Purpose.FAMILY, locale, at)
    context = {
        "patient": patient,
        "others": who_acts_for(patient, at),
        "form": form,
        "notice": notice,
        "items": [(str(heading), notice.items[code]) for code, heading in ITEMS.items()],
    }
    return render(request, "consent/proxies.html", context)


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.RECORD_CONSENT)
@require_POST
def end(request: ClinicRequest, patient_id: UUID, access_id: UUID) -> HttpResponse:
    """They see nothing of the person any more. Raises NoSuchPage."""
    patient = patient_for(request.actor, patient_id, Permission.RECORD_CONSENT)
    end_proxy(patient, access_id, at=timezone.now())
    messages.success(request, _("Ended. They see nothing of this person any more."))
    return redirect("consent:proxies_of", patient_id=patient.pk)


def _said(form: ProxyForm) -> Authorisation:
    said = form.cleaned_data
    return Authorisation(
        number=said["number"].strip().upper(),
        last_on=said["last_on"],
        expressed_by=ExpressedBy(said["expressed_by"]),
        method=Method(said["method"]),
        words=f"{said['witness']}; {said['proof']}; {said['number']}",
        file=said["file"],
        form_token=said["form_token"],
    )
