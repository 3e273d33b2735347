"""Every planted bug, by name: one module for each part of the way from a delivery to a refund."""

import importlib
import pkgutil


def _found():
    for module in sorted(one.name for one in pkgutil.iter_modules(__path__)):
        yield from importlib.import_module(f"{__name__}.{module}").DEFECTS


DEFECTS = tuple(_found())
