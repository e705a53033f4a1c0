"""The font of formulas, cut down to the characters that the site has, inside a style sheet.

Without a font for mathematics a browser draws no tall brackets, braces or integrals, and few phones have one. STIX Two
Math comes with the package `ziamath`. It stands in the style sheet itself, as a page that is opened from a folder may
not load fonts in every browser.
"""

import base64
import importlib.util
import unicodedata
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

LETTERS = (*range(0x1D434, 0x1D468), *range(0x1D6FC, 0x1D71C), 0x210E, 0x2202)  # italic, as a browser draws one letter
ALWAYS = "()[]{}|‖⟨⟩⌊⌋⌈⌉√∑∏∫⏞⏟ˆˇ˜¯→^~"


def style(characters: Iterable[str]) -> str:
    """A style sheet that draws formulas with these characters in STIX Two Math."""
    content = base64.b64encode(subset(characters)).decode()
    return (
        '@font-face { font-family: "Formulas"; src: url("data:font/woff;base64,' + content + '") format("woff"); }\n'
        'math { font-family: "Formulas", math, serif; }\n'
    )


def subset(characters: Iterable[str]) -> bytes:
    """The font as WOFF, with these characters, italic letters, and whatever they grow into."""
    from fontTools import subset as cut
    from fontTools.ttLib import TTFont

    options = cut.Options(layout_features=["*"], flavor="woff", drop_tables=["DSIG"], hinting=False)
    cutter = cut.Subsetter(options)
    wanted = {character for character in {*characters, *ALWAYS} if not unicodedata.category(character).startswith("C")}
    cutter.populate(unicodes=[*map(ord, wanted), *LETTERS])
    font = TTFont(_font())
    cutter.subset(font)
    font.flavor = "woff"
    stream = BytesIO()
    font.save(stream)
    return stream.getvalue()


def _font() -> Path:
    """Where the font lies.

    Raises:
        ModuleNotFoundError: the package that brings it is not installed.
    """
    found = importlib.util.find_spec("ziamath")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'ziamath'", name="ziamath")
    return Path(found.origin).parent / "fonts" / "STIXTwoMath-Regular.ttf"
