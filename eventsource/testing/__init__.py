"""
What tests of stores are made with. Needs the extra ``testing``.
"""

import pytest

# Else a failed assertion of the suite would not say what the values were.
pytest.register_assert_rewrite("eventsource.testing.contract")
