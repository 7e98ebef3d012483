"""Named numbers of lake, loop and project in, their history out: measured, compared, approved, remembered and shown."""
