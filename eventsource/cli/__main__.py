"""
``python -m eventsource.cli`` is ``eventsource``.
"""

import sys

from eventsource.cli import main

sys.exit(main())
