"""The demo: a simulated newswire, a receiver that checks what it gets, and a live view."""
