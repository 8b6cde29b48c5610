"""The constructs of which the stacks consist."""
