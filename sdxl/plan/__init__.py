"""What an endpoint's scaling does with given arrivals: waits, failures and cost, by simulation."""
