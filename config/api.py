"""Every address of the API, version 1. What each takes and gives stands in the `api.py` of its app."""

from django.urls import path

from clinics.api.schema import SchemaView
from consent.api import Consents, Withdrawals
from desk.api import Events, Reveal
from followups.api import Claim, FollowUps, OneFollowUp, Outcomes
from patients.api import OnePatient, Patients, PatientSearch
from records.api import Observations, OneObservation

app_name = "api"
urlpatterns = [
    path("schema/", SchemaView.as_view(), name="schema"),
    path("patients/", Patients.as_view(), name="patients"),
    path("patients/search/", PatientSearch.as_view(), name="patient_search"),
    path("patients/<uuid:patient_id>/", OnePatient.as_view(), name="patient"),
    path("patients/<uuid:patient_id>/reveal/", Reveal.as_view(), name="reveal"),
    path("patients/<uuid:patient_id>/observations/", Observations.as_view(), name="observations"),
    path(
        "patients/<uuid:patient_id>/observations/<uuid:observation_id>/",
        OneObservation.as_view(),
        name="observation",
    ),
    path("patients/<uuid:patient_id>/consents/", Consents.as_view(), name="consents"),
    path(
        "patients/<uuid:patient_id>/consents/<slug:purpose>/withdrawal/",
        Withdrawals.as_view(),
        name="withdrawal",
    ),
    path("follow-ups/", FollowUps.as_view(), name="follow_ups"),
    path("follow-ups/<uuid:follow_up_id>/", OneFollowUp.as_view(), name="follow_up"),
    path("follow-ups/<uuid:follow_up_id>/claim/", Claim.as_view(), name="claim"),
    path("follow-ups/<uuid:follow_up_id>/outcome/", Outcomes.as_view(), name="outcome"),
    path("events/", Events.as_view(), name="events"),
]
