"""gunicorn.conf.py as it is where gunicorn lacks a private name that the worker uses. Only for tests."""

import runpy

from bookjob_site.worker import names

names.METHODS["gunicorn.workers.gthread"].append("ThreadWorker.gone(self)")
globals().update(runpy.run_path("gunicorn.conf.py"))
