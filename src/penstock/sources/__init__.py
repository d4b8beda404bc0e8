"""Sources: where items come from. Files and pipes through `open_source`, anything iterable in the library.

Nothing here fetches, and nothing here decides what becomes of a bad row: it is yielded as a `BadRow`.
"""

from penstock.sources.inputs import open_source
from penstock.sources.iterables import IterableSource
from penstock.sources.options import INPUT_FORMATS, InputFormat, SourceOptions

__all__ = ["INPUT_FORMATS", "InputFormat", "IterableSource", "SourceOptions", "open_source"]
