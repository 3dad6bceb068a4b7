from django.urls import path

from consent import (
    assessment_views,
    evidence_views,
    notice_views,
    proxy_views,
    recipient_views,
    request_views,
    sharing_views,
    views,
)

app_name = "consent"
urlpatterns = [
    path("requests/", request_views.requests, name="requests"),
    path("requests/<uuid:request_id>/", request_views.request_of, name="request"),
    path("purposes/", notice_views.purposes, name="purposes"),
    path("purposes/<slug:purpose>/", notice_views.purpose, name="purpose"),
    path("purposes/<slug:purpose>/publish/", notice_views.publish, name="publish"),
    path("purposes/<slug:purpose>/<int:version>/", notice_views.version, name="version"),
    path("assessments/", assessment_views.assessments, name="assessments"),
    path("assessments/<uuid:assessment_id>/", assessment_views.assessment, name="assessment"),
    path("recipients/", recipient_views.recipients, name="recipients"),
    path("recipients/new/", recipient_views.new_recipient, name="new_recipient"),
    path("recipients/<uuid:recipient_id>/", recipient_views.recipient, name="recipient"),
    path("recipients/<uuid:recipient_id>/cut-off/", recipient_views.cut_off_recipient, name="cut_off"),
    path(
        "recipients/<uuid:recipient_id>/given/<uuid:disclosure_id>/recalled/",
        recipient_views.recalled,
        name="recalled",
    ),
    path("complaints/", request_views.complaints, name="complaints"),
    path("patients/<uuid:patient_id>/consent/", views.record, name="record"),
    path("patients/<uuid:patient_id>/consent/paper/", views.paper, name="paper"),
    path(
        "patients/<uuid:patient_id>/consent/evidence/<uuid:event_id>/",
        evidence_views.evidence,
        name="evidence_of",
    ),
    path(
        "patients/<uuid:patient_id>/consent/evidence/<uuid:event_id>/file/",
        evidence_views.evidence_file,
        name="evidence_file",
    ),
    path("patients/<uuid:patient_id>/proxies/", proxy_views.proxies, name="proxies_of"),
    path("patients/<uuid:patient_id>/proxies/<uuid:access_id>/end/", proxy_views.end, name="end_proxy"),
    path("patients/<uuid:patient_id>/consent/panel/", views.panel, name="panel"),
    path("patients/<uuid:patient_id>/consent/to/<uuid:recipient_id>/", sharing_views.share, name="share"),
    path("patients/<uuid:patient_id>/consent/<slug:purpose>/withdraw/", views.withdraw, name="withdraw"),
]
