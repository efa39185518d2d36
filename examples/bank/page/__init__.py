"""
The bank's web page.
"""

from examples.bank.page.serving import serve_page

__all__ = ["serve_page"]
