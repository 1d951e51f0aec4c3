"""What every answer tells a browser not to do (docs/security.md has the reasons and the exceptions).

Most callers of the API are no browsers; an answer that is opened in one, or embeds, is still only data. Django's
own middleware adds X-Content-Type-Options, X-Frame-Options, Referrer-Policy, Cross-Origin-Opener-Policy and HSTS.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

# Nothing is loaded, run, sent or framed.
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# The admin's Alpine.js makes functions out of the attributes of its pages.
DESK = PAGE.format(scripts=" 'unsafe-eval'")
DOCS = PAGE.format(scripts="")
FEATURES = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"


class HeadersMiddleware:
    """A header that a view has set itself stays."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        path, set_default = request.path_info, response.headers.setdefault
        set_default("X-Content-Type-Options", "nosniff")
        if path.startswith("/admin/") or _is_page(path, response):
            set_default("Content-Security-Policy", DESK)
            set_default("Permissions-Policy", FEATURES)
        elif path.removesuffix("/") == "/api/v1/docs":
            set_default("Content-Security-Policy", DOCS)
            set_default("Permissions-Policy", FEATURES)
        else:
            set_default("Content-Security-Policy", NOTHING)
        if not path.startswith("/static/"):
            # Addresses, names and tokens: no cache keeps any of it.
            set_default("Cache-Control", "no-store")
            set_default("Cross-Origin-Resource-Policy", "same-origin")
        return response


def _is_page(path: str, response: HttpResponse) -> bool:
    """Whether it is a page of the desk at another address: that of an error."""
    return not path.startswith("/api/") and response.get("Content-Type", "").startswith("text/html")
