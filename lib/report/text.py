"""Markdown of the repository as HTML of the site: formulas as MathML, code in colours, links to where pages went."""

import functools
import html
import posixpath
import re
from pathlib import Path
from typing import Any

import mistune
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from lib.report.mathml import to_mathml

# Code first, so that a dollar sign in it is none of ours; then formulas on lines of their own, then those in a line.
CODE_OR_MATHS = re.compile(
    r"(?P<code>^```.*?^```|``.+?``|`[^`\n]+`)|\$\$(?P<block>.+?)\$\$|(?<!\\)\$(?P<inline>[^$\n]+?)\$",
    re.DOTALL | re.MULTILINE,
)
HELD = re.compile(r"(?:<p>)?formula(\d+)held(?:</p>)?")
FORMATTER = HtmlFormatter(nowrap=True, style="xcode")
PLAIN = re.compile(r'<span class="(?:w|n|p|o)">([^<]*)</span>')  # as black as the text around them: half of a page
OUTSIDE = ("http://", "https://", "mailto:")
AS_THEY_ARE = {".svg", ".png"}  # files that a browser shows; others get `.txt`, which it shows, too


class Places:
    """Where a file of the repository is found in the site.

    Attributes:
        pages: Path in the repository -> page of the site.
        copied: Path in the repository -> place in the site, of the other files that some page links to.
    """

    def __init__(self, tree: Path, pages: dict[str, str]) -> None:
        """Files of `tree`, some of which have pages."""
        self.tree = tree
        self.pages = pages
        self.copied: dict[str, str] = {}

    def target(self, link: str, source: str, page: str) -> str:
        """`link` as the file `source` of the repository has it, as the page `page` needs it.

        Raises:
            ValueError: it leads to nothing in the repository.
        """
        path, mark, anchor = link.partition("#")
        if link.startswith(OUTSIDE) or not path:
            return link
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        return relative(self.of(wanted, source), page) + mark + anchor

    def of(self, wanted: str, source: str = "") -> str:
        """The place of a file of the repository, which is copied where it has no page."""
        if wanted in self.pages:
            return self.pages[wanted]
        file = self.tree / wanted
        if not file.is_file():
            raise ValueError(f"{source} links to {wanted}, which is not a file of the repository")
        suffix = "" if file.suffix in AS_THEY_ARE else ".txt"
        return self.copied.setdefault(wanted, f"files/{wanted}{suffix}")


def relative(target: str, page: str) -> str:
    """The link from one page of the site to another place in it."""
    return posixpath.relpath(target, posixpath.dirname(page) or ".")


def to_html(markdown: str, places: Places, source: str, page: str) -> str:
    """HTML of a Markdown text.

    Args:
        markdown: The text.
        places: Where links lead.
        source: The file of the repository that it is from.
        page: The page that it goes to.
    """
    formulas: list[str] = []

    def hold(found: re.Match[str]) -> str:
        if found["code"]:
            return found[0]
        tex = found["block"] or found["inline"]
        formulas.append(to_mathml(tex.strip(), block=bool(found["block"])))
        held = f"formula{len(formulas) - 1}held"
        return f"\n\n{held}\n\n" if found["block"] else held

    text = CODE_OR_MATHS.sub(hold, markdown)
    renderer = _Renderer(functools.partial(places.target, source=source, page=page))
    made = str(mistune.Markdown(renderer, plugins=_plugins())(text))
    return HELD.sub(lambda held: _formula(formulas[int(held[1])]), made)


def _formula(mathml: str) -> str:
    return f'<div class="formula">{mathml}</div>' if 'display="block"' in mathml else mathml


def code(source: str, language: str = "python") -> str:
    """Source in colours, which the style sheet knows."""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        lexer = get_lexer_by_name("text")
    inner = PLAIN.sub(r"\1", highlight(source.rstrip(), lexer, FORMATTER))
    return f'<pre class="code" tabindex="0"><code>{inner.rstrip()}</code></pre>'


def colours() -> str:
    """The style sheet of the colours; dark enough on white to be read by everybody."""
    return str(FORMATTER.get_style_defs(".code"))


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    plain = html.unescape(re.sub(r"<[^>]+>", "", heading)).lower()
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", plain))


def _plugins() -> list[Any]:
    from mistune.plugins.formatting import strikethrough
    from mistune.plugins.table import table

    return [table, strikethrough]


class _Renderer(mistune.HTMLRenderer):
    """Tables that scroll by themselves, code in colours, headings with anchors, links that lead into the site."""

    def __init__(self, target: Any) -> None:
        super().__init__(escape=False)
        self.target = target

    def link(self, text: str, url: str, title: str | None = None) -> str:
        return f'<a href="{html.escape(self.target(url))}">{text}</a>'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        alt = html.escape(re.sub(r"<[^>]+>", "", text))
        return f'<img src="{html.escape(self.target(url))}" alt="{alt}" loading="lazy">'

    def heading(self, text: str, level: int, **attributes: Any) -> str:
        return f'<h{level} id="{slug(text)}">{text}</h{level}>\n'

    def block_code(self, code_: str, info: str | None = None) -> str:
        return code(code_, (info or "text").split()[0])

    def table(self, text: str) -> str:
        return scrolling(f"<table>\n{text}</table>")


def scrolling(table: str, label: str = "table") -> str:
    """A wide table in a frame that scrolls, also from the keyboard."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(label)}">{table}</div>\n'
