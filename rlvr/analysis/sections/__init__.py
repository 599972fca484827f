"""The sections of report.json, each from whole evaluations or a pair of them: what `rlvr.analysis` hands to the report.

Every section is a `TypedDict`, so that its readers are checked key by key; `rlvr/report/schema.py` puts them together.
"""
