"""WeChat (log-in for websites).

- ``appid`` and ``secret`` in the query of a GET; a refresh goes to another address, with ``appid`` alone.
- Every error is 200 with ``errcode`` and ``errmsg``; labelled ``text/plain``, as is everything else.
- The API takes the access token in the query, and wants the ``openid`` beside it.

developers.weixin.qq.com/doc/oplatform/en/Website_App/WeChat_Login/Wechat_Login.html,
developers.weixin.qq.com/doc/service/en/api/webdev/access/api_snsrefreshtoken.html
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, CODE_METHOD, Fake, RefusedError, Reply, Request, Story, route

OPENID = "oYbGRs8MmU6bESxXcX2Z0rFRivjQ"


class WeChat(Fake):
    slug = "wechat"
    hosts = ("open.weixin.qq.com", "api.weixin.qq.com")
    fields: ClassVar[dict[str, Any]] = {
        "base_url": "https://api.weixin.qq.com/sns",
        "auth_method": CODE_METHOD,
        "authorization_url": "https://open.weixin.qq.com/connect/qrconnect",
        "token_url": "https://api.weixin.qq.com/sns/oauth2/access_token",
        "refresh_url": "https://api.weixin.qq.com/sns/oauth2/refresh_token",
        "scope": "snsapi_login",
        "scope_delimiter": ",",
        "pkce": "",
        "client_auth": "client_secret_post",
        "credential_in": "query",
        "default_params": {"openid": "{{ openid }}"},
        "test_path": "userinfo",
        "label_template": "{{ body.nickname }}",
        "account_id_path": "body.openid",
        "dialect": {
            "authorization_params": {"appid": "{{ client_id }}", "client_id": None},
            "token_request_method": "GET",
            "token_params": {
                "appid": "{{ client_id }}",
                "secret": "{{ client_secret }}",
                "client_id": None,
                "client_secret": None,
                "redirect_uri": None,
            },
            "refresh_params": {"appid": "{{ client_id }}", "client_id": None, "client_secret": None},
            "token_response": {
                "error": "(contains([`40001`, `40013`, `40125`], errcode) && 'invalid_client') || errcode"
            },
            "keep_from_token": {"openid": {"path": "openid", "pattern": "[A-Za-z0-9_-]+"}},
            "expired_when": "contains([`40001`, `40014`, `42001`], body.errcode)",
            "test_request": {"success_when": "body.openid"},
        },
    }
    call = ("GET", "userinfo", {})
    story = Story(values={"openid": OPENID}, scope="snsapi_login", lifetime=7200, label="Ada", account=OPENID)
    refresh_has_secret = False
    unseen = frozenset(
        {
            "client_auth",  # both parameters are taken out, and a header is not looked at
            "dialect.token_response.error",  # what a wrong secret shows
            "dialect.test_request.success_when",  # what a dead token shows
        }
    )

    def refusal(self, code: int, words: str) -> RefusedError:
        return RefusedError(200, {"errcode": code, "errmsg": words})

    def malformed(self, why: str) -> RefusedError:
        return self.refusal(41002, f"appid missing, {why}")

    @route("GET", "open.weixin.qq.com", "/connect/qrconnect")
    def consent(self, request: Request) -> Reply:
        self.takes(request.query, "appid redirect_uri response_type scope state")
        return self.back(request)

    @route("GET", "api.weixin.qq.com", "/sns/oauth2/access_token")
    def token(self, request: Request) -> Reply:
        self.takes(request.query, "appid secret code grant_type")
        self.must(request.query["appid"] == CLIENT_ID, self.refusal(40013, "invalid appid"))
        self.must(request.query["secret"] == self.client_secret, self.refusal(40125, "invalid appsecret, rid: 6274c6"))
        self.must(self.spend(request.query["code"]), self.refusal(40029, "invalid code, rid: 6274c6"))
        return self.answered()

    @route("GET", "api.weixin.qq.com", "/sns/oauth2/refresh_token")
    def renew(self, request: Request) -> Reply:
        self.takes(request.query, "appid grant_type refresh_token")
        known = self.refresh and request.query["refresh_token"] == self.refresh
        self.must(known, self.refusal(40030, "invalid refresh_token"))
        return self.answered()

    def answered(self) -> Reply:
        self.issue()
        body = {"access_token": self.access, "expires_in": 7200, "refresh_token": self.refresh, "openid": OPENID}
        return Reply(200, {**body, "scope": "snsapi_login"}, {"Content-Type": "text/plain"})

    @route("GET", "api.weixin.qq.com", "/sns/userinfo")
    def user(self, request: Request) -> dict[str, Any]:
        self.takes(request.query, "access_token openid")
        known = self.knows(request.query["access_token"])
        self.must(known, self.refusal(40001, "invalid credential, access_token is invalid or not latest"))
        self.must(request.query["openid"] == OPENID, self.refusal(40003, "invalid openid"))
        return {"openid": OPENID, "nickname": "Ada"}
