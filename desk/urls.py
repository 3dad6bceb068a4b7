from django.urls import path

from desk import staff_views, views
from desk.privacy import kept
from desk.privacy import views as privacy

app_name = "desk"
urlpatterns = [
    path("", views.workbench, name="workbench"),
    path("alarms/", views.alarms, name="alarms"),
    path("alarms/limits/", views.alarm_limits, name="alarm_limits"),
    path("privacy/", privacy.home, name="privacy"),
    path("privacy/seals/", privacy.seals, name="seals"),
    path("privacy/seals/verify/", privacy.verify, name="verify"),
    path("privacy/names/", privacy.names, name="names_told"),
    path("privacy/evidence/", privacy.evidence, name="evidence"),
    path("privacy/evidence/<uuid:pack_id>/", privacy.take, name="evidence_take"),
    path("privacy/kept/", kept.kept, name="kept"),
    path("privacy/log/", privacy.log, name="log"),
    path("privacy/log/export/", privacy.export, name="log_export"),
    path("privacy/log/find/", privacy.find, name="log_find"),
    path("privacy/log/<uuid:uid>/", privacy.entry, name="log_entry"),
    path("privacy/log/<uuid:uid>/proof/", privacy.proof, name="log_proof"),
    path("patients/<uuid:patient_id>/", views.chart, name="chart"),
    path("patients/<uuid:patient_id>/reveal/", views.reveal, name="reveal"),
    path("staff/", staff_views.staff, name="staff"),
    path("staff/<uuid:user_id>/leave/", staff_views.leave, name="leave"),
]
