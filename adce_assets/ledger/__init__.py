"""What happened to each key: the receipts of what was written, and the markers that tell of completed work.

It records and reads back; what follows from a record is decided elsewhere.
"""
