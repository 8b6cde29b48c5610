"""Deploys environments ring by ring: preflight, `cdk deploy` and a smoke test each, and a stop at the first failure."""
