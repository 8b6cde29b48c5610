"""What is deployed: environment files, catalog, stacks and the constructs they are made of."""
