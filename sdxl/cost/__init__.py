"""What an environment costs: idle, at a monthly volume and at max capacity, and what other model sources would cost.

Prices are the catalog's, each with its date, source and region. What has no price there is unknown, and a sum with
something unknown in it is a lower bound: neither is ever filled in.
"""
