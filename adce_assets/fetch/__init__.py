"""Polite and guarded: requests in, checked documents in the lake out.

Everything that leaves for a source or comes from it passes through here: the client, the limits that all processes
share, the audit, and the way from a staged object into the lake. Which documents to ask for is the scrapers' business.
"""
