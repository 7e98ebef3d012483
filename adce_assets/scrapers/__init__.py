"""Wanted keys in, collected documents out: one module for each kind of scraper, named as the `kind` in configuration.

How to ask a host and how a document gets into the lake is the business of `fetch`; which keys are wanted is the loop's.
"""
