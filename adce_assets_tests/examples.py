"""How many examples a costly property is tried on: few in each run of the suite, many by hand."""

import os


def examples(few: int) -> int:
    """Return ``few``, or what ``ADCE_TEST_EXAMPLES`` says, such as 500 before a release."""
    return int(os.environ.get("ADCE_TEST_EXAMPLES", few))
