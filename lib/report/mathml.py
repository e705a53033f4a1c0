"""Formulas as MathML, which browsers draw by themselves: no script, no font and no request is needed for them."""

import re

NAMES = ("arg",)  # operators that the converter does not know
LETTERS = re.compile(r'(?:<mi mathvariant="normal">[^<]</mi>){2,}')
# A function is set apart from its argument, unless that is in brackets or the function carries a subscript.
APART = re.compile(r"(<mi>[a-z]{2,}</mi>)(?=<m(?!o )|<mo>[&#A-Z0-9a-z;]*(?:2113|2211)[^<]*</mo>)")


def to_mathml(tex: str, *, block: bool = False) -> str:
    r"""MathML of a formula in TeX.

    Args:
        tex: The formula without its dollar signs.
        block: Whether it stands on a line of its own.

    Raises:
        ValueError: A command is unknown and would be shown as text.
    """
    from latex2mathml.converter import convert

    for name in NAMES:
        tex = re.sub(rf"\\{name}(?![A-Za-z])", rf"\\operatorname{{{name}}}", tex)
    try:
        made = convert(tex, display="block" if block else "inline")
    except Exception as fault:
        raise ValueError(f"cannot typeset {tex!r}: {fault!r}") from fault
    if left := re.search(r"\\[A-Za-z]+", made):
        raise ValueError(f"cannot typeset {tex!r}: {left[0]} is unknown")
    made = LETTERS.sub(_word, made)
    return APART.sub(r'\1<mspace width="0.17em"/>', made)


def _word(letters: re.Match[str]) -> str:
    r"""A word in upright letters, `\mathrm{LSE}`, as one name rather than a product of its letters."""
    return f"<mi>{re.sub('<[^>]+>', '', letters[0])}</mi>"
