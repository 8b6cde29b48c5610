"""CloudFormation over moto: stacks, change sets and the resource types that the project's stacks use."""
