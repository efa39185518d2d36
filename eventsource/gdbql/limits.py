"""
How large a query may be. Each limit is a `QueryLimitError` when passed, never a crash.
"""

from __future__ import annotations

from typing import Final

# Longer texts are generated, not written; a guard of any sense has under 1 KiB.
MAX_TEXT_BYTES: Final = 16 * 1024

# Nodes above one another in a tree. Python allows 1,000 calls above one another, and the parser
# needs up to eight for each of these.
MAX_DEPTH: Final = 64

# Brackets and prefix operators around one another in a text. A tree of full depth never prints to
# more: at worst -(NOT -(NOT ... with three for each two nodes.
MAX_NESTING: Final = MAX_DEPTH * 3 // 2

# Elements of one list, members of one object, arguments of one call.
MAX_ITEMS: Final = 1_000

# Of an integer, written or computed. Python refuses to print more than 4,300, and a product of a few
# of these must stay below that.
MAX_DIGITS: Final = 1_000

# Of a text that a query computes: REPLACE in REPLACE could otherwise fill the memory.
MAX_VALUE_CHARACTERS: Final = 1_048_576
