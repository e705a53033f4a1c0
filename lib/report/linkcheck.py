"""Whether a site holds together: every link leads somewhere, nothing is loaded from elsewhere, no formula was left."""

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADING = {"src", "srcset", "poster", "data"}  # attributes whose address a browser fetches by itself
LEFT_OVER = re.compile(r"formula\d+held|\$\$|\\(?:frac|sum|mathrm|log|text|nabla)\b")
IN_STYLE = re.compile(r"url\(\s*['\"]?(?!data:)([^)'\"]+)|@import")


class Page(HTMLParser):
    """What a page links to, loads and can be linked at."""

    def __init__(self, text: str) -> None:
        """Read the page."""
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: list[str] = []
        self.prose: list[str] = []
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the element refers to."""
        if tag in {"script", "style", "pre", "code", "svg"}:
            self._inside.append(tag)
        for name, value in attrs:
            if name == "id":
                self.anchors.append(value or "")
            elif name in LOADING or (name in {"href", "xlink:href"} and tag in {"link", "use", "image"}):
                self.loaded.append(value or "")
            elif name == "href":
                self.links.append(value or "")
            elif name == "style" and value and IN_STYLE.search(value):
                self.loaded.append(value)

    def handle_endtag(self, tag: str) -> None:
        """Leave the element."""
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        """Keep the prose, in which no source of a formula may be left."""
        if not self._inside:
            self.prose.append(data)


def faults(site: Path) -> list[str]:
    """Everything wrong with the pages below `site`, a line each; empty where all is well."""
    files = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    pages = {name: Page((site / name).read_text(encoding="utf-8")) for name in sorted(files) if name.endswith(".html")}
    found = [f"{name}: {fault}" for name in pages for fault in _of_page(name, pages, files)]
    return found + [
        f"{name}: loads {match[0]}"
        for name in sorted(files)
        if name.endswith(".css")
        for match in IN_STYLE.finditer((site / name).read_text(encoding="utf-8"))
    ]


def _of_page(name: str, pages: dict[str, Page], files: set[str]) -> Iterator[str]:
    page = pages[name]
    for address in page.loaded:
        if address.startswith("data:"):  # in the page itself
            continue
        if _elsewhere(address):
            yield f"loads {address} from elsewhere"
        elif _target(address, name) not in files:
            yield f"loads {address}, which is not there"
    for link in page.links:
        if not _elsewhere(link):
            yield from _broken(link, name, pages, files)
    yield from (f"two elements have the id {anchor!r}" for anchor, count in Counter(page.anchors).items() if count > 1)
    if left := LEFT_OVER.search("\n".join(page.prose)):
        yield f"a formula was left as text: {left[0]}"


def _target(address: str, page: str) -> str:
    """The file of the site that an address on a page leads to."""
    path = unquote(urlsplit(address).path)
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page


def _elsewhere(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.scheme or parts.netloc)


def _broken(link: str, name: str, pages: dict[str, Page], files: set[str]) -> Iterator[str]:
    target, anchor = _target(link, name), unquote(urlsplit(link).fragment)
    if target not in files:
        yield f"links to {link}, which is not there"
    elif anchor and "=" not in anchor and target in pages and anchor not in pages[target].anchors:
        yield f"links to {link}, where there is no such anchor"  # with `=` it is a choice of the table
