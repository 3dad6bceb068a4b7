from django.urls import path

from followups import views

app_name = "followups"
urlpatterns = [
    path("followups/<uuid:follow_up_id>/done/", views.done, name="done"),
    path("followups/<uuid:follow_up_id>/claim/", views.claim, name="claim"),
    path("patients/<uuid:patient_id>/followups/", views.panel, name="panel"),
]
