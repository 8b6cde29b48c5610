"""Checks the templates of environments before they are deployed, without an AWS account and without a network."""
