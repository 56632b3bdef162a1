"""Answers Prometheus, before any other middleware.

A scraper comes by address, without TLS and often: the check of the host, the
redirect to https and a rate limit would all refuse it. So this stands first in
MIDDLEWARE. It wants METRICS_TOKEN as a bearer token; while that variable is
empty, nobody is answered.
"""

import hmac
import os

from django.http import HttpResponseForbidden
from django.utils.deprecation import MiddlewareMixin
from django_prometheus.exports import ExportToDjangoView


class MetricsMiddleware(MiddlewareMixin):
    def process_request(self, request):
        if request.path_info != "/metrics":
            return None
        token = os.environ.get("METRICS_TOKEN", "")
        expected = f"Bearer {token}".encode()
        shown = request.headers.get("Authorization", "").encode()
        if not token or not hmac.compare_digest(shown, expected):
            return HttpResponseForbidden()
        return ExportToDjangoView(request)
