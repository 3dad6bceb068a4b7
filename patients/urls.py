from django.urls import path

from patients import views

app_name = "patients"
urlpatterns = [
    path("", views.patient_list, name="list"),
    path("search/", views.search, name="search"),
    path("new/", views.new, name="new"),
    path("new/check/", views.check, name="check"),
    path("<uuid:patient_id>/portal/", views.open_portal, name="open_portal"),
]
