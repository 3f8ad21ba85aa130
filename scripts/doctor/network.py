"""The way out of this machine: which proxies and certificates a request uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from scripts.doctor.subject import Subject
from scripts.doctor.verdict import Finding, Verdict, examined, fail, ok
from storage.http import proxy_of, shown_url, tls_context

_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_REMEDY: Final = "unset the variable or correct it: docs/network.md says what each does"


def network_findings(subject: Subject) -> Iterator[Finding]:
    yield examined("proxies", proxies, _REMEDY)
    for url in subject.urls:
        yield examined("way", partial(way, url), _REMEDY)
    yield examined("certificates", certificates, _REMEDY)


def proxies() -> Verdict:
    """The variables that are set; the lower-case one of a pair counts."""
    found = [name for upper in _PROXIES for name in (upper.lower(), upper) if os.environ.get(name)]
    return ok(f"{', '.join(found)} set" if found else "none set: requests go straight out")


def way(url: str) -> Verdict:
    proxy = proxy_of(url)
    if proxy is None:
        return ok(f"{shown_url(url)} directly")
    if urlsplit(proxy).scheme not in ("http", "https"):
        return fail(f"{shown_url(url)} by {shown_url(proxy)}, which is no http(s) proxy", _REMEDY)
    return ok(f"{shown_url(url)} by the proxy {shown_url(proxy)}")


def certificates() -> Verdict:
    tls_context()
    named = [f"{name}={os.environ[name]}" for name in _CERTIFICATES if os.environ.get(name)]
    return ok(f"those of {', '.join(named)}" if named else "those of the system")
