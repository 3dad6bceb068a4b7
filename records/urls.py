from django.urls import path

from records import views

app_name = "records"
urlpatterns = [
    path("patients/<uuid:patient_id>/results/", views.results, name="results"),
    path("patients/<uuid:patient_id>/results/<slug:indicator>/", views.history, name="history"),
]
