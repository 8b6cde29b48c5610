"""What a revision would do to the deployed environments: compared with another one, without an AWS account."""
