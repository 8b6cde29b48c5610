"""Client conventions: each turns HTTP into a `GenerationRequest`, and a `GenerationResult` or an error into a reply.

A new client convention is one module here with `ROUTES` (`route.py` says what a route is) and its line in `routes.py`.
Dialects know HTTP and the domain, and nothing of AWS.
"""
