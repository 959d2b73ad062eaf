"""Names and texts that Python takes, made of what has any."""

import keyword
from collections.abc import Collection, Iterable
from unicodedata import normalize

# Types that annotations name; in a class, an attribute of such a name would hide them.
BUILTINS = frozenset({"bool", "bytes", "dict", "float", "int", "list", "set", "str", "tuple"})


def name_all(texts: Iterable[str], reserved: Collection[str] = (), *, private: bool = False) -> dict[str, str]:
    """Return an identifier of its own for each text: the text itself where that is one and not ``reserved``.

    The others get underscores.  Names that begin with one are kept only where ``private``.
    """
    found: dict[str, str] = {}
    texts = list(texts)
    for text in sorted(texts, key=lambda text: _make_identifier(text, private=private) != text):
        name = _make_identifier(text, private=private)
        while name in reserved or keyword.iskeyword(name) or name in found.values():
            name += "_"
        found[text] = name
    return {text: found[text] for text in texts}


def _make_identifier(text: str, *, private: bool) -> str:
    """Return the text as Python would read it, see https://docs.python.org/3/reference/lexical_analysis.html."""
    name = normalize("NFKC", text)
    if not name.isidentifier():
        name = "".join(char if f"x{char}".isidentifier() else "_" for char in name)
    name = name if private else name.lstrip("_")
    return name if name.isidentifier() else f"x{name}"


def write_doc(text: str, indent: str) -> str:
    """Return a docstring, with its indentation and the end of its last line; "" for no text."""
    if not text.strip():
        return ""
    lines = [_escape(line).rstrip() for line in text.strip().split("\n")]
    body = "\n".join([lines[0], *(f"{indent}{line}" if line else "" for line in lines[1:])])
    closing = f"\n{indent}" if len(lines) > 1 else ""
    if not closing and body.endswith('"'):
        body = f'{body[:-1]}\\"'
    return f'{indent}"""{body}{closing}"""\n'


def write_value(value: object) -> str:
    """Return a literal; that of a text in double quotes where these need no escapes."""
    literal = repr(value)
    return f'"{literal[1:-1]}"' if isinstance(value, str) and '"' not in literal else literal


def _escape(line: str) -> str:
    line = line.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
