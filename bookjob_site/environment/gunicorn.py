"""What gunicorn reads from the environment by itself, beside PORT and WEB_CONCURRENCY.

gunicorn ends with a traceback or with another name where one of these is wrong: serve.py and `manage.py check` look
first. They are no settings of this service, so `.env` has none of them.
"""

import contextlib
import io
import ipaddress
import os
import shlex

from bookjob_site.environment.refusing import refuse, refused_names, shown


def check() -> None:
    name = "FORWARDED_ALLOW_IPS"
    if not _are_networks(os.environ.get(name, "")):
        refuse(name, shown(name, os.environ[name]), "addresses or networks separated by commas, or *",
               "gunicorn would end with a traceback")  # fmt: skip
    name = "GUNICORN_CMD_ARGS"
    # gunicorn's parser can be asked only where it finds the other variables right.
    if os.environ.get(name) and refused_names.isdisjoint({"FORWARDED_ALLOW_IPS", "WEB_CONCURRENCY"}):
        fault = _fault_of(os.environ[name])
        if fault:
            refuse(
                name, f"{shown(name, os.environ[name])}: {fault}", "arguments of gunicorn", "gunicorn would not start"
            )


def _are_networks(text: str) -> bool:
    try:
        for entry in filter(None, map(str.strip, text.split(","))):
            if entry != "*":
                ipaddress.ip_network(entry)
    except ValueError:
        return False
    return True


def _fault_of(text: str) -> str:
    """What gunicorn says of the arguments, in one line."""
    from gunicorn.config import Config

    config, said = Config(), io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            given = vars(config.parser().parse_args(shlex.split(text)))
        given.pop("args", None)
        for name, value in given.items():
            if value is not None:
                config.set(name.lower(), value)
    except SystemExit:
        return said.getvalue().strip().rpartition("error: ")[2]
    except Exception as fault:
        return str(fault)
    return ""
