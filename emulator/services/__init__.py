"""Moto's services where they fall short of what the stacks and their clients rely on, one module per service."""
