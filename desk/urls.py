from django.urls import path

from desk import views

app_name = "desk"
urlpatterns = [
    path("", views.workbench, name="workbench"),
    path("alarms/", views.alarms, name="alarms"),
    path("patients/<uuid:patient_id>/", views.chart, name="chart"),
    path("patients/<uuid:patient_id>/reveal/", views.reveal, name="reveal"),
]
