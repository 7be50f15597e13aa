"""Compressed files: a small one that would fill the memory is refused before it does."""

import gzip
import io
import zipfile
import zlib

from pipeline.sources.formats.errors import SourceError

MAX_INFLATION = 200
"""Times its size that a compressed file may have: tables of text shrink to a tenth, seldom to a hundredth."""
MIN_SIZE = 50_000_000
"""Bytes up to which a file may be of any inflation."""


def unpacked(content: bytes, label: str) -> bytes:
    """Return what is in a gzip file, of one member or several.

    Raises
    ------
    SourceError
        If it is damaged or cut off, or inflates to more than `MAX_INFLATION` times its size.
    """
    limit = _limit(len(content))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            result = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{label}: not a whole gzip file ({error}); copy it again") from error
    if len(result) > limit:
        raise _refusal(len(content), label)
    return result


def require_plausible(package: zipfile.ZipFile, size: int, label: str) -> None:
    """Refuse a package (a workbook) whose parts inflate to more than `MAX_INFLATION` times its size.

    Raises
    ------
    SourceError
        If they do.
    """
    if sum(part.file_size for part in package.infolist()) > _limit(size):
        raise _refusal(size, label)


def _limit(size: int) -> int:
    return max(MIN_SIZE, MAX_INFLATION * size)


def _refusal(size: int, label: str) -> SourceError:
    return SourceError(
        f"{label}: its {size} bytes inflate to more than {_limit(size)}, as no table does; pack the file anew"
    )
