from django.urls import path

from clinics import views

app_name = "clinics"
urlpatterns = [path("clinic/switch/", views.switch_clinic, name="switch")]
