"""Scored articles in; counts, trends, incidents and signed alerts out."""
