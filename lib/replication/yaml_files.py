"""YAML as its version 1.2 and JSON read it, with keys given twice refused.

PyYAML follows version 1.1, which takes `1e-3` for text, `010` for 8, `1:30` for 90 and `no` for False.
"""

import re
from collections.abc import Hashable
from typing import Any, ClassVar

import yaml

# libyaml reads a paper's file in a seventh of the time; wheels of PyYAML have it, a build from source may not
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):
    """A safe loader with no guesses about bare words but those below."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping; a key given twice is a mistake, not a silent replacement."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        doubled = [key for key in keys if keys.count(key) > 1]
        if doubled:
            raise yaml.constructor.ConstructorError(None, None, f"key {doubled[0]!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def whole_number(self, node: yaml.ScalarNode) -> int:
        """Digits are decimal, whatever they begin with."""
        return int(self.construct_scalar(node))


def _bare(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), list(first))


_bare("null", "~|null|Null|NULL", "~nN")
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("$"), [""])  # nothing after a colon
_bare("bool", "true|True|TRUE|false|False|FALSE", "tTfF")
_bare("int", "[-+]?[0-9]+", "-+0123456789")
_bare("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789")
_bare("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+.")
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.whole_number)


def read_yaml(text: str, where: str) -> Any:
    """What `text` holds.

    Raises:
        ValueError: it is not valid YAML, or a key is given twice; the message begins with `where`.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as fault:
        raise ValueError(f"{where} is not valid YAML: {fault}") from fault
