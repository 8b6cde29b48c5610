"""What AWS offers and what an account has of it: quotas, subscriptions, access to models, and what is denied."""
