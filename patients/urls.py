from django.urls import path

from patients import care_views, views

app_name = "patients"
urlpatterns = [
    path("", views.patient_list, name="list"),
    path("search/", views.search, name="search"),
    path("new/", views.new, name="new"),
    path("new/check/", views.check, name="check"),
    path("emergency/", care_views.emergency, name="emergency"),
    path("emergency/review/", care_views.review, name="review_glass"),
    path("panels/", care_views.panels, name="panels"),
    path("<uuid:patient_id>/responsible/", care_views.responsible, name="responsible"),
    path("<uuid:patient_id>/who-sees/", care_views.who_sees, name="who_sees"),
    path("<uuid:patient_id>/watch/", care_views.watch, name="watch"),
    path("<uuid:patient_id>/call/", care_views.call, name="call"),
    path("<uuid:patient_id>/portal/", views.open_portal, name="open_portal"),
    path("<uuid:patient_id>/portal/sign-out/", views.sign_out_of_portal, name="sign_out_of_portal"),
    path("<uuid:patient_id>/portal/invitation/", views.invite, name="invite"),
    path("<uuid:patient_id>/portal/invitation/confirm/", views.confirm_invited, name="confirm_invited"),
]
