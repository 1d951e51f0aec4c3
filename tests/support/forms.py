"""What a browser sends of the form on a page that is saved as it is."""

from html.parser import HTMLParser


def fields_of(page: str) -> dict[str, list[str]]:
    """Of all fields of the page but those without a name: the values by name."""
    reader = _Reader()
    reader.feed(page)
    return reader.found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self.open = ""  # the name of the select or textarea that is being read

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "input" and name and given.get("type") not in ("submit", "button", "file"):
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                self.found.setdefault(name, []).append(given.get("value") or ("on" if "checked" in given else ""))
        elif tag in ("select", "textarea") and name:
            self.open = name
            if tag == "textarea":
                self.found.setdefault(name, []).append("")
        elif tag == "option" and "selected" in given and self.open:
            self.found.setdefault(self.open, []).append(given.get("value") or "")

    def handle_endtag(self, tag):
        if tag in ("select", "textarea"):
            self.open = ""

    def handle_data(self, data):
        if self.open and self.get_starttag_text().startswith("<textarea"):
            self.found[self.open][-1] += data
