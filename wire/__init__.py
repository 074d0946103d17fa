"""What travels between the stages, and the log that carries it; imports nothing of ours."""
