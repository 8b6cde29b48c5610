"""Programs that make what the repository's deployments need."""
