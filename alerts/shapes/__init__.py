"""The shapes in which receivers take an alert: pure functions, one module each."""
