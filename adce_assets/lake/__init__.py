"""A bucket in, an inventory out: the store, its listing, its AWS Inventory reports, and what each key is."""
