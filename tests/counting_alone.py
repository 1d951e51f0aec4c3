"""The service without the folder in which the workers' numbers add up: the control of tests/test_metrics.py."""

import os

folder = os.environ.pop("PROMETHEUS_MULTIPROC_DIR")
from bookjob_site.wsgi import application  # noqa: E402, F401  read while there is no folder

os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
