"""Feeds and archives -> Articles: fetch, parse, admit, append, index; imports only wire."""
