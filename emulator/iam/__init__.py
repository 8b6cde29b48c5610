"""IAM: what a function's execution role may do, evaluated as AWS does it, and what it was seen to use."""
