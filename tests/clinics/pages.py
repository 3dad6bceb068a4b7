"""Small pages that do one thing each, to see what the unit of work makes of it."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.urls import include, path

from audit.kinds import Kind
from audit.purposes import Purpose
from audit.services import record
from clinics.guards import ClinicRequest, portal_entry, portal_page, public_page, staff_page
from clinics.roles import Permission
from config.urls import handler404 as handler404
from config.urls import urlpatterns as real_pages
from patients.queries.access import patient_for


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.SEE_PATIENTS)
def name_of(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """Opens the name while rendering, after the view has returned."""
    patient = patient_for(request.actor, patient_id)
    template = engines["django"].from_string("{{ patient.identity.name }}")
    return TemplateResponse(request, template, {"patient": patient})


@staff_page(None)
def without_purpose(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    return HttpResponse(patient_for(request.actor, patient_id).identity.name)


@staff_page(Purpose.CARE, permission=Permission.SEE_LOG)
def for_the_log(request: ClinicRequest) -> HttpResponse:
    return HttpResponse("log")


@staff_page(None)
def writes_and_fails(request: ClinicRequest) -> HttpResponse:
    record("test.written", object=request.clinic)
    raise RuntimeError("after the write")


@staff_page(None)
def writes_and_answers_400(request: ClinicRequest) -> HttpResponse:
    record("test.written", object=request.clinic)
    return HttpResponse("no", status=400)


@staff_page(Purpose.CARE)
def opens_and_fails(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    assert patient_for(request.actor, patient_id).identity.name
    return HttpResponse("no", status=400)


@staff_page(None)
def who(request: ClinicRequest) -> JsonResponse:
    return JsonResponse(
        {"clinic": request.clinic.code, "may": sorted(request.permissions), "actor": request.actor.ref}
    )


@portal_page(Purpose.CARE)
def own_page(request: ClinicRequest) -> HttpResponse:
    return HttpResponse(request.clinic.code)


@portal_entry()
def entry(request: ClinicRequest) -> HttpResponse:
    return HttpResponse(f"{request.clinic.code} {request.actor.kind}")


@public_page
def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


portal = ([path("own/", own_page), path("entry/", entry)], "test_portal")
urlpatterns = [
    path("t/name/<uuid:patient_id>/", name_of, name="test_name"),
    path("t/without-purpose/<uuid:patient_id>/", without_purpose),
    path("t/log/", for_the_log),
    path("t/fails/", writes_and_fails),
    path("t/answers-400/", writes_and_answers_400),
    path("t/opens-and-fails/<uuid:patient_id>/", opens_and_fails),
    path("t/who/", who),
    path("t/p/<slug:clinic_code>/", include(portal)),
    path("t/hello/", hello),
    *real_pages,
]
