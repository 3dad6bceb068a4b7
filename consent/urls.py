from django.urls import path

from consent import request_views, views

app_name = "consent"
urlpatterns = [
    path("requests/", request_views.requests, name="requests"),
    path("requests/<uuid:request_id>/", request_views.request_of, name="request"),
    path("complaints/", request_views.complaints, name="complaints"),
    path("patients/<uuid:patient_id>/consent/", views.record, name="record"),
    path("patients/<uuid:patient_id>/consent/panel/", views.panel, name="panel"),
    path("patients/<uuid:patient_id>/consent/<slug:purpose>/withdraw/", views.withdraw, name="withdraw"),
]
