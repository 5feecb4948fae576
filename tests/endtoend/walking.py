"""Goes wherever a page leads: every link and picture, every choice of every filter, page after page."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

from playwright.async_api import APIRequestContext


@dataclass(frozen=True)
class Seen:
    """What an address answered."""

    status: int
    media_type: str
    content: bytes


async def walk(session: APIRequestContext, root: str) -> dict[str, Seen]:
    """Everything that can be reached from the first page without changing anything, by address."""
    found: dict[str, Seen] = {}
    ahead = [f"{root}/"]
    while ahead:
        address = ahead.pop()
        if address in found:
            continue
        answer = await session.get(address, max_redirects=0)
        kind = answer.headers.get("content-type", "").partition(";")[0]
        found[address] = Seen(answer.status, kind, await answer.body())
        if kind == "text/html":
            ahead += [one for one in _leads(address, found[address].content) if one.startswith(f"{root}/")]
    return found


def _leads(address: str, page: bytes) -> set[str]:
    reader = _Reader()
    reader.feed(page.decode())
    wanted = {urljoin(address, one) for one in reader.links}
    for form in reader.filters:
        action = urljoin(address, form.action)
        wanted |= {f"{action}?{urlencode({name: value})}" for name, value in form.choices}
    return {urlsplit(one)._replace(fragment="").geturl() for one in wanted}


@dataclass
class _Filter:
    action: str
    choices: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    """Links, pictures and the forms that only ask."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.filters: list[_Filter] = []
        self._within: _Filter | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag in ("a", "img", "link") and (address := told.get("href") or told.get("src")):
            self.links.append(address)
        elif tag == "form" and told.get("method", "get").lower() == "get":
            self._within = _Filter(told.get("action", ""))
            self.filters.append(self._within)
        elif self._within and tag == "select":
            self._select = told["name"]
        elif self._within and tag == "option" and told.get("value"):
            self._within.choices.append((self._select, told["value"]))
        elif self._within and tag == "input" and told.get("type") == "checkbox":
            self._within.choices.append((told["name"], told.get("value", "on")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._within = None
