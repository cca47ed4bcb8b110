"""`python -m web.paper`: a page as PDF (WeasyPrint), fonts embedded, nothing fetched from anywhere.

Laying out a page takes seconds of processor time, so it is done in a process of its own: the web process only waits for it.
"""

import subprocess
import sys
import threading

from geo.problems import N_
from landready.errors import Busy, LandreadyError
from landready.settings import ROOT

_LIMIT_S = 60.0
_PATIENCE_S = 20.0
# As many threads of a web process may wait for a page; the others stay free for what is quick.
_TURNS = threading.BoundedSemaphore(1)


class NoPaper(LandreadyError):
    """The page could not be laid out; the reason stands in the log."""

    text = N_("PDF 没有生成，请稍后再试，或联系系统管理员（landready doctor）。")


def pdf(html: str) -> bytes:
    """Return a whole HTML document as PDF. What it needs stands in it: every address is refused, a file's too.

    Raises:
        Busy: other pages are being laid out.
        NoPaper: Pango is missing, or it takes longer than a minute.
    """
    if not _TURNS.acquire(timeout=_PATIENCE_S):
        raise Busy(N_("系统正在生成其他 PDF，请一分钟后再试。"))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "web.paper"],
            cwd=ROOT,
            input=html.encode(),
            capture_output=True,
            timeout=_LIMIT_S,
            check=True,
        )
    except subprocess.SubprocessError as error:
        raise NoPaper from error
    finally:
        _TURNS.release()
    return done.stdout


def main() -> None:
    """Read HTML from standard input, write PDF to standard output."""
    import weasyprint
    from weasyprint.urls import URLFetcher

    refuse = URLFetcher(allowed_protocols=())
    document = weasyprint.HTML(string=sys.stdin.read(), url_fetcher=refuse, encoding="utf-8")
    sys.stdout.buffer.write(document.write_pdf())


if __name__ == "__main__":
    main()
