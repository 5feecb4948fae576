"""Rendering the sandbox's pages: templates beside this file, Chinese with a switch to English, nothing from outside."""

from __future__ import annotations

from aiohttp import web
from jinja2 import Environment, PackageLoader, select_autoescape

_TEMPLATES = Environment(loader=PackageLoader("sandbox", "html"), autoescape=select_autoescape())


def language(request: web.Request) -> str:
    """`?lang=en` or the cookie it left; else Chinese."""
    asked = request.query.get("lang") or request.cookies.get("lang")
    return "en" if asked == "en" else "zh"


def page(request: web.Request, template: str, links: list[tuple[str, str]], **values: object) -> web.Response:
    """A page whose header has the links and the switch to the other language."""
    lang = language(request)
    other = ("中文", "?lang=zh") if lang == "en" else ("English", "?lang=en")
    text = _TEMPLATES.get_template(template).render(lang=lang, links=[*links, other], **values)
    response = web.Response(text=text, content_type="text/html", charset="utf-8")
    if "lang" in request.query:
        response.set_cookie("lang", lang, samesite="Lax")
    return response
