from django.urls import path

from exchange import views

app_name = "exchange"
urlpatterns = [
    path("", views.upload, name="import"),
    path("<uuid:batch_id>/", views.trial, name="trial"),
    path("<uuid:batch_id>/write/", views.write, name="write"),
    path("<uuid:batch_id>/discard/", views.discard, name="discard"),
]
