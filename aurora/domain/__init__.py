"""What energy data means: pure functions, no input or output, a module a subject."""
