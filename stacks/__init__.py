"""What is deployed: environment files, catalog, stacks and their constructs."""
