"""The source of a function or class as a page shows it: the algorithm, without what a reader looks up in the file."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

PAGE_WIDTH = 100  # characters of a line of code that fit a page of 800 pixels
LONG = 3  # lines of a signature, from which on it is shortened
FENCE = "```python\n"  # how a listing begins on a page
ARGUMENTS = re.compile(r'\n\n +(Args|Returns|Raises|Attributes):\n.*?(?=\n +""")', re.DOTALL)


def listing(shown: Callable[..., Any]) -> str:
    """Source of a function or class, without the list of arguments in its docstring and without a long signature."""
    source = with_short_signature(textwrap.dedent(inspect.getsource(shown)))
    return ARGUMENTS.sub("", source, count=1)


def fenced(shown: Callable[..., Any]) -> str:
    """The listing as Markdown."""
    return f"{FENCE}{listing(shown)}```"


def with_short_signature(source: str) -> str:
    """A function whose signature takes more than three lines, with the names of its arguments alone.

    The types of ten arguments stand between the reader and the algorithm; they are in the file.
    """
    (function,) = ast.parse(source).body
    if not isinstance(function, ast.FunctionDef) or function.body[0].lineno - function.lineno <= LONG:
        return source
    for argument in ast.walk(function.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    returned = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    header = f"def {function.name}({ast.unparse(function.args)}){returned}:"
    wrapped = textwrap.wrap(header, PAGE_WIDTH, subsequent_indent=" " * 8, break_long_words=False)
    lines = source.splitlines()
    decorators, body = lines[: function.lineno - 1], lines[function.body[0].lineno - 1 :]
    return "\n".join([*decorators, *wrapped, *body]) + "\n"
