"""The image API: one Lambda function that turns an HTTP request into a call of the deployed SDXL model, and back.

How a request travels::

    api.handler -> application -> dialects.stability_v1 -> request.GenerationRequest -> backends.<source> -> endpoint
                                                                                                                |
    reply       <- application <- dialects.stability_v1 <- image_store (what does not fit) <- GenerationResult <-

A new client convention is one file in `dialects/`; a new model is one file in `backends/`. Nothing in `dialects/` knows
AWS, nothing in `backends/` knows HTTP, and both know only the domain model in `request.py`.
"""
