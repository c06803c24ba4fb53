"""Serves our OpenAPI document: written by hand as YAML, published as JSON."""

from importlib import resources

import orjson
import yaml
from aiohttp import web

from gateway.http.server import HttpRoute


def description_route(base: str) -> HttpRoute:
    """``GET <base>/openapi.json``: public and cacheable; it holds nothing of ours but the interface."""
    text = resources.files("gateway.http").joinpath("openapi/case_system.yaml").read_text(encoding="utf-8")
    document = orjson.dumps(yaml.CSafeLoader(text).get_single_data())

    async def describe(_: web.Request) -> web.StreamResponse:
        return web.Response(body=document, content_type="application/json")

    return HttpRoute("GET", f"{base}/openapi.json", describe, cacheable=True)
