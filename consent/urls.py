from django.urls import path

from consent import views

app_name = "consent"
urlpatterns = [
    path("patients/<uuid:patient_id>/consent/", views.record, name="record"),
    path("patients/<uuid:patient_id>/consent/panel/", views.panel, name="panel"),
    path("patients/<uuid:patient_id>/consent/<slug:purpose>/withdraw/", views.withdraw, name="withdraw"),
]
