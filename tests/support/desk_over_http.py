"""The desk over HTTP, without a browser: log in, look at a page, send its form."""

import re
import urllib.request
from http.cookiejar import CookieJar
from urllib.parse import urlencode

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class Desk:
    """A person who is logged in to a running service."""

    def __init__(self, service, name: str, password: str) -> None:
        self.url = service.url
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        page = self.post("/admin/login/", {"username": name, "password": password, "next": "/admin/"})
        assert "Log in again" not in page

    def get(self, path: str) -> str:
        with self.opener.open(self.url + path, timeout=60) as answer:
            self.address = answer.url
            return answer.read().decode()

    def post(self, path: str, data: dict, page: str = "") -> str:
        """Send a form; its token is that of `page`, or of the page at this address. Follows where it leads."""
        token = TOKEN.search(page or self.get(path))[1]
        body = urlencode({**data, "csrfmiddlewaretoken": token}, doseq=True).encode()
        asked = urllib.request.Request(self.url + path, body, {"Referer": self.url + path})
        with self.opener.open(asked, timeout=60) as answer:
            self.address = answer.url
            return answer.read().decode()
