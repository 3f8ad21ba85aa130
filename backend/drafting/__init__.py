"""A task from a few answers: what a manufacturer would write into a task file, and what it means. Pure."""
