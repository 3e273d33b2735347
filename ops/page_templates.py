"""The HTML templates of `ops`, with everything escaped that they are filled with."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def page_templates() -> Environment:
    """An environment of its own, to which a page may add filters."""
    return Environment(
        loader=PackageLoader("ops"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
