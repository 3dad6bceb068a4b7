from django.urls import path

from portal import notice_views, permission_views, sign_in_views, views

app_name = "portal"
urlpatterns = [
    path("", views.home, name="home"),
    path("sign-in/", sign_in_views.sign_in, name="sign_in"),
    path("sign-in/code/", sign_in_views.enter_code, name="code"),
    path("sign-out/", sign_in_views.sign_out, name="sign_out"),
    path("people/", views.choose_person, name="people"),
    path("results/", views.results, name="results"),
    path("looked/", views.looked, name="looked"),
    path("looked/<uuid:uid>/who/", views.ask_who, name="ask_who"),
    path("permissions/", permission_views.permissions, name="permissions"),
    path("permissions/<slug:purpose>/", permission_views.permission, name="permission"),
    path("history/", permission_views.history, name="history"),
    path("history/<uuid:event_id>/", permission_views.receipt, name="receipt"),
    path("notices/", notice_views.notices, name="notices"),
    path("notices/<slug:purpose>/<int:version>/<slug:locale>/", notice_views.notice, name="notice"),
]
