"""The text of a PDF's pages: a program of its own, since the file may be made to harm whoever reads it. It takes the file from its standard
input, writes the text, as UTF-8, and imports nothing of the portal.

It may use so much memory and processor time, and can write no file. One that cannot be read ends it with a code other than zero.
"""

from __future__ import annotations

import io
import logging
import resource
import sys
from typing import Final

MEMORY_BYTES: Final = 600_000_000
PROCESSOR_SECONDS: Final = 3
MOST_PAGES: Final = 20
LONGEST_TEXT: Final = 200_000


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    content = sys.stdin.buffer.read()
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what is odd about a stranger's file is nobody's concern
    pages = pypdf.PdfReader(io.BytesIO(content)).pages
    text = "\n".join(pages[number].extract_text() for number in range(min(len(pages), MOST_PAGES)))
    sys.stdout.buffer.write(text[:LONGEST_TEXT].encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
