"""Staff of each role in a browser, as at the desk."""

from tests.support.conftest import browse, browser_of, desk

__all__ = ["browse", "browser_of", "desk"]
