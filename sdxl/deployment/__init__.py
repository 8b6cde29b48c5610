"""Deployments: what one is, which one a command calls, and how the CDK makes and deletes it."""
