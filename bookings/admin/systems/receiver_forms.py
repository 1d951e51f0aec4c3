"""The forms that connect a receiver and change one, by the same rules as the commands (bookings/delivery/receivers.py).

Secrets are paths of files on the machines that deliver. No page shows a path, and what serves pages reads no secret:
whether a file is good shows when `deliver` uses it, on the receiver's page.
"""

from collections.abc import Callable
from typing import Any

import orjson
from django import forms

from bookings.admin.forms import AREA, SELECT, TEXT, ActionForm
from bookings.delivery import receivers
from bookings.models import Receiver
from bookings.models.delivery import NAME_LENGTH

Kind = Receiver.Kind
OF_SERVICEMOBILITY = ("username", "move", "worker", "template")
FILES_HELP = (
    "The path of the file that holds the password of ServiceMobility, or the secret of a webhook, on each machine that"
    " delivers; of a webhook two lines while the secret is changed, the new one first."
)


class SettingsForm(ActionForm):
    """How a receiver is reached. `chosen` are the receivers that are changed; none where one is connected."""

    url = forms.CharField(label="Address", max_length=receivers.LONGEST_URL, widget=forms.TextInput(TEXT))
    username = forms.CharField(label="Log-in", max_length=NAME_LENGTH, required=False, widget=forms.TextInput(TEXT))
    secret_files = forms.CharField(
        label="File of the password or secret", required=False, widget=forms.Textarea(AREA), help_text=FILES_HELP
    )
    rate = forms.FloatField(label="Calls a second at the most", initial=5, widget=forms.NumberInput(TEXT))
    move = forms.ChoiceField(
        label="How a move is sent", choices=Receiver.Move.choices, required=False, widget=forms.Select(SELECT)
    )
    worker = forms.ChoiceField(
        label="Who is sent as the worker", choices=Receiver.Worker.choices, required=False, widget=forms.Select(SELECT)
    )
    template = forms.CharField(
        label="Template",
        required=False,
        widget=forms.Textarea(AREA),
        help_text="A JSON object that each work order is merged over. Empty: {}.",
    )

    def __init__(self, chosen: Any, request: Any, data: Any = None) -> None:
        super().__init__(chosen, request, data)
        if chosen:
            self._show(chosen[0])

    def _show(self, receiver: Receiver) -> None:
        """What it is now; of the secret nothing."""
        if not receiver.is_servicemobility:
            for name in OF_SERVICEMOBILITY:
                del self.fields[name]
        for name, field in self.fields.items():
            field.initial = getattr(receiver, name)
        self.fields["secret_files"].initial = ""
        self.fields["secret_files"].help_text = f"Empty: as it is. {FILES_HELP}"
        if "template" in self.fields:
            self.fields["template"].initial = orjson.dumps(receiver.template, option=orjson.OPT_INDENT_2).decode()

    def kind(self) -> str:
        return str(self.chosen[0].kind)

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        is_servicemobility = self.kind() == Kind.SERVICEMOBILITY
        self._check("url", receivers.check_base if is_servicemobility else receivers.check_url)
        if is_servicemobility:
            self._check("username", lambda text: receivers.check_text("The log-in", text))
            self._check("template", lambda text: receivers.read_object((text.strip() or "{}").encode(), "The template"))
        self._check("rate", receivers.check_rate)
        self._check("secret_files", lambda text: self._paths(text.splitlines(), 1 if is_servicemobility else 2))
        return cleaned

    def _check(self, name: str, check: Callable[[Any], Any]) -> None:
        if name in self.cleaned_data:
            try:
                self.cleaned_data[name] = check(self.cleaned_data[name])
            except receivers.Unfit as fault:
                self.add_error(name, str(fault))

    def _paths(self, lines: list[str], most: int) -> list[str]:
        """Given anew where the address is another one: a secret must not follow an address that was typed wrong."""
        if not "".join(lines).strip():
            if self.chosen and self.cleaned_data.get("url", self.chosen[0].url) == self.chosen[0].url:
                return list(self.chosen[0].secret_files)
            raise receivers.Unfit("Give the file again: another address gets it." if self.chosen else "Give the file.")
        return receivers.check_paths([line.strip() for line in lines if line.strip()], most)

    def columns(self) -> dict[str, Any]:
        """What the receiver becomes."""
        left_out = {"kind", "name"} | (set() if self.kind() == Kind.SERVICEMOBILITY else {*OF_SERVICEMOBILITY})
        return {name: value for name, value in self.cleaned_data.items() if name not in left_out and value != ""}


class ConnectForm(SettingsForm):
    what = forms.ChoiceField(label="What it is", choices=Kind.choices, widget=forms.Select(SELECT))
    name = forms.CharField(
        max_length=NAME_LENGTH,
        required=False,
        widget=forms.TextInput(TEXT),
        help_text="Of a webhook: what staff call that system.",
    )
    field_order = ("what", "name")

    def kind(self) -> str:
        return str(self.cleaned_data.get("what", Kind.WEBHOOK))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.kind() == Kind.SERVICEMOBILITY:
            cleaned["name"] = receivers.NAME
            if Receiver.objects.on().filter(kind=Kind.SERVICEMOBILITY).exists():
                self.add_error("what", "ServiceMobility is connected already. Change it on its page.")
        else:
            self._check("name", receivers.check_name)
            if Receiver.objects.filter(name=cleaned.get("name")).exists():
                self.add_error("name", "There is a receiver of this name already. Change it on its page.")
        return cleaned

    def columns(self) -> dict[str, Any]:
        return {name: value for name, value in super().columns().items() if name != "what"}
