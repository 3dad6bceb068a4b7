from django.urls import path

from portal import views

app_name = "portal"
urlpatterns = [
    path("", views.home, name="home"),
    path("sign-in/", views.sign_in, name="sign_in"),
    path("sign-in/code/", views.enter_code, name="code"),
    path("sign-out/", views.sign_out, name="sign_out"),
    path("people/", views.choose_person, name="people"),
    path("results/", views.results, name="results"),
    path("looked/", views.looked, name="looked"),
    path("looked/<uuid:uid>/who/", views.ask_who, name="ask_who"),
    path("permissions/", views.permissions, name="permissions"),
    path("permissions/<slug:purpose>/", views.permission, name="permission"),
]
