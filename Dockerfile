# syntax=docker/dockerfile:1
# The oldest Python that the code is written for (pyproject.toml). In production pin the digest as well: python:...@sha256:...
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements.lock ./
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY manage.py gunicorn.conf.py pyproject.toml openapi.yaml ./
COPY bookjob_site bookjob_site
COPY bookings bookings
COPY conformance conformance
COPY templates templates
COPY docs docs
COPY deploy/entrypoint.sh deploy/entrypoint.sh
# Whatever the modes were where this is built: everybody may read, and nobody has to write.
RUN mkdir -p var \
    && SECRET_KEY=of-the-build STATIC_ROOT=/app/static /venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
    && /venv/bin/python -m compileall -q bookings bookjob_site conformance \
    && chmod -R a+rX /app

FROM python:3.11-slim-bookworm
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STATIC_ROOT=/app/static \
    GUNICORN_CMD_ARGS=--bind=0.0.0.0:8000
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["/app/deploy/entrypoint.sh"]
CMD ["python", "-m", "bookjob_site.serve"]
