from django.urls import path

from exchange import hand_over_views, views

app_name = "exchange"
urlpatterns = [
    path("", views.upload, name="import"),
    path("hand-over/<uuid:request_id>/", hand_over_views.hand_over, name="hand_over"),
    path("<uuid:batch_id>/", views.trial, name="trial"),
    path("<uuid:batch_id>/write/", views.write, name="write"),
    path("<uuid:batch_id>/discard/", views.discard, name="discard"),
]
