"""Capacity of endpoints that go to zero: what changes it, by the deployed policies, and on which clock."""
