from django.urls import path

from portal import (
    account_views,
    data_views,
    file_views,
    notice_views,
    permission_views,
    sign_in_views,
    stop_views,
    views,
)

app_name = "portal"
urlpatterns = [
    path("", views.home, name="home"),
    path("sign-in/", sign_in_views.sign_in, name="sign_in"),
    path("sign-in/code/", sign_in_views.enter_code, name="code"),
    path("sign-in/passkey/", sign_in_views.passkey_sign_in, name="passkey_sign_in"),
    path("sign-in/passkey/options/", sign_in_views.passkey_options, name="passkey_options"),
    path("first/<slug:token>/", sign_in_views.join, name="join"),
    path("sign-out/", sign_in_views.sign_out, name="sign_out"),
    path("people/", views.choose_person, name="people"),
    path("results/", views.results, name="results"),
    path("looked/", views.looked, name="looked"),
    path("looked/<uuid:uid>/who/", views.ask_who, name="ask_who"),
    path("permissions/", permission_views.permissions, name="permissions"),
    path("permissions/<slug:purpose>/", permission_views.permission, name="permission"),
    path("history/", permission_views.history, name="history"),
    path("history/<uuid:event_id>/", permission_views.receipt, name="receipt"),
    path("history/<uuid:event_id>/receipt.json", file_views.receipt_file, name="receipt_file"),
    path("history/consents.json", file_views.consents_file, name="consents_file"),
    path("data/", data_views.data, name="data"),
    path("data/ask/<slug:kind>/", data_views.ask_for, name="ask_for"),
    path("data/requests/<uuid:request_id>/back/", data_views.ask_back, name="ask_back"),
    path("proxies/", account_views.proxies, name="proxies"),
    path("proxies/<uuid:access_id>/end/", account_views.end_access, name="end_access"),
    path("passkeys/", account_views.passkeys, name="passkeys"),
    path("passkeys/<int:key_id>/end/", account_views.end_passkey, name="end_passkey"),
    path("reading/", account_views.reading, name="reading"),
    path("stop/<slug:token>/", stop_views.stop, name="stop"),
    path("notices/", notice_views.notices, name="notices"),
    path("notices/<slug:purpose>/<int:version>/<slug:locale>/", notice_views.notice, name="notice"),
]
